using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>Always the same target.</summary>
public sealed class StaticDecider : IOnlineDecider
{
    private readonly int _target;

    /// <summary>Creates a decider.</summary>
    /// <param name="name">Its name in reports.</param>
    /// <param name="target">Index of the target.</param>
    public StaticDecider(string name, int target) => (Name, _target) = (name, target);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The target that costs least energy by its profile, in time and accurate enough, on an undisturbed device, an idle edge and a given link.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="constraints">What requests ask for; where no target meets the latency, the fastest of the accurate ones is taken.</param>
    /// <param name="bytesPerSecond">Rate of the link.</param>
    /// <param name="roundTripSeconds">Its round-trip time.</param>
    /// <param name="signalDbm">Strength of the signal, or NaN.</param>
    /// <param name="placement">Only targets of this placement; null for all.</param>
    /// <returns>Index of the target, or -1 when there is none of that placement.</returns>
    public static int Best(
        IReadOnlyList<TargetProfile> profiles, in RequestConstraints constraints, double bytesPerSecond, double roundTripSeconds, double signalDbm, TargetPlacement? placement = null)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        int best = -1;
        (bool Inaccurate, bool Late, double Cost) lowest = default;
        for (int i = 0; i < profiles.Count; i++)
        {
            TargetProfile profile = profiles[i];
            if (placement is not null && profile.Target.Placement != placement) continue;
            bool crosses = profile.Target.Placement != TargetPlacement.Device;
            double sending = profile.Target.PayloadBytes / bytesPerSecond, receiving = profile.ReplyBytes / bytesPerSecond;
            double latency = profile.DeviceSeconds + profile.EncodeSeconds + profile.EdgeSeconds + (crosses ? sending + receiving + roundTripSeconds : 0);
            bool late = latency > constraints.LatencySeconds;
            double joules = profile.Power.Joules(profile.DeviceSeconds, profile.EncodeSeconds, crosses ? sending : 0, crosses ? receiving : 0, latency, signalDbm);
            (bool, bool, double) cost = (profile.Target.Accuracy < constraints.Accuracy, late, late ? latency : joules);
            if (best >= 0 && cost.CompareTo(lowest) >= 0) continue;
            (best, lowest) = (i, cost);
        }

        return best;
    }

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints) => _target;

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
    }
}
