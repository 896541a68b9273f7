using System.Diagnostics;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Live;

/// <summary>
/// An oracle of live runs: it knows when an emulated link, a recorded one above all, will deliver what each target would send, and takes device and edge to be as
/// fast as they were when the targets were opened. Chooses what is in time, then what costs least.
/// </summary>
/// <param name="profiles">The targets.</param>
/// <param name="link">The link.</param>
public sealed class LinkOracle(IReadOnlyList<TargetProfile> profiles, IShapedLink link) : IOnlineDecider
{
    /// <inheritdoc/>
    public string Name => "oracle";

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints)
    {
        long now = Stopwatch.GetTimestamp();
        int best = -1;
        (bool Inaccurate, bool Late, double Joules) lowest = default;
        for (int i = 0; i < profiles.Count; i++)
        {
            TargetProfile profile = profiles[i];
            double latency = profile.DeviceSeconds, sending = 0, receiving = 0;
            if (profile.Target.Placement != TargetPlacement.Device)
            {
                long sent = now + Ticks(profile.DeviceSeconds + profile.EncodeSeconds), atEdge = link.ArrivalAtEdge(sent, (int)profile.Target.PayloadBytes);
                long replied = atEdge + Ticks(profile.EdgeSeconds), back = link.ArrivalAtDevice(replied, (int)profile.ReplyBytes);
                (sending, receiving, latency) = (Seconds(atEdge - sent), Seconds(back - replied), Seconds(back - now));
            }

            double joules = profile.Power.Joules(profile.DeviceSeconds, profile.EncodeSeconds, sending, receiving, latency, conditions.SignalDbm);
            (bool, bool, double) cost = (profile.Target.Accuracy < constraints.Accuracy, latency > constraints.LatencySeconds, joules);
            if (best < 0 || cost.CompareTo(lowest) < 0) (best, lowest) = (i, cost);
        }

        return best;
    }

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
