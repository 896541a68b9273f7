using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Transport;

/// <summary>Limits and resources of an <see cref="EdgeServer"/>.</summary>
public sealed record EdgeServerOptions
{
    /// <summary>How the edge half is compiled; the batch size must be 1.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>Requests that are computed at the same time; each has a session of its own. At least 1.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>Clients that are served at the same time; further ones are told that the edge is busy. At least 1.</summary>
    public int MaxClients { get; init; } = 64;

    /// <summary>Time a client has to send its handshake.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time from the first byte of a request to its last, and for a reply to be taken.</summary>
    public TimeSpan FrameTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time a client may stay connected without a request.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time that accepted requests have to finish when the server is stopped.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Receives one line per connection event; called from any thread.</summary>
    public Action<string>? Log { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Concurrency, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxClients, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(Session.BatchSize, 1);
        foreach (TimeSpan limit in (ReadOnlySpan<TimeSpan>)[HandshakeTimeout, FrameTimeout, IdleTimeout, DrainTimeout])
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(limit, TimeSpan.Zero);
    }
}
