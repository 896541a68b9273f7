using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The edge: serves the edge half of one bundle over TCP to several devices at once. Each connection is read on its own;
/// computing goes through a bounded pool of sessions. Nothing that a client sends can end the server: its connection is
/// answered with an error, where that is possible, and closed.
/// </summary>
public sealed class EdgeServer : IDisposable
{
    // Connections beyond the clients that may be open: those in their handshake or being told why they are refused.
    private const int MaxHandshakes = 64;

    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(50);

    private readonly EdgeServerOptions _options;
    private readonly Socket _listener;
    private readonly EdgeHalfPool _pool;
    private readonly ConcurrentDictionary<int, Task> _connections = new();
    private int _lastConnection;
    private int _clients;
    private long _answered;

    /// <summary>Prepares the sessions and starts to listen; clients are answered once <see cref="RunAsync"/> runs.</summary>
    /// <param name="bundle">The bundle to serve.</param>
    /// <param name="address">Address and port to listen on; port 0 lets the system choose.</param>
    /// <param name="options">Limits and resources.</param>
    /// <exception cref="InvalidDataException">The bundle has no edge half.</exception>
    /// <exception cref="EdgeException">The address cannot be listened on.</exception>
    public EdgeServer(Bundle bundle, EdgeAddress address, EdgeServerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(bundle);
        ArgumentNullException.ThrowIfNull(address);
        _options = options ?? new EdgeServerOptions();
        _options.Validate();
        Bundle = bundle;
        _pool = new EdgeHalfPool(bundle, _options.Session, _options.Concurrency);
        IPEndPoint endPoint = address.Resolve();
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _listener.Bind(endPoint);
            _listener.Listen(backlog: 128);
        }
        catch (SocketException failure)
        {
            Dispose();
            throw new EdgeException($"Cannot listen on {address}: {failure.Message}.", failure);
        }

        var bound = (IPEndPoint)_listener.LocalEndPoint!;
        Address = new EdgeAddress(address.Host, bound.Port);
    }

    /// <summary>The bundle that is served.</summary>
    public Bundle Bundle { get; }

    /// <summary>Where the server listens, with the port that the system chose.</summary>
    public EdgeAddress Address { get; }

    /// <summary>Clients that are connected and past their handshake.</summary>
    public int Clients => Volatile.Read(ref _clients);

    /// <summary>Requests answered with logits so far.</summary>
    public long Answered => Interlocked.Read(ref _answered);

    internal EdgeServerOptions Options => _options;

    internal EdgeHalfPool Pool => _pool;

    /// <summary>Serves until <paramref name="stop"/>; then finishes the requests that have been accepted, and returns.</summary>
    /// <param name="stop">Stops the server.</param>
    /// <exception cref="ObjectDisposedException">The server was disposed, or has run before.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        using var abort = new CancellationTokenSource();
        try
        {
            while (true) await AcceptAsync(stop, abort.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            _listener.Dispose();
        }

        abort.CancelAfter(_options.DrainTimeout);
        await Task.WhenAll(_connections.Values).ConfigureAwait(false);
    }

    /// <summary>Stops listening and frees the sessions; call it after <see cref="RunAsync"/> has returned.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        _pool.Dispose();
    }

    /// <summary>Counts a client in, if there is room for one more.</summary>
    internal bool TryEnter()
    {
        if (Interlocked.Increment(ref _clients) <= _options.MaxClients) return true;
        Leave();
        return false;
    }

    internal void Leave() => Interlocked.Decrement(ref _clients);

    internal void CountAnswer() => Interlocked.Increment(ref _answered);

    private async ValueTask AcceptAsync(CancellationToken stop, CancellationToken abort)
    {
        try
        {
            Socket socket = await _listener.AcceptAsync(stop).ConfigureAwait(false);
            if (_connections.Count < _options.MaxClients + MaxHandshakes)
            {
                Start(socket, stop, abort);
                return;
            }

            socket.Dispose();
            _options.Log?.Invoke($"a client was cut off: {_connections.Count} connections are open");
        }
        catch (SocketException failure)
        {
            // Out of file descriptors, or a client that was gone before it was accepted: neither may end the server.
            _options.Log?.Invoke($"a client could not be accepted: {failure.Message}");
            await Task.Delay(AcceptPause, stop).ConfigureAwait(false);
        }
    }

    private void Start(Socket socket, CancellationToken stop, CancellationToken abort)
    {
        int number = ++_lastConnection;
        var connection = new EdgeConnection(this, socket, number);
        // Registered before it starts, so that the shutdown waits for every connection that was ever begun.
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connections[number] = ended.Task;
        _ = Task.Run(
            async () =>
            {
                try
                {
                    await connection.RunAsync(stop, abort).ConfigureAwait(false);
                }
                finally
                {
                    _connections.TryRemove(number, out _);
                    ended.SetResult();
                }
            },
            CancellationToken.None);
    }
}
