using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>Which side computed an answer.</summary>
public enum AnswerSource
{
    /// <summary>Everything ran in one process, by intent.</summary>
    Local,

    /// <summary>The edge ran its half.</summary>
    Edge,

    /// <summary>The edge could not be reached, and the device ran both halves.</summary>
    Fallback,
}

/// <summary>Where the time of one inference went, in milliseconds, each part measured on the side that spent it.</summary>
public readonly record struct InferenceTiming
{
    /// <summary>Preprocessing and the device half; the whole network when the device ran it all.</summary>
    public double DeviceMs { get; init; }

    /// <summary>Feature encoder and framing on the device.</summary>
    public double EncodeMs { get; init; }

    /// <summary>Round trip less what the edge reports for itself: the link, the network stacks and the wake-ups on both sides.</summary>
    public double WireMs { get; init; }

    /// <summary>Waiting at the edge for a free session.</summary>
    public double QueueMs { get; init; }

    /// <summary>Feature decoder on the edge; for an edge-only plan the image decoder and preprocessing.</summary>
    public double DecodeMs { get; init; }

    /// <summary>The edge half.</summary>
    public double EdgeMs { get; init; }

    /// <summary>Spent on an edge that did not answer, reconnecting included; 0 when the first attempt succeeded.</summary>
    public double LostMs { get; init; }

    /// <summary>Bytes sent to the edge, frame header included; 0 when nothing was sent.</summary>
    public int PayloadBytes { get; init; }

    /// <summary>Which side computed the answer.</summary>
    public AnswerSource Source { get; init; }

    /// <summary>Sum of all parts.</summary>
    public double TotalMs => DeviceMs + EncodeMs + WireMs + QueueMs + DecodeMs + EdgeMs + LostMs;

    /// <summary>The parts as a plan predicts them; waiting for a session counts as edge, time lost as wire.</summary>
    public LatencyBreakdown ToBreakdown() => new(DeviceMs, EncodeMs, WireMs + LostMs, DecodeMs, EdgeMs + QueueMs);
}
