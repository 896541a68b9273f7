using System.Diagnostics;
using System.Net.Sockets;
using CoInference.Runtime.Codec;

namespace CoInference.Runtime.Transport;

/// <summary>One client of an <see cref="EdgeServer"/>: handshake, then requests, one at a time, until either side ends it.</summary>
internal sealed class EdgeConnection
{
    // What a refused client may still send before its connection is cut: enough for an answer to reach it first.
    private const int DiscardBytes = 1 << 16;

    private static readonly TimeSpan DiscardTime = TimeSpan.FromSeconds(1);

    private readonly EdgeServer _server;
    private readonly Socket _socket;
    private readonly string _name;
    private byte[] _frame = [];
    private byte[] _reply = [];
    private float[] _logits = [];
    private long _answered;

    public EdgeConnection(EdgeServer server, Socket socket, int number)
    {
        (_server, _socket) = (server, socket);
        socket.NoDelay = true;
        _name = $"client {number} ({Describe(socket)})";
    }

    /// <summary>Serves the client; never throws.</summary>
    /// <param name="stop">Ends the connection as soon as no request is under way.</param>
    /// <param name="abort">Ends the connection at once.</param>
    public async Task RunAsync(CancellationToken stop, CancellationToken abort)
    {
        using Socket socket = _socket;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(abort);
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(stop);
        string reason;
        try
        {
            reason = await ServeAsync(deadline, idle, stop).ConfigureAwait(false);
        }
        catch (InvalidDataException failure)
        {
            reason = await RefuseAsync(ReplyStatus.BadRequest, failure.Message, abort).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            reason = "closed: the server stops";
        }
        catch (OperationCanceledException)
        {
            reason = await RefuseAsync(ReplyStatus.BadRequest, "the client took too long", abort).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            reason = $"lost: {failure.Message}";
        }
        catch (Exception failure)
        {
            // A defect of this program that one client's request brought out must not end the service to the others.
            reason = await RefuseAsync(ReplyStatus.Failed, $"internal error: {failure.Message}", abort).ConfigureAwait(false);
        }

        Log($"{reason}; {_answered} requests answered");
    }

    private async Task<string> ServeAsync(CancellationTokenSource deadline, CancellationTokenSource idle, CancellationToken stop)
    {
        deadline.CancelAfter(_server.Options.HandshakeTimeout);
        var hello = new byte[Handshake.Bytes];
        if (!await ReceiveAsync(hello, deadline.Token).ConfigureAwait(false)) return "closed before a handshake";
        string bundle = Handshake.Read(hello);
        if (bundle != _server.Bundle.Id)
        {
            string message = $"the device runs bundle {bundle[..12]}, the edge serves {_server.Bundle.Id[..12]}; both need the same bundle";
            return await RefuseAsync(ReplyStatus.WrongPlan, message, deadline.Token).ConfigureAwait(false);
        }

        if (!_server.TryEnter())
        {
            string message = $"the edge serves {_server.Options.MaxClients} clients already, which is its limit";
            return await RefuseAsync(ReplyStatus.Busy, message, deadline.Token).ConfigureAwait(false);
        }

        try
        {
            // Memory for frames is taken only for a client that has shown that it belongs here.
            _frame = new byte[DeviceHalf.MaxFrameBytes(_server.Bundle)];
            _logits = new float[_server.Bundle.Classes];
            _reply = new byte[FeatureFrame.HeaderBytes + (_logits.Length * sizeof(float)) + FeatureFrame.MaxMessageBytes];
            await ReplyAsync(0, ReplyStatus.Ok, default, default, default, 0, "", deadline).ConfigureAwait(false);
            Log("connected");
            return await AnswerRequestsAsync(deadline, idle, stop).ConfigureAwait(false);
        }
        finally
        {
            _server.Leave();
        }
    }

    private async Task<string> AnswerRequestsAsync(CancellationTokenSource deadline, CancellationTokenSource idle, CancellationToken stop)
    {
        while (true)
        {
            idle.CancelAfter(_server.Options.IdleTimeout);
            try
            {
                // An empty receive ends when data is there: a request counts as accepted from its first byte on.
                await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, idle.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_socket.Available > 0)
            {
                // The server stops, and a request has already arrived: it is still answered.
            }

            deadline.CancelAfter(_server.Options.FrameTimeout);
            Memory<byte> header = _frame.AsMemory(0, FeatureFrame.HeaderBytes);
            if (!await ReceiveAsync(header, deadline.Token).ConfigureAwait(false)) return "closed by the client";
            RequestHeader request = FeatureFrame.ReadRequestHeader(header.Span, _frame.Length);
            Memory<byte> payload = _frame.AsMemory(FeatureFrame.HeaderBytes, request.PayloadBytes);
            if (payload.Length > 0 && !await ReceiveAsync(payload, deadline.Token).ConfigureAwait(false))
                throw new InvalidDataException("Request frame: the connection ended before the payload did.");
            long received = Stopwatch.GetTimestamp();
            deadline.CancelAfter(Timeout.InfiniteTimeSpan);
            FeatureFrame.CheckPayload(request, payload.Span);
            await AnswerAsync(request, payload, received, deadline).ConfigureAwait(false);
            if (stop.IsCancellationRequested && _socket.Available == 0) return "closed: the server stops";
        }
    }

    private async Task AnswerAsync(RequestHeader request, Memory<byte> payload, long received, CancellationTokenSource deadline)
    {
        if (request.PlanId != _server.Bundle.WireId)
        {
            await ReplyAsync(request.RequestId, ReplyStatus.WrongPlan, default, default, default, 0, "the request is of another plan than the handshake", deadline).ConfigureAwait(false);
            return;
        }

        EdgeHalf half = await _server.Pool.RentAsync(deadline.Token).ConfigureAwait(false);
        long started = Stopwatch.GetTimestamp(), decoded, computed;
        string? failure = null;
        try
        {
            half.Decode(request, payload.Span);
            decoded = Stopwatch.GetTimestamp();
            half.Compute(_logits);
            computed = Stopwatch.GetTimestamp();
        }
        catch (InvalidDataException malformed)
        {
            // The frame itself was sound, so the next one will be found: the connection may go on.
            (failure, decoded, computed) = (malformed.Message, started, started);
        }
        finally
        {
            _server.Pool.Return(half);
        }

        TimeSpan queue = Stopwatch.GetElapsedTime(received, started), decode = Stopwatch.GetElapsedTime(started, decoded), compute = Stopwatch.GetElapsedTime(decoded, computed);
        if (failure is not null)
        {
            await ReplyAsync(request.RequestId, ReplyStatus.BadRequest, queue, decode, compute, 0, failure, deadline).ConfigureAwait(false);
            return;
        }

        await ReplyAsync(request.RequestId, ReplyStatus.Ok, queue, decode, compute, _logits.Length, "", deadline).ConfigureAwait(false);
        _answered++;
        _server.CountAnswer();
    }

    private async ValueTask ReplyAsync(
        ulong requestId, ReplyStatus status, TimeSpan queue, TimeSpan decode, TimeSpan compute, int outputs, string message, CancellationTokenSource deadline)
    {
        int length = FeatureFrame.WriteReply(_reply, _server.Bundle.WireId, requestId, status, queue, decode, compute, _logits.AsSpan(0, outputs), message);
        deadline.CancelAfter(_server.Options.FrameTimeout);
        for (int sent = 0; sent < length;)
            sent += await _socket.SendAsync(_reply.AsMemory(sent, length - sent), SocketFlags.None, deadline.Token).ConfigureAwait(false);
        deadline.CancelAfter(Timeout.InfiniteTimeSpan);
    }

    // Closing a socket with unread input resets the connection, and the reset may overtake the answer: so what the client
    // still sends is read, for a while and up to a limit, before the socket is closed.
    private async Task<string> RefuseAsync(ReplyStatus status, string message, CancellationToken abort)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(abort);
        deadline.CancelAfter(DiscardTime);
        try
        {
            var reply = new byte[FeatureFrame.HeaderBytes + FeatureFrame.MaxMessageBytes];
            int length = FeatureFrame.WriteReply(reply, _server.Bundle.WireId, 0, status, default, default, default, [], message);
            await _socket.SendAsync(reply.AsMemory(0, length), SocketFlags.None, deadline.Token).ConfigureAwait(false);
            _socket.Shutdown(SocketShutdown.Send);
            for (int discarded = 0, count = 1; count > 0 && discarded < DiscardBytes; discarded += count)
                count = await _socket.ReceiveAsync(reply.AsMemory(), SocketFlags.None, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException)
        {
            // The client is gone or does not listen; it is being refused anyway.
        }

        return $"refused: {message}";
    }

    /// <returns>False when the client closed the connection before the first byte.</returns>
    /// <exception cref="InvalidDataException">The connection ended in the middle.</exception>
    private async ValueTask<bool> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        for (int received = 0; received < buffer.Length;)
        {
            int count = await _socket.ReceiveAsync(buffer[received..], SocketFlags.None, cancellation).ConfigureAwait(false);
            if (count == 0)
                return received == 0 ? false : throw new InvalidDataException($"the connection ended after {received} of {buffer.Length} bytes.");
            received += count;
        }

        return true;
    }

    private void Log(string line) => _server.Options.Log?.Invoke($"{_name}: {line}");

    private static string Describe(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint?.ToString() ?? "unknown";
        }
        catch (SocketException)
        {
            return "gone";
        }
    }
}
