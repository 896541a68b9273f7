namespace CoInference.Agent.Environments;

/// <summary>Measured times of a feature codec on this host, not slowed down.</summary>
/// <param name="EncodeMs">Encoder, in milliseconds.</param>
/// <param name="DecodeMs">Decoder, in milliseconds.</param>
public sealed record CodecTiming(double EncodeMs, double DecodeMs);
