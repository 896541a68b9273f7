using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online.Live;

/// <summary>The deciders of a live run by name: as <see cref="OnlineDeciders"/>, without the oracle, which would have to know what has not happened yet.</summary>
public static class LiveDeciders
{
    // What fixed choices are made for when nothing has crossed the link yet.
    private const double AssumedBytesPerSecond = 2.5e6, AssumedRoundTripSeconds = 0.01;

    /// <summary>Makes a decider.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="targets">The targets, opened; the link's estimate counts for fixed choices.</param>
    /// <param name="constraints">What requests ask for.</param>
    /// <param name="seed">Seed of exploration.</param>
    /// <exception cref="ArgumentException">There is no such decider or target.</exception>
    public static IOnlineDecider Create(string name, TargetSet targets, RequestConstraints constraints, long seed)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(targets);
        IReadOnlyList<TargetProfile> profiles = targets.Profiles;
        if (name.StartsWith(OnlineDeciders.StaticPrefix, StringComparison.Ordinal)) return Fixed(targets.Find(name[OnlineDeciders.StaticPrefix.Length..]));
        return name switch
        {
            "autoscale" => new AutoScaleDecider(profiles, targets.NetworkSize, options: new AutoScaleOptions { Seed = seed }),
            "autoscale-paper" => new AutoScaleDecider(profiles, targets.NetworkSize, options: AutoScaleOptions.Paper with { Seed = seed }),
            "ans" => new AnsDecider(profiles),
            "ans-energy" => new AnsDecider(profiles, new AnsOptions { Objective = AnsObjective.Energy }),
            "ans-paper" => new AnsDecider(profiles, AnsOptions.Paper),
            "device" => Fixed(Best(TargetPlacement.Device)),
            "edge" => Fixed(Best(TargetPlacement.Edge)),
            "static" => Fixed(Best(null)),
            "oracle" => throw new ArgumentException("Decider 'oracle' knows the future: it exists in simulated time only ('coinference replay').", nameof(name)),
            _ => throw new ArgumentException($"Decider '{name}' is unknown; expected {string.Join(", ", OnlineDeciders.Names.Where(known => known != "oracle"))} or {OnlineDeciders.StaticPrefix}TARGET.", nameof(name)),
        };

        int Best(TargetPlacement? placement)
        {
            double rate = targets.Link.BytesPerSecond, roundTrip = targets.Link.RoundTripSeconds;
            return StaticDecider.Best(
                profiles, constraints, double.IsNaN(rate) ? AssumedBytesPerSecond : rate, double.IsNaN(roundTrip) ? AssumedRoundTripSeconds : roundTrip, double.NaN, placement);
        }

        StaticDecider Fixed(int target) => target >= 0
            ? new StaticDecider(name, target)
            : throw new ArgumentException($"Decider '{name}' has no target; the targets are {string.Join(", ", profiles.Select(profile => profile.Target.Name))}.", nameof(name));
    }
}
