using System.Net;
using System.Net.Sockets;
using CoInference.Runtime.Codec;

namespace CoInference.Bench.Serving;

/// <summary>Sends hostile frames, each on a connection of its own, and sees what comes back.</summary>
internal sealed class HostileClient(int port, byte[] hello, HostileFrames frames, double slowShare) : IDisposable
{
    // Stalled connections that are kept open while others go on.
    private const int MaxStalled = 16;

    private static int _lastAddress;

    private readonly Queue<Socket> _stalled = new();
    private readonly byte[] _buffer = new byte[8192];

    /// <summary>Frames sent, by kind.</summary>
    public long[] Sent { get; } = new long[HostileFrames.Kinds.Count];

    /// <summary>Replies read, refusals included.</summary>
    public long Replies { get; private set; }

    /// <summary>Sends one frame and waits for what it calls for.</summary>
    /// <exception cref="InvalidOperationException">The server did not react within 30 s, or what it sent is no reply.</exception>
    public void Send()
    {
        byte[] frame = frames.Next(out int kind, out bool introduced, out HostileFrames.Ending ending, slowShare);
        Sent[kind]++;
        Socket socket = Connect();
        bool keep = false;
        try
        {
            if (introduced)
            {
                socket.Send(hello);
                if (!ReadReply(socket)) throw new InvalidOperationException("The server did not admit a good device.");
            }

            socket.Send(frame);
            if (ending == HostileFrames.Ending.Finish) socket.Shutdown(SocketShutdown.Send);
            if (ending is HostileFrames.Ending.Wait)
            {
                if (ReadReply(socket)) Replies++;
            }
            else if (ending is HostileFrames.Ending.Finish)
            {
                while (ReadReply(socket)) Replies++;
            }

            keep = ending == HostileFrames.Ending.Stall;
        }
        catch (SocketException failure) when (failure.SocketErrorCode is not (SocketError.TimedOut or SocketError.WouldBlock))
        {
            // Cut off in the middle: an answer, too.
        }
        finally
        {
            if (keep) _stalled.Enqueue(socket);
            else Abandon(socket);
            if (_stalled.Count > MaxStalled) Abandon(_stalled.Dequeue());
        }
    }

    public void Dispose()
    {
        while (_stalled.TryDequeue(out Socket? socket)) Abandon(socket);
    }

    // A reset leaves no port waiting for stragglers, of which a million connections would need too many.
    private static void Abandon(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000, SendTimeout = 30_000 };
        int number = Interlocked.Increment(ref _lastAddress) % 60_000;
        // Strangers come from many addresses.
        socket.Bind(new IPEndPoint(new IPAddress([127, 1, (byte)(number / 250), (byte)(1 + (number % 250))]), 0));
        socket.Connect(new IPEndPoint(IPAddress.Loopback, port));
        return socket;
    }

    /// <returns>False when the connection ended before a reply.</returns>
    private bool ReadReply(Socket socket)
    {
        if (!Receive(socket, _buffer.AsSpan(0, FeatureFrame.ReplyHeaderBytes))) return false;
        ReplyHeader header = FeatureFrame.ReadReplyHeader(_buffer.AsSpan(0, FeatureFrame.ReplyHeaderBytes), _buffer.Length);
        Span<byte> body = _buffer.AsSpan(FeatureFrame.ReplyHeaderBytes, header.BodyBytes);
        if (!Receive(socket, body)) return false;
        FeatureFrame.ReadReplyBody(header, body, new float[header.OutputCount]);
        return true;
    }

    private static bool Receive(Socket socket, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = socket.Receive(buffer);
            if (count == 0) return false;
            buffer = buffer[count..];
        }

        return true;
    }
}
