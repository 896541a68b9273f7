using CoInference.Runtime.Codec;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A request on its way through the server. A connection has a few of these and uses them again and again; each is answered
/// exactly once between two uses, or dropped when its connection is gone.
/// </summary>
internal sealed class EdgeRequest(EdgeConnection connection)
{
    private byte[] _reply = [];

    /// <summary>The connection it came from.</summary>
    public EdgeConnection Connection { get; } = connection;

    /// <summary>Its header.</summary>
    public RequestHeader Header { get; private set; }

    /// <summary>The frame, lent by <see cref="FrameMemory"/>; null when it has been given back.</summary>
    public byte[]? Frame { get; private set; }

    /// <summary>When its last byte arrived; a timestamp of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    public long Received { get; private set; }

    /// <summary>When its answer stops to be of use; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; private set; }

    /// <summary>The payload.</summary>
    public ReadOnlySpan<byte> Payload => Frame.AsSpan(FeatureFrame.RequestHeaderBytes, Header.PayloadBytes);

    /// <summary>Starts a use.</summary>
    public void Begin(in RequestHeader header, byte[]? frame, long received, long deadline) =>
        (Header, Frame, Received, Deadline) = (header, frame, received, deadline);

    /// <summary>Gives the frame up; the caller returns it.</summary>
    public byte[]? TakeFrame()
    {
        byte[]? frame = Frame;
        Frame = null;
        return frame;
    }

    /// <summary>The memory of its reply, of at least so many bytes.</summary>
    public byte[] ReplyBuffer(int bytes)
    {
        if (_reply.Length < bytes) _reply = new byte[bytes];
        return _reply;
    }
}
