using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Live;

/// <summary>The deciders of a live run by name: those of <see cref="OnlineDeciders"/> that need no simulated world, and an oracle of the emulated link.</summary>
public static class LiveDeciders
{
    // What fixed choices are made for when nothing has crossed the link yet.
    private const double AssumedBytesPerSecond = 2.5e6, AssumedRoundTripSeconds = 0.01;

    /// <summary>Names, besides <c>static:TARGET</c>.</summary>
    public static readonly IReadOnlyList<string> Names = [.. OnlineDeciders.Names.Where(name => name is not ("autoscale-bins" or "causal-oracle"))];

    /// <summary>Makes a decider.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="targets">The targets, opened; the link's estimate counts for fixed choices.</param>
    /// <param name="constraints">What requests ask for.</param>
    /// <param name="seed">Seed of exploration.</param>
    /// <param name="link">The link that is emulated, whose future the oracle knows; null for none.</param>
    /// <exception cref="ArgumentException">There is no such decider or target, or the oracle was asked for without an emulated link.</exception>
    public static IOnlineDecider Create(string name, TargetSet targets, RequestConstraints constraints, long seed, IShapedLink? link = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(targets);
        IReadOnlyList<TargetProfile> profiles = targets.Profiles;
        if (name == "oracle")
        {
            return link is not null
                ? new LinkOracle(profiles, link)
                : throw new ArgumentException("Decider 'oracle' knows the future, which only an emulated link (--trace or --link) has already.", nameof(name));
        }

        return OnlineDeciders.CreateFixed(name, profiles, Best) ?? OnlineDeciders.CreateLearner(name, profiles, targets.NetworkSize, seed) ?? throw OnlineDeciders.Unknown(name, Names);

        int Best(TargetPlacement? placement)
        {
            double rate = targets.Link.BytesPerSecond, roundTrip = targets.Link.RoundTripSeconds;
            return StaticDecider.Best(
                profiles, constraints, double.IsNaN(rate) ? AssumedBytesPerSecond : rate, double.IsNaN(roundTrip) ? AssumedRoundTripSeconds : roundTrip, double.NaN, placement);
        }
    }
}
