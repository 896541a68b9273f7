using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A connection from a device to an edge. One request at a time. After an <see cref="EdgeException"/> without a
/// <see cref="EdgeException.Status"/> it is of no further use.
/// </summary>
public sealed class EdgeClient : IDisposable
{
    private readonly EdgeAddress _address;
    private readonly EdgeClientOptions _options;
    private readonly IShapedLink? _link;
    private readonly Socket _socket;
    private readonly Lock _writing = new();
    private readonly byte[] _reply;
    private readonly int _classes;
    private Stream _stream;
    private ulong _underWay;
    private ulong _planUnderWay;

    private EdgeClient(EdgeAddress address, int classes, EdgeClientOptions options, Socket socket)
    {
        (_address, _options, _socket) = (address, options, socket);
        _link = options.Recording ?? (options.Link is { } spec ? new ShapedLink(spec) : (IShapedLink?)null);
        _classes = classes;
        _reply = new byte[FeatureFrame.ReplyHeaderBytes + (_classes * sizeof(float)) + FeatureFrame.MaxMessageBytes];
        _stream = new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Connects, and makes sure that the edge serves the same bundle.</summary>
    /// <param name="address">The edge.</param>
    /// <param name="bundle">The bundle that this device runs.</param>
    /// <param name="options">Security, limits and the link to emulate.</param>
    /// <exception cref="EdgeException">The edge cannot be reached, is not trusted or does not admit this device; the message says why.</exception>
    public static EdgeClient Connect(EdgeAddress address, Bundle bundle, EdgeClientOptions? options = null) => Connect(address, PlanSet.Of(bundle), options);

    /// <summary>Connects, and makes sure that the edge serves the same plans; the connection takes requests of all of them.</summary>
    /// <param name="address">The edge.</param>
    /// <param name="plans">The plans that this device runs.</param>
    /// <param name="options">Security, limits and the link to emulate.</param>
    /// <exception cref="EdgeException">The edge cannot be reached, is not trusted or does not admit this device; the message says why.</exception>
    public static EdgeClient Connect(EdgeAddress address, PlanSet plans, EdgeClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(plans);
        options ??= new EdgeClientOptions();
        long deadline = Deadline(options.ConnectTimeout);
        var client = new EdgeClient(address, plans.Classes, options, Open(address, options));
        try
        {
            client.Secure(deadline);
            client.Introduce(plans.Id, deadline);
            return client;
        }
        catch (AuthenticationException failure)
        {
            client.Dispose();
            throw new EdgeException($"Edge {address}: TLS failed: {(failure.InnerException ?? failure).Message}", failure) { IsTransient = false };
        }
        catch (Exception failure)
        {
            client.Dispose();
            if (!IsExchangeFailure(failure)) throw;
            string hint = options.Tls is not null && failure is not InvalidDataException ? " The edge may not admit this device's certificate, or not speak TLS." : "";
            throw new EdgeException($"Edge {address} did not answer the handshake: {Describe(failure)}{hint}", failure) { IsTransient = failure is not InvalidDataException };
        }
    }

    /// <summary>Sends one request and waits for its reply.</summary>
    /// <param name="frame">A request frame of the bundle.</param>
    /// <param name="requestId">The id in the frame; not 0.</param>
    /// <param name="logits">Receives one value per class.</param>
    /// <param name="cancellation">
    /// Withdraws the request: the edge is asked to drop it and answers at once, unless it has begun to run, which then counts.
    /// </param>
    /// <exception cref="EdgeException">No valid reply came, or one that is a refusal; the message names the edge, the request and what happened.</exception>
    public EdgeReply Request(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits, CancellationToken cancellation = default) =>
        Request(frame, requestId, logits, _options.RequestTimeout, cancellation);

    /// <summary>As above, with a time limit of its own.</summary>
    /// <param name="frame">A request frame of one of the plans.</param>
    /// <param name="requestId">The id in the frame; not 0.</param>
    /// <param name="logits">Receives one value per class.</param>
    /// <param name="timeout">Time from sending to the last byte of the reply.</param>
    /// <param name="cancellation">Withdraws the request.</param>
    /// <exception cref="EdgeException">No valid reply came, or one that is a refusal; the message names the edge, the request and what happened.</exception>
    public EdgeReply Request(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits, TimeSpan timeout, CancellationToken cancellation = default)
    {
        if (logits.Length != _classes) throw new ArgumentException($"There is room for {logits.Length} logits, the bundle has {_classes}.", nameof(logits));
        try
        {
            return Exchange(frame, requestId, logits, timeout, cancellation);
        }
        catch (Exception failure) when (IsExchangeFailure(failure))
        {
            throw new EdgeException($"Edge {_address}: request {requestId} was not answered: {Describe(failure)}", failure);
        }
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => _stream.Dispose();

    private static Socket Open(EdgeAddress address, EdgeClientOptions options)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var timeout = new CancellationTokenSource(options.ConnectTimeout);
        try
        {
            socket.ConnectAsync(address.Host, address.Port, timeout.Token).AsTask().GetAwaiter().GetResult();
            return socket;
        }
        catch (Exception failure)
        {
            socket.Dispose();
            string reason = failure switch
            {
                SocketException refused => refused.Message,
                OperationCanceledException => $"no connection within {options.ConnectTimeout.TotalSeconds:0.#} s",
                _ => failure.Message,
            };
            throw new EdgeException($"Edge {address} cannot be reached: {reason}.", failure);
        }
    }

    private static long Deadline(TimeSpan timeout) => Stopwatch.GetTimestamp() + (long)(timeout.TotalSeconds * Stopwatch.Frequency);

    // A stream wraps what its socket says.
    private static bool IsExchangeFailure(Exception failure) => failure is SocketException or InvalidDataException or ObjectDisposedException or (IOException and not EdgeException);

    private static string Describe(Exception failure) => (failure as SocketException ?? failure.InnerException as SocketException) switch
    {
        { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock } => "no reply in time.",
        { } socket => socket.Message,
        null => failure.Message,
    };

    private void Secure(long deadline)
    {
        if (_options.Tls is not { } tls) return;
        var secured = new SslStream(_stream, leaveInnerStreamOpen: false);
        _stream = secured;
        // The limits are those of single reads and writes; a handshake is a few of each.
        _socket.ReceiveTimeout = _socket.SendTimeout = MillisecondsLeft(deadline);
        secured.AuthenticateAsClient(tls.Options(_address.Host));
    }

    private void Introduce(string bundleId, long deadline)
    {
        Span<byte> message = stackalloc byte[Handshake.Bytes];
        Handshake.WriteHello(message, bundleId);
        Send(message, deadline);
        Span<byte> start = _reply.AsSpan(0, Handshake.Bytes);
        Receive(start, deadline);
        if (Handshake.IsChallenge(start))
        {
            ReadOnlySpan<byte> nonce = Handshake.ReadChallenge(start);
            if (_options.Token is not { } token) throw new EdgeException($"Edge {_address} asks for an access token, and this device has none.") { IsTransient = false, Status = ReplyStatus.Unauthorized };
            Handshake.WriteProof(message, token.Prove(nonce, bundleId));
            Send(message, deadline);
            Receive(start, deadline);
        }

        ReplyHeader header = ReceiveReply([], start.Length, deadline, out string text);
        if (header.Status == ReplyStatus.Ok) return;
        throw new EdgeException($"Edge {_address} refused this device: {text}.") { IsTransient = header.Status is ReplyStatus.Busy or ReplyStatus.Failed, Status = header.Status };
    }

    private EdgeReply Exchange(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits, TimeSpan timeout, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        long deadline = Deadline(timeout);
        ulong planId = FeatureFrame.PlanIdOf(frame);
        long atEdge = start;
        if (_link is not null) Emulate(atEdge = _link.ArrivalAtEdge(start, frame.Length), deadline);
        ReplyHeader header;
        string message;
        lock (_writing)
        {
            Send(frame, deadline);
            (_underWay, _planUnderWay) = (requestId, planId);
        }

        using (cancellation.UnsafeRegister(static client => ((EdgeClient)client!).Withdraw(), this))
        {
            header = ReceiveReply(logits, 0, deadline, out message);
            lock (_writing) _underWay = 0;
        }

        if (header.Status != ReplyStatus.Ok) throw Refusal(header, requestId, message);
        if (header.RequestId != requestId) throw new InvalidDataException($"the reply is for request {header.RequestId}.");
        if (header.PlanId != planId) throw new InvalidDataException("the reply is of another plan.");
        if (header.OutputCount != logits.Length) throw new InvalidDataException($"the reply has {header.OutputCount} outputs, expected {logits.Length}.");

        double queue = header.QueueMicroseconds / 1000.0, decode = header.DecodeMicroseconds / 1000.0, compute = header.ComputeMicroseconds / 1000.0;
        if (_link is not null)
        {
            // The real way between the processes is part of the emulated one and not on top of it.
            long edge = (long)((queue + decode + compute) * Stopwatch.Frequency / 1000);
            int replyBytes = FeatureFrame.ReplyHeaderBytes + header.BodyBytes;
            Emulate(_link.ArrivalAtDevice(atEdge + edge, replyBytes), deadline);
        }

        double roundTrip = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        return new EdgeReply(Math.Max(0, roundTrip - queue - decode - compute), queue, decode, compute);
    }

    /// <summary>Waits for an arrival on the emulated link.</summary>
    /// <exception cref="SocketException">It comes after the deadline, which is waited for.</exception>
    private static void Emulate(long arrival, long deadline)
    {
        Slowdown.WaitUntil(Math.Min(arrival, deadline));
        if (arrival > deadline) throw new SocketException((int)SocketError.TimedOut);
    }

    private EdgeException Refusal(in ReplyHeader header, ulong requestId, string message)
    {
        // A request id of 0 is the edge's way of saying that it could not even read which request it refuses: the connection ends with it.
        bool own = header.RequestId == requestId;
        return new EdgeException($"Edge {_address}: request {requestId} was refused ({header.Status}): {message}.")
        {
            IsTransient = header.Status != ReplyStatus.WrongPlan,
            Status = own ? header.Status : null,
            RetryAfter = TimeSpan.FromMilliseconds(header.RetryAfterMilliseconds),
        };
    }

    /// <summary>Asks the edge to drop the request under way. Its one reply still comes, and ends the wait for it.</summary>
    private void Withdraw()
    {
        Span<byte> frame = stackalloc byte[FeatureFrame.RequestHeaderBytes];
        lock (_writing)
        {
            if (_underWay == 0) return;
            FeatureFrame.WriteCancellation(frame, _planUnderWay, _underWay);
            try
            {
                Send(frame, Deadline(_options.RequestTimeout));
            }
            catch (Exception failure) when (IsExchangeFailure(failure))
            {
                // Whoever waits for the reply will see the same.
            }
        }
    }

    private void Send(ReadOnlySpan<byte> bytes, long deadline)
    {
        _socket.SendTimeout = MillisecondsLeft(deadline);
        _stream.Write(bytes);
    }

    /// <summary>Receives a reply of which the first bytes may have been received already.</summary>
    private ReplyHeader ReceiveReply(Span<float> logits, int received, long deadline, out string message)
    {
        Receive(_reply.AsSpan(received, FeatureFrame.ReplyHeaderBytes - received), deadline);
        ReplyHeader header = FeatureFrame.ReadReplyHeader(_reply.AsSpan(0, FeatureFrame.ReplyHeaderBytes), _reply.Length);
        Span<byte> body = _reply.AsSpan(FeatureFrame.ReplyHeaderBytes, header.BodyBytes);
        Receive(body, deadline);
        if (header.OutputCount > logits.Length) throw new InvalidDataException($"the reply has {header.OutputCount} outputs, expected {logits.Length}.");
        message = FeatureFrame.ReadReplyBody(header, body, logits);
        return header;
    }

    private void Receive(Span<byte> buffer, long deadline)
    {
        while (!buffer.IsEmpty)
        {
            _socket.ReceiveTimeout = MillisecondsLeft(deadline);
            int count = _stream.Read(buffer);
            if (count == 0) throw new EndOfStreamException("the edge closed the connection.");
            buffer = buffer[count..];
        }
    }

    /// <exception cref="SocketException">The deadline has passed.</exception>
    private static int MillisecondsLeft(long deadline)
    {
        long left = (deadline - Stopwatch.GetTimestamp()) * 1000 / Stopwatch.Frequency;
        return left > 0 ? (int)Math.Min(int.MaxValue, left) : throw new SocketException((int)SocketError.TimedOut);
    }
}
