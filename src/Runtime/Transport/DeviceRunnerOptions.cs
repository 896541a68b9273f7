using CoInference.Runtime.Execution;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>How a device runs a bundle against an edge.</summary>
public sealed record DeviceRunnerOptions
{
    /// <summary>How the sessions on the device are compiled; the batch size must be 1.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>Security and limits of the connection, and the link to emulate.</summary>
    public EdgeClientOptions Client { get; init; } = new();

    /// <summary>Emulates a slower device: stretches what the device computes.</summary>
    public Slowdown Slowdown { get; init; } = Slowdown.None;

    /// <summary>
    /// Whether the device answers alone, running both halves, when the edge cannot be reached. A difference between the
    /// two bundles stays an error: it would not go away by itself.
    /// </summary>
    public bool FallbackToDevice { get; init; }

    /// <summary>
    /// Time from the start of an inference after which the edge's answer is of no use; null for none. The edge is told, and
    /// does not compute a request that has waited past it.
    /// </summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>
    /// Time for which a request is tried again while the edge is gone or busy, and no fallback answers it. With zero it is
    /// tried once more, at once.
    /// </summary>
    public TimeSpan RecoveryTime { get; init; }

    /// <summary>
    /// First pause between attempts to reach a lost edge. Pauses double up to <see cref="MaxReconnectInterval"/>, the upper half
    /// of each is random. With <see cref="FallbackToDevice"/> the device answers alone meanwhile, else it waits.
    /// </summary>
    public TimeSpan ReconnectInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest pause between attempts.</summary>
    public TimeSpan MaxReconnectInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Seed of the random part of the pauses; null for another one each time.</summary>
    public int? Seed { get; init; }

    /// <summary>Receives one line per event: edge lost, edge back.</summary>
    public Action<string>? Log { get; init; }
}
