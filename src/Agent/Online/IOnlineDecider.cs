using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>What a request asks for.</summary>
/// <param name="LatencySeconds">The latency that counts as in time (QoS).</param>
/// <param name="Accuracy">The least share of right answers a target must have, 0 to 1.</param>
/// <param name="IsKey">Whether the request matters more than others (a key frame of a video).</param>
public readonly record struct RequestConstraints(double LatencySeconds, double Accuracy, bool IsKey);

/// <summary>Chooses for every request where and how to run it, and learns from what that took.</summary>
/// <remarks>One caller at a time: <see cref="Choose"/>, then <see cref="Learn"/> with its outcome. Neither allocates.</remarks>
public interface IOnlineDecider
{
    /// <summary>Name on the command line and in reports.</summary>
    string Name { get; }

    /// <summary>Chooses a target.</summary>
    /// <param name="conditions">The surroundings now.</param>
    /// <param name="constraints">What the request asks for.</param>
    /// <returns>Index of the target in the list that the decider was made for.</returns>
    int Choose(in OperatingConditions conditions, in RequestConstraints constraints);

    /// <summary>Takes in what the target that was chosen last took.</summary>
    /// <param name="target">Index of the target.</param>
    /// <param name="conditions">The surroundings it was chosen in.</param>
    /// <param name="constraints">What the request asked for.</param>
    /// <param name="outcome">What it took.</param>
    void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome);

    /// <summary>
    /// Asked when a request has been answered: whether the runtime is to probe the edge in the pause, and with what. A probe sends the frame
    /// that the target made of some earlier image, so that nothing is computed or encoded for it and no request waits for it.
    /// </summary>
    /// <returns>Index of a target that needs the edge; -1 for none.</returns>
    int Probe() => -1;

    /// <summary>Takes in what a probe took.</summary>
    /// <param name="target">Index of the target.</param>
    /// <param name="conditions">The surroundings of the request before it.</param>
    /// <param name="outcome">What it took: no time of the device, and of the coding the edge's part alone.</param>
    void LearnProbe(int target, in OperatingConditions conditions, in TargetOutcome outcome)
    {
    }
}
