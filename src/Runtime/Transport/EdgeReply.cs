namespace CoInference.Runtime.Transport;

/// <summary>Where the time of one request went, seen from the device, in milliseconds.</summary>
/// <param name="WireMs">Round trip less what the edge reports for itself.</param>
/// <param name="QueueMs">Waiting at the edge for a free session.</param>
/// <param name="DecodeMs">Feature decoder on the edge.</param>
/// <param name="EdgeMs">The edge half.</param>
public readonly record struct EdgeReply(double WireMs, double QueueMs, double DecodeMs, double EdgeMs);
