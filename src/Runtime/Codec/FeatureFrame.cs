using System.Buffers.Binary;
using System.Text;
using CoInference.Kernels.Simd.Codec;

namespace CoInference.Runtime.Codec;

/// <summary>
/// The frames on the wire between device and edge. Every frame is a header, of <see cref="RequestHeaderBytes"/> or
/// <see cref="ReplyHeaderBytes"/> bytes, and a body; all numbers are little-endian. Both parts carry a CRC-32C of their own,
/// so that a damaged length is found before it is used.
/// </summary>
/// <remarks>
/// Request header: magic u32, version u8, kind u8, bits u8, coder u8, plan id u64, request id u64, deadline u32 in units of
/// <see cref="DeadlineUnit"/> (0: none), payload length u32, payload CRC u32, header CRC u32. The feature's shape is the plan's.
/// Cancellation: the header of a request of which nothing but plan id and request id is set, without a body.
/// Reply header: magic u32, version u8, kind u8, status u8, zero u8, plan id u64, request id u64, queue, decode and compute
/// time in microseconds u32 each, output count u32, message length u32, retry hint in milliseconds u32, body CRC u32, header CRC u32.
/// </remarks>
public static class FeatureFrame
{
    /// <summary>Length of the header of a request, and of a cancellation.</summary>
    public const int RequestHeaderBytes = 40;

    /// <summary>Length of the header of a reply.</summary>
    public const int ReplyHeaderBytes = 56;

    /// <summary>Resolution of a request's deadline.</summary>
    public static readonly TimeSpan DeadlineUnit = TimeSpan.FromMicroseconds(100);

    /// <summary>Longest message of a reply in bytes; longer ones are cut.</summary>
    public const int MaxMessageBytes = 1024;

    private const uint Magic = 0x31464943; // "CIF1"
    private const byte Version = 4;
    private const byte RequestKind = 1;
    private const byte ReplyKind = 2;
    private const byte CancellationKind = 3;

    /// <summary>Writes the header of a request whose payload already lies at <c>frame[RequestHeaderBytes..]</c>.</summary>
    /// <param name="frame">Receives the header; holds the payload behind it.</param>
    /// <param name="planId">Identifies the plan.</param>
    /// <param name="requestId">Echoed in the reply.</param>
    /// <param name="bits">Quantizer width, 1 to 8, or 32 for <see cref="EntropyMode.Raw"/>.</param>
    /// <param name="coder">How the symbols are written.</param>
    /// <param name="payloadBytes">Length of the payload.</param>
    /// <returns>Length of the whole frame.</returns>
    /// <exception cref="ArgumentException">The frame is too short, or a field is out of its range.</exception>
    public static int WriteRequest(Span<byte> frame, ulong planId, ulong requestId, int bits, EntropyMode coder, int payloadBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(payloadBytes);
        if (frame.Length - RequestHeaderBytes < payloadBytes)
            throw new ArgumentException($"A frame of {frame.Length} bytes cannot hold a header and {payloadBytes} bytes of payload.", nameof(frame));
        if (!BitsFit(bits, coder)) throw new ArgumentException($"{bits} bits do not go with {coder} symbols.", nameof(bits));

        Span<byte> header = frame[..RequestHeaderBytes];
        header.Clear();
        WriteStart(header, RequestKind, (byte)bits, (byte)coder, planId, requestId);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], payloadBytes);
        WriteChecksums(header, frame.Slice(RequestHeaderBytes, payloadBytes));
        return RequestHeaderBytes + payloadBytes;
    }

    /// <summary>The plan of a request that has been written.</summary>
    /// <param name="frame">The frame, or its header.</param>
    /// <exception cref="ArgumentException">The frame is shorter than a header.</exception>
    public static ulong PlanIdOf(ReadOnlySpan<byte> frame) => frame.Length >= RequestHeaderBytes
        ? BinaryPrimitives.ReadUInt64LittleEndian(frame[8..])
        : throw new ArgumentException($"{frame.Length} bytes are less than a header of {RequestHeaderBytes}.", nameof(frame));

    /// <summary>Sets the deadline of a request that has been written.</summary>
    /// <param name="header">Exactly <see cref="RequestHeaderBytes"/> bytes, as <see cref="WriteRequest"/> left them.</param>
    /// <param name="left">
    /// Time, from the arrival of the request's first byte at the edge, after which the answer is of no use. Rounded to
    /// <see cref="DeadlineUnit"/> and at least one of it; what the field cannot hold, about five days and more, means no deadline.
    /// </param>
    /// <exception cref="ArgumentException">The header has another length.</exception>
    public static void WriteDeadline(Span<byte> header, TimeSpan left)
    {
        if (header.Length != RequestHeaderBytes) throw new ArgumentException($"A request's header has {RequestHeaderBytes} bytes, not {header.Length}.", nameof(header));
        long units = Math.Max(1, left.Ticks / DeadlineUnit.Ticks);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], units > uint.MaxValue ? 0 : (uint)units);
        WriteHeaderChecksum(header);
    }

    /// <summary>Gives a request that has been written another id.</summary>
    /// <param name="header">Exactly <see cref="RequestHeaderBytes"/> bytes, as <see cref="WriteRequest"/> left them.</param>
    /// <param name="requestId">Echoed in the reply.</param>
    /// <exception cref="ArgumentException">The header has another length.</exception>
    public static void WriteRequestId(Span<byte> header, ulong requestId)
    {
        if (header.Length != RequestHeaderBytes) throw new ArgumentException($"A request's header has {RequestHeaderBytes} bytes, not {header.Length}.", nameof(header));
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], requestId);
        WriteHeaderChecksum(header);
    }

    /// <summary>Writes the frame that asks the edge to drop a request which has not begun to run.</summary>
    /// <param name="frame">Exactly <see cref="RequestHeaderBytes"/> bytes.</param>
    /// <param name="planId">Identifies the plan.</param>
    /// <param name="requestId">The request. It still gets one reply: <see cref="ReplyStatus.Cancelled"/>, or what became of it.</param>
    public static void WriteCancellation(Span<byte> frame, ulong planId, ulong requestId)
    {
        frame.Clear();
        WriteStart(frame, CancellationKind, 0, 0, planId, requestId);
        WriteChecksums(frame, []);
    }

    /// <summary>Whether a header says that it is a cancellation; <see cref="ReadCancellation"/> then checks it.</summary>
    public static bool IsCancellation(ReadOnlySpan<byte> header) => header.Length == RequestHeaderBytes && header[5] == CancellationKind;

    /// <summary>Reads a cancellation.</summary>
    /// <param name="header">Exactly <see cref="RequestHeaderBytes"/> bytes.</param>
    /// <returns>Id of the request to drop.</returns>
    /// <exception cref="InvalidDataException">The header is damaged or is no cancellation.</exception>
    public static ulong ReadCancellation(ReadOnlySpan<byte> header)
    {
        (byte first, byte second) = ReadStart(header, CancellationKind);
        if (first != 0 || second != 0 || header[24..^8].ContainsAnyExcept((byte)0))
            throw new InvalidDataException("Cancellation frame: a reserved byte is not zero.");
        return BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
    }

    /// <summary>Reads and checks the header of a request.</summary>
    /// <param name="header">Exactly <see cref="RequestHeaderBytes"/> bytes.</param>
    /// <param name="maxFrameBytes">Longest frame the reader is willing to take, header included.</param>
    /// <exception cref="InvalidDataException">The header is damaged, is no request, or announces a longer frame.</exception>
    public static RequestHeader ReadRequestHeader(ReadOnlySpan<byte> header, int maxFrameBytes)
    {
        (byte bits, byte coder) = ReadStart(header, RequestKind);
        if (!BitsFit(bits, (EntropyMode)coder)) throw new InvalidDataException($"Request frame: {bits} bits with coder {coder} is not a known combination.");
        uint payloadBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[28..]);
        if (payloadBytes + (long)RequestHeaderBytes > maxFrameBytes) throw TooLong("Request", payloadBytes + (long)RequestHeaderBytes, maxFrameBytes);
        return new RequestHeader(
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
            bits,
            (EntropyMode)coder,
            BinaryPrimitives.ReadUInt32LittleEndian(header[24..]) * DeadlineUnit,
            (int)payloadBytes,
            BinaryPrimitives.ReadUInt32LittleEndian(header[^8..]));
    }

    /// <summary>Checks a received payload against its header.</summary>
    /// <exception cref="InvalidDataException">The length or the checksum differs.</exception>
    public static void CheckPayload(in RequestHeader header, ReadOnlySpan<byte> payload) =>
        CheckBody("Request", header.PayloadBytes, header.PayloadChecksum, payload);

    /// <summary>Reads a whole request frame.</summary>
    /// <param name="frame">Exactly one frame.</param>
    /// <param name="maxFrameBytes">Longest frame the reader is willing to take, header included.</param>
    /// <param name="payload">The payload, a slice of <paramref name="frame"/>.</param>
    /// <exception cref="InvalidDataException">The frame is damaged, cut short, or followed by other bytes.</exception>
    public static RequestHeader ReadRequest(ReadOnlySpan<byte> frame, int maxFrameBytes, out ReadOnlySpan<byte> payload)
    {
        RequestHeader header = ReadRequestHeader(HeaderOf(frame), maxFrameBytes);
        payload = frame[RequestHeaderBytes..];
        CheckPayload(header, payload);
        return header;
    }

    /// <summary>Length of a reply frame.</summary>
    /// <param name="outputCount">Output values.</param>
    /// <param name="message">The message; empty for none.</param>
    public static int ReplyBytes(int outputCount, ReadOnlySpan<char> message) =>
        checked(ReplyHeaderBytes + (outputCount * sizeof(float)) + Math.Min(MaxMessageBytes, Encoding.UTF8.GetByteCount(message)));

    /// <summary>Writes a whole reply.</summary>
    /// <param name="frame">At least <see cref="ReplyBytes"/> bytes.</param>
    /// <param name="planId">The plan the edge serves.</param>
    /// <param name="requestId">The request this answers.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="queue">Time from the last byte of the request to the start of decoding.</param>
    /// <param name="decode">Time in the feature decoder.</param>
    /// <param name="compute">Time in the edge half.</param>
    /// <param name="outputs">The network's outputs; empty unless the status is <see cref="ReplyStatus.Ok"/>.</param>
    /// <param name="message">What went wrong; empty when nothing did.</param>
    /// <param name="retryAfter">Time after which trying again may help; zero for no hint.</param>
    /// <returns>Length of the frame.</returns>
    /// <exception cref="ArgumentException">The frame is too short.</exception>
    public static int WriteReply(
        Span<byte> frame,
        ulong planId,
        ulong requestId,
        ReplyStatus status,
        TimeSpan queue,
        TimeSpan decode,
        TimeSpan compute,
        ReadOnlySpan<float> outputs,
        ReadOnlySpan<char> message = default,
        TimeSpan retryAfter = default)
    {
        int length = ReplyBytes(outputs.Length, message);
        if (frame.Length < length) throw new ArgumentException($"A reply of {length} bytes does not fit a frame of {frame.Length}.", nameof(frame));

        Span<byte> body = frame[ReplyHeaderBytes..length];
        Span<byte> text = body[(outputs.Length * sizeof(float))..];
        for (int i = 0; i < outputs.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(body[(i * sizeof(float))..], outputs[i]);
        // A cut message may end inside a character; the reader replaces the broken one.
        if (Encoding.UTF8.GetByteCount(message) <= text.Length) Encoding.UTF8.GetBytes(message, text);
        else Encoding.UTF8.GetBytes(message.ToString()).AsSpan(0, text.Length).CopyTo(text);

        Span<byte> header = frame[..ReplyHeaderBytes];
        header.Clear();
        WriteStart(header, ReplyKind, (byte)status, 0, planId, requestId);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], Microseconds(queue));
        BinaryPrimitives.WriteUInt32LittleEndian(header[28..], Microseconds(decode));
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], Microseconds(compute));
        BinaryPrimitives.WriteInt32LittleEndian(header[36..], outputs.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], text.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[44..], (uint)Math.Clamp(Math.Ceiling(retryAfter.TotalMilliseconds), 0, uint.MaxValue));
        WriteChecksums(header, body);
        return length;
    }

    /// <summary>Reads and checks the header of a reply.</summary>
    /// <param name="header">Exactly <see cref="ReplyHeaderBytes"/> bytes.</param>
    /// <param name="maxFrameBytes">Longest frame the reader is willing to take, header included.</param>
    /// <exception cref="InvalidDataException">The header is damaged, is no reply, or announces a longer frame.</exception>
    public static ReplyHeader ReadReplyHeader(ReadOnlySpan<byte> header, int maxFrameBytes)
    {
        (byte status, byte reserved) = ReadStart(header, ReplyKind);
        if (status > (byte)ReplyStatus.Unauthorized) throw new InvalidDataException($"Reply frame: status {status} is not known.");
        if (reserved != 0) throw new InvalidDataException("Reply frame: a reserved byte is not zero.");
        uint outputCount = BinaryPrimitives.ReadUInt32LittleEndian(header[36..]);
        uint messageBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]);
        if (messageBytes > MaxMessageBytes) throw new InvalidDataException($"Reply frame: a message of {messageBytes} bytes exceeds {MaxMessageBytes}.");
        long bodyBytes = (outputCount * (long)sizeof(float)) + messageBytes;
        if (bodyBytes + ReplyHeaderBytes > maxFrameBytes) throw TooLong("Reply", bodyBytes + ReplyHeaderBytes, maxFrameBytes);
        return new ReplyHeader(
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
            (ReplyStatus)status,
            BinaryPrimitives.ReadUInt32LittleEndian(header[24..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[28..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[32..]),
            (int)outputCount,
            (int)messageBytes,
            BinaryPrimitives.ReadUInt32LittleEndian(header[44..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[^8..]));
    }

    /// <summary>Checks a received reply body and copies the outputs out of it.</summary>
    /// <param name="header">The reply's header.</param>
    /// <param name="body">The bytes behind the header.</param>
    /// <param name="outputs">Receives <see cref="ReplyHeader.OutputCount"/> values.</param>
    /// <returns>The message; empty when there is none.</returns>
    /// <exception cref="InvalidDataException">The length or the checksum differs.</exception>
    /// <exception cref="ArgumentException"><paramref name="outputs"/> is shorter than the outputs.</exception>
    public static string ReadReplyBody(in ReplyHeader header, ReadOnlySpan<byte> body, Span<float> outputs)
    {
        CheckBody("Reply", header.BodyBytes, header.BodyChecksum, body);
        if (outputs.Length < header.OutputCount)
            throw new ArgumentException($"The reply has {header.OutputCount} outputs; there is room for {outputs.Length}.", nameof(outputs));
        for (int i = 0; i < header.OutputCount; i++) outputs[i] = BinaryPrimitives.ReadSingleLittleEndian(body[(i * sizeof(float))..]);
        return header.MessageBytes == 0 ? "" : Encoding.UTF8.GetString(body[^header.MessageBytes..]);
    }

    private static void WriteStart(Span<byte> header, byte kind, byte first, byte second, ulong planId, ulong requestId)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        header[4] = Version;
        header[5] = kind;
        header[6] = first;
        header[7] = second;
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], planId);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], requestId);
    }

    private static void WriteChecksums(Span<byte> header, ReadOnlySpan<byte> body)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header[^8..], Crc32C.Compute(body));
        WriteHeaderChecksum(header);
    }

    private static void WriteHeaderChecksum(Span<byte> header) =>
        BinaryPrimitives.WriteUInt32LittleEndian(header[^4..], Crc32C.Compute(header[..^4]));

    private static (byte First, byte Second) ReadStart(ReadOnlySpan<byte> header, byte kind)
    {
        string name = kind switch { RequestKind => "Request", ReplyKind => "Reply", _ => "Cancellation" };
        int expected = kind == ReplyKind ? ReplyHeaderBytes : RequestHeaderBytes;
        if (header.Length != expected) throw new InvalidDataException($"{name} frame: the header has {header.Length} bytes, expected {expected}.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) throw new InvalidDataException($"{name} frame: the bytes are not a CoInference frame.");
        if (header[4] != Version) throw new InvalidDataException($"{name} frame: version {header[4]} is not supported, expected {Version}.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[^4..]) != Crc32C.Compute(header[..^4]))
            throw new InvalidDataException($"{name} frame: the header's checksum does not match.");
        if (header[5] != kind) throw new InvalidDataException($"{name} frame: the frame is of kind {header[5]}, expected {kind}.");
        return (header[6], header[7]);
    }

    private static InvalidDataException TooLong(string name, long frameBytes, int maxFrameBytes) =>
        new($"{name} frame: {frameBytes} bytes exceed the limit of {maxFrameBytes}.");

    private static ReadOnlySpan<byte> HeaderOf(ReadOnlySpan<byte> frame) =>
        frame.Length >= RequestHeaderBytes ? frame[..RequestHeaderBytes] : throw new InvalidDataException($"Request frame: {frame.Length} bytes are less than a header of {RequestHeaderBytes}.");

    private static void CheckBody(string name, int expectedBytes, uint checksum, ReadOnlySpan<byte> body)
    {
        if (body.Length != expectedBytes) throw new InvalidDataException($"{name} frame: the body has {body.Length} bytes, the header says {expectedBytes}.");
        if (Crc32C.Compute(body) != checksum) throw new InvalidDataException($"{name} frame: the body's checksum does not match.");
    }

    private static bool BitsFit(int bits, EntropyMode coder) => coder switch
    {
        EntropyMode.Raw => bits == 32,
        EntropyMode.Packed or EntropyMode.Coded => bits is >= 1 and <= 8,
        _ => false,
    };

    private static uint Microseconds(TimeSpan time) => (uint)Math.Clamp(time.TotalMicroseconds, 0, uint.MaxValue);
}
