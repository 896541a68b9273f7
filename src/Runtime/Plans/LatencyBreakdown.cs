namespace CoInference.Runtime.Plans;

/// <summary>Where the time of one inference goes, in milliseconds.</summary>
/// <param name="DeviceMs">Kernels of the device half.</param>
/// <param name="EncodeMs">Bottleneck, quantizer, packer and entropy coder on the device.</param>
/// <param name="WireMs">Payload and reply over the link rate, plus the round trip.</param>
/// <param name="DecodeMs">Decoder on the edge.</param>
/// <param name="EdgeMs">Kernels of the edge half.</param>
public sealed record LatencyBreakdown(double DeviceMs, double EncodeMs, double WireMs, double DecodeMs, double EdgeMs)
{
    /// <summary>Sum of all parts.</summary>
    public double TotalMs => DeviceMs + EncodeMs + WireMs + DecodeMs + EdgeMs;
}
