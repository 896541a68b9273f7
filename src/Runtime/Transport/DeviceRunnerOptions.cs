using CoInference.Runtime.Execution;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>How a device runs a bundle against an edge.</summary>
public sealed record DeviceRunnerOptions
{
    /// <summary>How the sessions on the device are compiled; the batch size must be 1.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>Limits of the connection and the link to emulate.</summary>
    public EdgeClientOptions Client { get; init; } = new();

    /// <summary>Emulates a slower device: stretches what the device computes.</summary>
    public Slowdown Slowdown { get; init; } = Slowdown.None;

    /// <summary>
    /// Whether the device answers alone, running both halves, when the edge cannot be reached. A difference between the
    /// two bundles stays an error: it would not go away by itself.
    /// </summary>
    public bool FallbackToDevice { get; init; }

    /// <summary>After the edge was lost and a reconnect failed: time for which it is not tried again. Only with <see cref="FallbackToDevice"/>.</summary>
    public TimeSpan ReconnectInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Receives one line per event: edge lost, edge back.</summary>
    public Action<string>? Log { get; init; }
}
