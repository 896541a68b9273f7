using CoInference.Runtime.Execution;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Transport;

/// <summary>Limits and resources of an <see cref="EdgeServer"/>.</summary>
public sealed record EdgeServerOptions
{
    /// <summary>How the edge half is compiled; the batch size must be 1.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>Runs of the edge half at the same time; each has a session of its own. At least 1.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>TLS; null for plain TCP. The caller keeps ownership.</summary>
    public ServerTls? Tls { get; init; }

    /// <summary>The secret that a device must know; null to serve any device that holds the bundle.</summary>
    public AccessToken? Token { get; init; }

    /// <summary>Clients that are served at the same time; further ones are told that the edge is busy. At least 1.</summary>
    public int MaxClients { get; init; } = 64;

    /// <summary>Connections that one address may have open, handshakes included; further ones are cut at once. At least 1.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 64;

    /// <summary>
    /// Requests of one client that may be under way at the same time; while there are so many, nothing more is read from it,
    /// so that TCP holds it back. At least 1.
    /// </summary>
    public int MaxRequestsPerClient { get; init; } = 4;

    /// <summary>Requests of all clients that may wait for a session; further ones are told that the edge is busy. At least 1.</summary>
    public int MaxQueued { get; init; } = 256;

    /// <summary>
    /// Bytes of memory for requests in flight, in frames of the bundle's largest size; a request that finds none is told that
    /// the edge is busy. At least one frame is there in any case.
    /// </summary>
    public long MaxRequestBytes { get; init; } = 64 << 20;

    /// <summary>
    /// Most requests, of whatever clients, that run as one batch; 1 for no batching. Only batch sizes whose outputs are those of
    /// single runs bit for bit are used; see <see cref="EdgeServer.BatchTimes"/>.
    /// </summary>
    public int MaxBatch { get; init; } = 1;

    /// <summary>Whether batch sizes that were not measured to win at the start are left out.</summary>
    public bool BatchOnlyWhereFaster { get; init; } = true;

    /// <summary>Longest time that a request waits for others to fill a batch; never past its deadline. Zero takes what is there.</summary>
    public TimeSpan BatchWindow { get; init; }

    /// <summary>Time a client has for TLS and its handshake.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time from the first byte of a request to its last, and for a reply to be taken.</summary>
    public TimeSpan FrameTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Slowest rate at which a client may send a request or take a reply, after <see cref="StallAllowance"/>: the time that a frame
    /// may take is the allowance plus its bytes at this rate, but at most <see cref="FrameTimeout"/>. At least 1.
    /// </summary>
    public int MinBytesPerSecond { get; init; } = 4096;

    /// <summary>Time for which a link may stall within a frame.</summary>
    public TimeSpan StallAllowance { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time a client may stay connected without a request.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time that accepted requests have to finish when the server is stopped.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Receives the server's events; called from any thread.</summary>
    public Action<EdgeEvent>? Log { get; init; }

    /// <summary>Time that a frame of so many bytes may take.</summary>
    internal TimeSpan TransferLimit(int bytes)
    {
        TimeSpan limit = StallAllowance + TimeSpan.FromSeconds((double)bytes / MinBytesPerSecond);
        return limit < FrameTimeout ? limit : FrameTimeout;
    }

    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    internal void Validate()
    {
        foreach (int count in (ReadOnlySpan<int>)[Concurrency, MaxClients, MaxConnectionsPerAddress, MaxRequestsPerClient, MaxQueued, MaxBatch, MinBytesPerSecond])
            ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxRequestBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(Session.BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchWindow, TimeSpan.Zero);
        foreach (TimeSpan limit in (ReadOnlySpan<TimeSpan>)[HandshakeTimeout, FrameTimeout, StallAllowance, IdleTimeout, DrainTimeout])
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(limit, TimeSpan.Zero);
    }
}
