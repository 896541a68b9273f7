using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The edge: serves the edge halves of a bundle, or of a set of plans, over TCP, with TLS or without, to several devices at once. Connections,
/// memory, waiting requests and the time of everything are limited, and clients take turns. Nothing that a client sends can
/// end the server: its connection is answered with an error, where that is possible, and closed.
/// </summary>
public sealed class EdgeServer : IDisposable
{
    // Connections beyond the clients that may be open: those in their handshake or being told why they are refused.
    private const int MaxHandshakes = 64;

    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(50);

    private readonly EdgeServerOptions _options;
    private readonly HashSet<ulong> _served;
    private readonly Socket _listener;
    private bool _disposed;
    private readonly AddressCounter _addresses;
    private readonly ConcurrentDictionary<int, Task> _connections = new();
    private int _lastConnection;
    private int _clients;
    private long _answered;
    private volatile bool _stopping;

    /// <summary>Prepares the sessions and starts to listen; clients are answered once <see cref="RunAsync"/> runs.</summary>
    /// <param name="bundle">The bundle to serve.</param>
    /// <param name="address">Address and port to listen on; port 0 lets the system choose.</param>
    /// <param name="options">Limits and resources.</param>
    /// <exception cref="InvalidDataException">The bundle has no edge half.</exception>
    /// <exception cref="EdgeException">The address cannot be listened on.</exception>
    public EdgeServer(Bundle bundle, EdgeAddress address, EdgeServerOptions? options = null)
        : this(PlanSet.Of(bundle), address, options)
    {
    }

    /// <summary>As above, for a set of plans: each request says of which plan it is.</summary>
    /// <param name="plans">The plans to serve.</param>
    /// <param name="address">Address and port to listen on; port 0 lets the system choose.</param>
    /// <param name="options">Limits and resources.</param>
    /// <exception cref="InvalidDataException">No plan has an edge half.</exception>
    /// <exception cref="EdgeException">The address cannot be listened on.</exception>
    public EdgeServer(PlanSet plans, EdgeAddress address, EdgeServerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(plans);
        ArgumentNullException.ThrowIfNull(address);
        _options = options ?? new EdgeServerOptions();
        _options.Validate();
        Plans = plans;
        WireId = Convert.ToUInt64(plans.Id[..16], 16);
        _addresses = new AddressCounter(_options.MaxConnectionsPerAddress);
        Memory = new FrameMemory(plans.Plans.Where(plan => plan.Bundle.Edge is not null).Max(plan => (int?)DeviceHalf.MaxFrameBytes(plan.Bundle)) ?? FeatureFrame.RequestHeaderBytes, _options.MaxRequestBytes);
        using var halves = new EdgePlans(plans, _options.Session, BatchTable.Sizes(_options.MaxBatch));
        BatchTime[][] batches = [.. halves.Halves.Select(half =>
            _options.MaxBatch == 1 ? [new BatchTime(half.Value, 1, 0, SameBits: true, Used: true)] : BatchTable.Measure(half, _options.BatchOnlyWhereFaster))];
        BatchTimes = _options.MaxBatch == 1 ? [] : [.. batches.SelectMany(half => half)];
        _served = [.. plans.Plans.Where(plan => plan.Bundle.Edge is not null).Select(plan => plan.Bundle.WireId)];
        _listener = address.Listen(backlog: 128);
        Address = new EdgeAddress(address.Host, ((IPEndPoint)_listener.LocalEndPoint!).Port);
        Metrics = new EdgeMetrics(this);
        Scheduler = new RequestScheduler(_options, halves, batches, Metrics);
    }

    /// <summary>The plans that are served; one for a bundle.</summary>
    public PlanSet Plans { get; }

    /// <summary>Where the server listens, with the port that the system chose.</summary>
    public EdgeAddress Address { get; }

    /// <summary>What batch sizes were measured to be worth at the start, for each edge half; empty without batching.</summary>
    public IReadOnlyList<BatchTime> BatchTimes { get; }

    /// <summary>Clients that are connected and past their handshake.</summary>
    public int Clients => Volatile.Read(ref _clients);

    /// <summary>Requests answered with logits so far.</summary>
    public long Answered => Interlocked.Read(ref _answered);

    /// <summary>Requests that wait for a session.</summary>
    public int Queued => Scheduler.Queued;

    /// <summary>Bytes of memory lent to requests in flight.</summary>
    public long RequestBytes => Memory.LentBytes;

    /// <summary>Whether the server accepts nothing more and finishes what it has accepted.</summary>
    public bool IsStopping => _stopping;

    internal EdgeServerOptions Options => _options;

    /// <summary>First 64 bits of the id of all plans together, for replies that belong to no request.</summary>
    internal ulong WireId { get; }

    internal FrameMemory Memory { get; }

    internal RequestScheduler Scheduler { get; }

    internal EdgeMetrics Metrics { get; }

    /// <summary>Serves until <paramref name="stop"/>; then accepts nothing more, finishes the requests that have been accepted, and returns.</summary>
    /// <param name="stop">Stops the server.</param>
    /// <exception cref="ObjectDisposedException">The server was disposed, or has run before.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        using var abort = new CancellationTokenSource();
        Log(EdgeEventKind.Listening, 0, "", $"serving bundle {Plans.Id[..12]} on {Address}", Answered);
        try
        {
            while (true) await AcceptAsync(stop, abort.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            _stopping = true;
            _listener.Dispose();
        }

        Log(EdgeEventKind.Stopping, 0, "", $"stopping: {Clients} clients are connected, accepted requests have {_options.DrainTimeout.TotalSeconds:0.#} s to finish", Answered);
        abort.CancelAfter(_options.DrainTimeout);
        await Task.WhenAll(_connections.Values).ConfigureAwait(false);
        Log(EdgeEventKind.Stopped, 0, "", "stopped", Answered);
    }

    /// <summary>Stops listening and frees the sessions; call it after <see cref="RunAsync"/> has returned.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        _listener.Dispose();
        Scheduler.Dispose();
        Metrics.Dispose();
    }

    /// <summary>Whether a plan's requests can be answered here.</summary>
    internal bool Serves(ulong planId) => _served.Contains(planId);

    /// <summary>Counts a client in, if there is room for one more.</summary>
    internal bool TryEnter()
    {
        if (Interlocked.Increment(ref _clients) <= _options.MaxClients) return true;
        Leave();
        return false;
    }

    internal void Leave() => Interlocked.Decrement(ref _clients);

    internal void CountAnswer() => Interlocked.Increment(ref _answered);

    internal void Log(EdgeEventKind kind, int client, string remote, string message, long answered) =>
        _options.Log?.Invoke(new EdgeEvent(DateTimeOffset.UtcNow, kind, client, remote, message, answered));

    private async ValueTask AcceptAsync(CancellationToken stop, CancellationToken abort)
    {
        try
        {
            Socket socket = await _listener.AcceptAsync(stop).ConfigureAwait(false);
            Metrics.Accepted();
            if (socket.RemoteEndPoint is not IPEndPoint remote)
            {
                socket.Dispose();
                return;
            }

            IPAddress address = remote.Address.IsIPv4MappedToIPv6 ? remote.Address.MapToIPv4() : remote.Address;
            int number = ++_lastConnection;
            if (_connections.Count >= _options.MaxClients + MaxHandshakes) Cut(socket, number, remote, $"{_connections.Count} connections are open");
            else if (!_addresses.TryEnter(address)) Cut(socket, number, remote, $"its address has {_options.MaxConnectionsPerAddress} connections open");
            else Start(socket, number, remote, address, stop, abort);
        }
        catch (SocketException failure)
        {
            // Out of file descriptors, or a client that was gone before it was accepted: neither may end the server.
            Log(EdgeEventKind.Lost, 0, "", $"a client could not be accepted: {failure.Message}", Answered);
            await Task.Delay(AcceptPause, stop).ConfigureAwait(false);
        }
    }

    // No handshake and no answer: what is over these limits must cost as little as possible.
    private void Cut(Socket socket, int number, IPEndPoint remote, string reason)
    {
        socket.Dispose();
        Metrics.Refused();
        Log(EdgeEventKind.Refused, number, remote.ToString(), $"cut off: {reason}", 0);
    }

    private void Start(Socket socket, int number, IPEndPoint remote, IPAddress address, CancellationToken stop, CancellationToken abort)
    {
        var connection = new EdgeConnection(this, socket, number, remote.ToString());
        // Registered before it starts, so that the shutdown waits for every connection that was ever begun.
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connections[number] = ended.Task;
        _ = Task.Run(
            async () =>
            {
                try
                {
                    using (connection) await connection.RunAsync(stop, abort).ConfigureAwait(false);
                }
                finally
                {
                    _addresses.Leave(address);
                    _connections.TryRemove(number, out _);
                    ended.SetResult();
                }
            },
            CancellationToken.None);
    }
}
