namespace CoInference.Runtime.Targets;

/// <summary>What answering one request took. Times add up to the latency.</summary>
/// <param name="DeviceSeconds">The device's layers.</param>
/// <param name="CodingSeconds">Encoding on the device and decoding on the edge.</param>
/// <param name="WireSeconds">The link, both ways.</param>
/// <param name="QueueSeconds">Waiting at the edge.</param>
/// <param name="EdgeSeconds">The edge's layers.</param>
/// <param name="SwitchSeconds">Changing over from the target of the request before.</param>
/// <param name="Joules">Energy of the device.</param>
/// <param name="EnergyIsMeasured">Whether a meter gave the energy; else the energy model did.</param>
/// <param name="Answered">Whether there is an answer; false when the link or the edge failed.</param>
public readonly record struct TargetOutcome(
    double DeviceSeconds,
    double CodingSeconds,
    double WireSeconds,
    double QueueSeconds,
    double EdgeSeconds,
    double SwitchSeconds,
    double Joules,
    bool EnergyIsMeasured,
    bool Answered)
{
    /// <summary>Seconds from the request to its answer, or to the notice that there is none.</summary>
    public double LatencySeconds => DeviceSeconds + CodingSeconds + WireSeconds + QueueSeconds + EdgeSeconds + SwitchSeconds;
}
