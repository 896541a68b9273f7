using System.Diagnostics;
using System.Net.Sockets;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>A connection from a device to an edge. One request at a time; after an <see cref="EdgeException"/> it is of no further use.</summary>
public sealed class EdgeClient : IDisposable
{
    private readonly EdgeAddress _address;
    private readonly EdgeClientOptions _options;
    private readonly ShapedLink? _link;
    private readonly Socket _socket;
    private readonly ulong _planId;
    private readonly byte[] _reply;
    private readonly int _classes;

    private EdgeClient(EdgeAddress address, Bundle bundle, EdgeClientOptions options, Socket socket)
    {
        (_address, _options, _socket) = (address, options, socket);
        _planId = bundle.WireId;
        _link = options.Link is { } spec ? new ShapedLink(spec) : null;
        _classes = bundle.Classes;
        _reply = new byte[FeatureFrame.HeaderBytes + (_classes * sizeof(float)) + FeatureFrame.MaxMessageBytes];
    }

    /// <summary>Connects, and makes sure that the edge serves the same bundle.</summary>
    /// <param name="address">The edge.</param>
    /// <param name="bundle">The bundle that this device runs.</param>
    /// <param name="options">Limits and the link to emulate.</param>
    /// <exception cref="EdgeException">The edge cannot be reached or does not admit this device; the message says why.</exception>
    public static EdgeClient Connect(EdgeAddress address, Bundle bundle, EdgeClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(bundle);
        options ??= new EdgeClientOptions();
        long deadline = Deadline(options.ConnectTimeout);
        Socket socket = Open(address, options);
        try
        {
            var client = new EdgeClient(address, bundle, options, socket);
            client.Introduce(bundle.Id, deadline);
            return client;
        }
        catch (Exception failure)
        {
            socket.Dispose();
            if (IsExchangeFailure(failure))
                throw new EdgeException($"Edge {address} did not answer the handshake: {Describe(failure)}", failure) { IsTransient = failure is not InvalidDataException };
            throw;
        }
    }

    /// <summary>Sends one request and waits for its reply.</summary>
    /// <param name="frame">A request frame of the bundle.</param>
    /// <param name="requestId">The id in the frame.</param>
    /// <param name="logits">Receives one value per class.</param>
    /// <exception cref="EdgeException">No valid reply came; the message names the edge, the request and what happened.</exception>
    public EdgeReply Request(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits)
    {
        if (logits.Length != _classes) throw new ArgumentException($"There is room for {logits.Length} logits, the bundle has {_classes}.", nameof(logits));
        try
        {
            return Exchange(frame, requestId, logits);
        }
        catch (Exception failure) when (IsExchangeFailure(failure))
        {
            throw new EdgeException($"Edge {_address}: request {requestId} was not answered: {Describe(failure)}", failure);
        }
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => _socket.Dispose();

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

    private static bool IsExchangeFailure(Exception failure) => failure is SocketException or EndOfStreamException or InvalidDataException;

    private static string Describe(Exception failure) => failure is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock }
        ? "no reply in time."
        : failure.Message;

    private void Introduce(string bundleId, long deadline)
    {
        Span<byte> hello = stackalloc byte[Handshake.Bytes];
        Handshake.Write(hello, bundleId);
        Send(hello, deadline);
        ReplyHeader header = ReceiveReply([], deadline, out string message);
        if (header.Status == ReplyStatus.Ok) return;
        throw new EdgeException($"Edge {_address} refused this device: {message}.") { IsTransient = header.Status is ReplyStatus.Busy or ReplyStatus.Failed };
    }

    private EdgeReply Exchange(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits)
    {
        long start = Stopwatch.GetTimestamp();
        long deadline = Deadline(_options.RequestTimeout);
        if (_link is not null) Slowdown.WaitUntil(start + _link.OneWayTicks(frame.Length));
        Send(frame, deadline);
        ReplyHeader header = ReceiveReply(logits, deadline, out string message);
        // A request id of 0 is the edge's way of saying that it could not even read which request it refuses.
        if (header.Status != ReplyStatus.Ok)
            throw new EdgeException($"Edge {_address}: request {requestId} was refused ({header.Status}): {message}.") { IsTransient = header.Status != ReplyStatus.WrongPlan };
        if (header.RequestId != requestId) throw new InvalidDataException($"the reply is for request {header.RequestId}.");
        if (header.PlanId != _planId) throw new InvalidDataException("the reply is of another plan.");
        if (header.OutputCount != logits.Length) throw new InvalidDataException($"the reply has {header.OutputCount} outputs, expected {logits.Length}.");

        double queue = header.QueueMicroseconds / 1000.0, decode = header.DecodeMicroseconds / 1000.0, compute = header.ComputeMicroseconds / 1000.0;
        if (_link is not null)
        {
            // The real way between the processes is part of the emulated one and not on top of it.
            long edge = (long)((queue + decode + compute) * Stopwatch.Frequency / 1000);
            int replyBytes = FeatureFrame.HeaderBytes + header.BodyBytes;
            Slowdown.WaitUntil(start + _link.OneWayTicks(frame.Length) + edge + _link.OneWayTicks(replyBytes));
        }

        double roundTrip = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        return new EdgeReply(Math.Max(0, roundTrip - queue - decode - compute), queue, decode, compute);
    }

    private void Send(ReadOnlySpan<byte> bytes, long deadline)
    {
        while (!bytes.IsEmpty)
        {
            _socket.SendTimeout = MillisecondsLeft(deadline);
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    private ReplyHeader ReceiveReply(Span<float> logits, long deadline, out string message)
    {
        Receive(_reply.AsSpan(0, FeatureFrame.HeaderBytes), deadline);
        ReplyHeader header = FeatureFrame.ReadReplyHeader(_reply.AsSpan(0, FeatureFrame.HeaderBytes), _reply.Length);
        Span<byte> body = _reply.AsSpan(FeatureFrame.HeaderBytes, header.BodyBytes);
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
            int count = _socket.Receive(buffer);
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
