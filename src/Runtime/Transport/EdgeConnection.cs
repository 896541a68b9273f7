using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Transport;

/// <summary>
/// One client of an <see cref="EdgeServer"/>: TLS where it is on, handshake, then requests until either side ends it. Requests
/// are read here and answered by <see cref="EdgeWorker"/>; every request that was accepted gets one reply before the connection closes.
/// </summary>
internal sealed class EdgeConnection : IDisposable
{
    // What a refused client may still send before its connection is cut: enough for an answer to reach it first.
    private const int DiscardBytes = 1 << 16;

    private static readonly TimeSpan DiscardTime = TimeSpan.FromSeconds(1);

    private readonly EdgeServer _server;
    private readonly Socket _socket;
    private readonly int _number;
    private readonly string _remote;
    private readonly byte[] _header = new byte[FeatureFrame.RequestHeaderBytes];
    private readonly EdgeRequest?[] _free;
    private readonly SemaphoreSlim _slots;
    private readonly SemaphoreSlim _writing = new(1);
    private CancellationTokenSource _cut = null!;
    private CancellationTokenSource _sending = null!;
    private Stream? _stream;
    private int _freeCount;
    private long _answered;

    public EdgeConnection(EdgeServer server, Socket socket, int number, string remote)
    {
        (_server, _socket, _number, _remote) = (server, socket, number, remote);
        socket.NoDelay = true;
        int requests = server.Options.MaxRequestsPerClient;
        Queue = new ClientQueue(requests);
        _slots = new SemaphoreSlim(requests);
        _free = new EdgeRequest?[requests];
        _freeCount = requests;
    }

    /// <summary>The client's requests that wait; guarded by the scheduler.</summary>
    public ClientQueue Queue { get; }

    /// <summary>Whether nothing can be sent to the client any more.</summary>
    public bool IsCut => _cut.IsCancellationRequested;

    private EdgeServerOptions Options => _server.Options;

    private int ReplyBytes => FeatureFrame.ReplyHeaderBytes + (_server.Plans.Classes * sizeof(float)) + FeatureFrame.MaxMessageBytes;

    /// <summary>Serves the client; never throws.</summary>
    /// <param name="stop">Ends the connection as soon as no request is under way.</param>
    /// <param name="abort">Ends the connection at once.</param>
    public async Task RunAsync(CancellationToken stop, CancellationToken abort)
    {
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(abort);
        using var sending = CancellationTokenSource.CreateLinkedTokenSource(cut.Token);
        using var receiving = CancellationTokenSource.CreateLinkedTokenSource(cut.Token);
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(stop, cut.Token);
        (_cut, _sending) = (cut, sending);
        (EdgeEventKind Kind, string Reason) end;
        try
        {
            end = await ServeAsync(receiving, idle, stop).ConfigureAwait(false);
        }
        catch (InvalidDataException failure)
        {
            end = await RefuseAsync(ReplyStatus.BadRequest, failure.Message, abort).ConfigureAwait(false);
        }
        catch (AuthenticationException failure)
        {
            // Without a common key there is nothing to answer with.
            _server.Metrics.Refused();
            end = (EdgeEventKind.Refused, $"refused: TLS: {(failure.InnerException ?? failure).Message}");
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            end = (EdgeEventKind.Closed, "closed: the server stops");
        }
        catch (OperationCanceledException) when (cut.IsCancellationRequested)
        {
            end = (EdgeEventKind.Lost, "lost: a reply could not be sent");
        }
        catch (OperationCanceledException)
        {
            end = await RefuseAsync(ReplyStatus.BadRequest, "the client took too long", abort).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            end = (EdgeEventKind.Lost, $"lost: {(failure.InnerException ?? failure).Message}");
            await cut.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            // A defect of this program that one client brought out must not end the service to the others.
            Log(EdgeEventKind.Fault, failure.ToString());
            end = await RefuseAsync(ReplyStatus.Failed, $"internal error: {failure.Message}", abort).ConfigureAwait(false);
        }

        await DrainAsync().ConfigureAwait(false);
        Log(end.Kind, end.Reason);
    }

    /// <summary>Answers a request; called from the thread that ran it. Does not wait for a client that is slow to take the reply.</summary>
    public void Reply(
        EdgeRequest request, ReplyStatus status, TimeSpan queue, TimeSpan decode, TimeSpan compute, ReadOnlySpan<float> outputs, string message, TimeSpan retryAfter = default)
    {
        // A client that is slow to take its reply must not hold the memory of its request meanwhile.
        ReturnFrame(request);
        byte[] reply = request.ReplyBuffer(ReplyBytes);
        int length = FeatureFrame.WriteReply(reply, request.Header.PlanId, request.Header.RequestId, status, queue, decode, compute, outputs, message, retryAfter);
        _ = SendReplyAsync(request, status, length);
    }

    /// <summary>Answers a request that brought out a defect of this program.</summary>
    public void Fault(EdgeRequest request, Exception failure)
    {
        Log(EdgeEventKind.Fault, failure.ToString());
        Reply(request, ReplyStatus.Failed, default, default, default, [], $"internal error: {failure.Message}");
    }

    /// <summary>Closes the connection; call it after <see cref="RunAsync"/> has returned.</summary>
    public void Dispose()
    {
        _stream?.Dispose();
        _socket.Dispose();
        _slots.Dispose();
        _writing.Dispose();
    }

    /// <summary>Ends the use of a request without an answer.</summary>
    public void Release(EdgeRequest request)
    {
        ReturnFrame(request);
        lock (_free) _free[_freeCount++] = request;
        _slots.Release();
    }

    private void ReturnFrame(EdgeRequest request)
    {
        if (request.TakeFrame() is { } frame) _server.Memory.Return(frame);
    }

    private async Task<(EdgeEventKind, string)> ServeAsync(CancellationTokenSource receiving, CancellationTokenSource idle, CancellationToken stop)
    {
        receiving.CancelAfter(Options.HandshakeTimeout);
        if (Options.Tls is { } tls)
        {
            var secured = new SslStream(new NetworkStream(_socket, ownsSocket: false));
            try
            {
                await secured.AuthenticateAsServerAsync(tls.Options, receiving.Token).ConfigureAwait(false);
            }
            catch
            {
                await secured.DisposeAsync().ConfigureAwait(false);
                throw;
            }

            _stream = secured;
        }
        else
        {
            _stream = new NetworkStream(_socket, ownsSocket: false);
        }

        var message = new byte[Handshake.Bytes];
        if (!await ReceiveAsync(message, receiving.Token).ConfigureAwait(false)) return (EdgeEventKind.Closed, "closed before a handshake");
        string bundle = Handshake.ReadHello(message);
        if (Options.Token is { } token && !await IsKnownAsync(token, bundle, message, receiving).ConfigureAwait(false))
            return await RefuseAsync(ReplyStatus.Unauthorized, "the access token is missing or wrong", receiving.Token).ConfigureAwait(false);
        if (bundle != _server.Plans.Id)
        {
            string difference = $"the device runs bundle {bundle[..12]}, the edge serves {_server.Plans.Id[..12]}; both need the same bundle";
            return await RefuseAsync(ReplyStatus.WrongPlan, difference, receiving.Token).ConfigureAwait(false);
        }

        if (!_server.TryEnter())
        {
            string full = $"the edge serves {Options.MaxClients} clients already, which is its limit";
            return await RefuseAsync(ReplyStatus.Busy, full, receiving.Token).ConfigureAwait(false);
        }

        try
        {
            var admission = new byte[FeatureFrame.ReplyHeaderBytes];
            FeatureFrame.WriteReply(admission, _server.WireId, 0, ReplyStatus.Ok, default, default, default, []);
            await _stream.WriteAsync(admission, receiving.Token).ConfigureAwait(false);
            receiving.CancelAfter(Timeout.InfiniteTimeSpan);
            Log(EdgeEventKind.Connected, "connected");
            return await ReadRequestsAsync(receiving, idle, stop).ConfigureAwait(false);
        }
        finally
        {
            // A client counts until its last reply is gone.
            await DrainAsync().ConfigureAwait(false);
            _server.Leave();
        }
    }

    private async ValueTask<bool> IsKnownAsync(AccessToken token, string bundle, byte[] message, CancellationTokenSource receiving)
    {
        byte[] nonce = RandomNumberGenerator.GetBytes(Handshake.NonceBytes);
        Handshake.WriteChallenge(message, nonce);
        await _stream!.WriteAsync(message, receiving.Token).ConfigureAwait(false);
        return await ReceiveAsync(message, receiving.Token).ConfigureAwait(false) && token.Accepts(Handshake.ReadProof(message), nonce, bundle);
    }

    private async Task<(EdgeEventKind, string)> ReadRequestsAsync(CancellationTokenSource receiving, CancellationTokenSource idle, CancellationToken stop)
    {
        while (true)
        {
            // A client with as many requests under way as it may have is not read from until one of them is answered.
            await _slots.WaitAsync(receiving.Token).ConfigureAwait(false);
            bool used = false;
            try
            {
                int begun = await ReceiveFirstAsync(idle, stop).ConfigureAwait(false);
                if (begun < 0) return (EdgeEventKind.Closed, "closed: the server stops");
                if (begun == 0) return (EdgeEventKind.Closed, "closed by the client");
                long arrived = Stopwatch.GetTimestamp();
                receiving.CancelAfter(Options.TransferLimit(_header.Length));
                await ReceiveAsync(_header, receiving.Token, begun).ConfigureAwait(false);
                if (FeatureFrame.IsCancellation(_header))
                {
                    Withdraw(FeatureFrame.ReadCancellation(_header));
                    continue;
                }

                RequestHeader header = FeatureFrame.ReadRequestHeader(_header, _server.Memory.FrameBytes);
                byte[]? frame = _server.Memory.TryRent();
                EdgeRequest request = NextFree();
                long deadline = header.Deadline == TimeSpan.Zero ? long.MaxValue : arrived + (long)(header.Deadline.TotalSeconds * Stopwatch.Frequency);
                request.Begin(header, frame, arrived, deadline);
                used = true;
                await AcceptAsync(request, header, arrived, deadline, receiving).ConfigureAwait(false);
            }
            finally
            {
                if (!used) _slots.Release();
            }
        }
    }

    /// <summary>Receives the payload of a request and hands the request on. From here on it is certain to be answered or released.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask AcceptAsync(EdgeRequest request, RequestHeader header, long arrived, long deadline, CancellationTokenSource receiving)
    {
        bool whole = false;
        try
        {
            receiving.CancelAfter(Options.TransferLimit(header.PayloadBytes));
            if (request.Frame is null)
            {
                await DiscardAsync(header.PayloadBytes, receiving.Token).ConfigureAwait(false);
            }
            else
            {
                Memory<byte> payload = request.Frame.AsMemory(FeatureFrame.RequestHeaderBytes, header.PayloadBytes);
                if (payload.Length > 0 && !await ReceiveAsync(payload, receiving.Token).ConfigureAwait(false))
                    throw new InvalidDataException("Request frame: the connection ended before the payload did.");
                FeatureFrame.CheckPayload(header, payload.Span);
            }

            receiving.CancelAfter(Timeout.InfiniteTimeSpan);
            whole = true;
        }
        finally
        {
            if (!whole) Release(request);
        }

        _server.Metrics.Received(FeatureFrame.RequestHeaderBytes + header.PayloadBytes);
        request.Begin(header, request.Frame, Stopwatch.GetTimestamp(), deadline);
        if (request.Frame is null)
            Reply(request, ReplyStatus.Busy, default, default, default, [], "the edge has no memory left for further requests", _server.Scheduler.RetryAfter);
        else if (!_server.Serves(header.PlanId))
            Reply(request, ReplyStatus.WrongPlan, default, default, default, [], "the request is of a plan that this edge does not serve");
        else if (!_server.Scheduler.TrySubmit(request))
            Reply(request, ReplyStatus.Busy, default, default, default, [], $"{Options.MaxQueued} requests wait at the edge already, which is its limit", _server.Scheduler.RetryAfter);
    }

    /// <summary>
    /// Waits for the first bytes of a request: from then on it counts as accepted. They are read here: an empty read would not do, for it
    /// may end without data when the system reports late what has been read already.
    /// </summary>
    /// <returns>The bytes of the header that are there; 0 when the client closed the connection, -1 when the server stops and none has arrived.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveFirstAsync(CancellationTokenSource idle, CancellationToken stop)
    {
        if (!stop.IsCancellationRequested)
        {
            idle.CancelAfter(Options.IdleTimeout);
            try
            {
                int count = await _stream!.ReadAsync(_header, idle.Token).ConfigureAwait(false);
                idle.CancelAfter(Timeout.InfiniteTimeSpan);
                return count;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested && !_cut.IsCancellationRequested)
            {
            }
        }

        return _socket.Available > 0 ? await _stream!.ReadAsync(_header, _cut.Token).ConfigureAwait(false) : -1;
    }

    private void Withdraw(ulong requestId)
    {
        if (_server.Scheduler.Withdraw(Queue, requestId) is not { } request) return;
        Reply(request, ReplyStatus.Cancelled, Stopwatch.GetElapsedTime(request.Received), default, default, [], "the device withdrew the request");
    }

    private EdgeRequest NextFree()
    {
        lock (_free)
        {
            EdgeRequest request = _free[--_freeCount] ?? new EdgeRequest(this);
            _free[_freeCount] = null;
            return request;
        }
    }

    // Completes at once, and without allocating, unless the client is slow to take its replies.
    private async Task SendReplyAsync(EdgeRequest request, ReplyStatus status, int length)
    {
        try
        {
            await _writing.WaitAsync().ConfigureAwait(false);
            try
            {
                _sending.CancelAfter(Options.TransferLimit(length));
                await _stream!.WriteAsync(request.ReplyBuffer(length).AsMemory(0, length), _sending.Token).ConfigureAwait(false);
                _sending.CancelAfter(Timeout.InfiniteTimeSpan);
            }
            finally
            {
                _writing.Release();
            }

            if (status == ReplyStatus.Ok)
            {
                Interlocked.Increment(ref _answered);
                _server.CountAnswer();
            }

            _server.Metrics.Sent(status, length);
        }
        catch (Exception failure) when (failure is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            _server.Metrics.Abandoned();
            await _cut.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            Release(request);
        }
    }

    /// <summary>Waits until every accepted request is answered or dropped; what cannot be sent is dropped, so this ends.</summary>
    private async Task DrainAsync()
    {
        int requests = Options.MaxRequestsPerClient;
        for (int i = 0; i < requests; i++) await _slots.WaitAsync().ConfigureAwait(false);
        _slots.Release(requests);
    }

    // Closing a socket with unread input resets the connection, and the reset may overtake the answer: so what the client
    // still sends is read, for a while and up to a limit, before the socket is closed.
    private async Task<(EdgeEventKind, string)> RefuseAsync(ReplyStatus status, string message, CancellationToken abort)
    {
        _server.Metrics.Refused();
        await DrainAsync().ConfigureAwait(false);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(abort);
        deadline.CancelAfter(DiscardTime);
        try
        {
            // Without a stream TLS was not agreed on, and an answer in clear would only be garbage to the client.
            if (_stream is not null)
            {
                var reply = new byte[FeatureFrame.ReplyHeaderBytes + FeatureFrame.MaxMessageBytes];
                int length = FeatureFrame.WriteReply(reply, _server.WireId, 0, status, default, default, default, [], message);
                await _stream.WriteAsync(reply.AsMemory(0, length), deadline.Token).ConfigureAwait(false);
                if (_stream is SslStream secured) await secured.ShutdownAsync().ConfigureAwait(false);
                _socket.Shutdown(SocketShutdown.Send);
                for (int discarded = 0, count = 1; count > 0 && discarded < DiscardBytes; discarded += count)
                    count = await _socket.ReceiveAsync(reply.AsMemory(), SocketFlags.None, deadline.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is SocketException or IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client is gone or does not listen; it is being refused anyway.
        }

        return (EdgeEventKind.Refused, $"refused: {message}");
    }

    /// <summary>Reads the payload of a request for which there is no memory.</summary>
    private async ValueTask DiscardAsync(int bytes, CancellationToken cancellation)
    {
        var scratch = new byte[Math.Min(bytes, 4096)];
        for (int left = bytes; left > 0;)
        {
            int count = await _stream!.ReadAsync(scratch.AsMemory(0, Math.Min(left, scratch.Length)), cancellation).ConfigureAwait(false);
            left -= count > 0 ? count : throw new InvalidDataException("Request frame: the connection ended before the payload did.");
        }
    }

    /// <summary>Fills a buffer, of which the first bytes may have been received before.</summary>
    /// <returns>False when the client closed the connection before the first byte.</returns>
    /// <exception cref="InvalidDataException">The connection ended in the middle.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation, int received = 0)
    {
        while (received < buffer.Length)
        {
            int count = await _stream!.ReadAsync(buffer[received..], cancellation).ConfigureAwait(false);
            if (count == 0)
                return received == 0 ? false : throw new InvalidDataException($"the connection ended after {received} of {buffer.Length} bytes.");
            received += count;
        }

        return true;
    }

    private void Log(EdgeEventKind kind, string message) => _server.Log(kind, _number, _remote, message, Interlocked.Read(ref _answered));
}
