using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using CoInference.Kernels.Simd.Codec;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>One server in this process, and clients of every kind.</summary>
public sealed class EdgeServerTests : IDisposable
{
    private readonly Bundle _bundle = TestBundles.Split();
    private readonly ImageSet _images = TestBundles.Images(50, seed: 9);
    private readonly ConcurrentQueue<string> _log = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly EdgeServer _server;
    private readonly Task _running;

    public EdgeServerTests()
    {
        _server = new EdgeServer(_bundle, new EdgeAddress("127.0.0.1", 0), new EdgeServerOptions
        {
            MaxClients = 8,
            HandshakeTimeout = TimeSpan.FromMilliseconds(500),
            FrameTimeout = TimeSpan.FromMilliseconds(500),
            DrainTimeout = TimeSpan.FromSeconds(2),
            Log = happened => _log.Enqueue(happened.ToString()),
        });
        _running = _server.RunAsync(_stop.Token);
    }

    public static TheoryData<string> Garbage => new("random", "http", "ones", "zeros", "flood", "wrong-version", "damaged-hello");

    public void Dispose()
    {
        _stop.Cancel();
        _running.GetAwaiter().GetResult();
        _server.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Several_clients_are_served_at_once_and_get_their_own_answers()
    {
        // Threads of their own: clients that block would keep the pool from the server they wait for.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(client => Task.Factory.StartNew(() =>
        {
            using var device = new DeviceRunner(_bundle, _server.Address);
            using var local = new LocalRunner(_bundle);
            float[] logits = new float[TestBundles.Classes], expected = new float[TestBundles.Classes];
            for (int i = 0; i < 50; i++)
            {
                ReadOnlySpan<byte> image = _images.Image((i + (client * 7)) % _images.Count);
                InferenceTiming timing = device.Run(image, logits);
                local.Run(image, expected);
                Assert.Equal(expected, logits);
                Assert.True(timing is { WireMs: > 0, EdgeMs: > 0, PayloadBytes: > FeatureFrame.RequestHeaderBytes, Source: AnswerSource.Edge });
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        // The client may have its answer before the server has counted it.
        Assert.True(SpinWait.SpinUntil(() => _server.Answered == 200, 5000));
    }

    [Theory]
    [MemberData(nameof(Garbage))]
    public void A_garbage_client_is_refused_and_the_server_goes_on(string kind)
    {
        using Socket socket = Connect();
        var bytes = new byte[kind == "flood" ? 300_000 : 200];
        new Random(3).NextBytes(bytes);
        if (kind == "http") "GET / HTTP/1.1\r\nHost: example\r\nAccept: everything\r\n\r\n"u8.CopyTo(bytes);
        if (kind == "zeros") Array.Clear(bytes);
        if (kind == "ones") Array.Fill(bytes, byte.MaxValue);
        if (kind is "wrong-version" or "damaged-hello")
        {
            Handshake.WriteHello(bytes.AsSpan(0, Handshake.Bytes), _bundle.Id);
            bytes[kind == "wrong-version" ? 4 : 20] ^= 0x42;
        }

        try
        {
            socket.Send(bytes);
        }
        catch (SocketException)
        {
            // Cut off while it still sends: refused as well.
        }

        if (kind != "flood") Assert.Equal(ReplyStatus.BadRequest, ReadReply(socket).Status);
        AssertServes();
        Assert.True(SpinWait.SpinUntil(() => _log.Any(line => line.Contains("refused: Handshake")), 5000));
    }

    [Fact]
    public void A_frame_that_announces_too_much_is_refused_before_memory_is_taken()
    {
        using Socket socket = ConnectAndIntroduce();
        byte[] frame = Frame(payloadBytes: 100);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(28), 0x7FFF_FFF0);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(FeatureFrame.RequestHeaderBytes - 4), Crc32C.Compute(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes - 4)));
        socket.Send(frame);
        (ReplyStatus status, string message) = ReadReply(socket);
        Assert.Equal(ReplyStatus.BadRequest, status);
        Assert.Contains("exceed", message);
        Assert.Equal(0, socket.Receive(new byte[1]));
        AssertServes();
    }

    [Fact]
    public void A_damaged_payload_closes_the_connection()
    {
        using Socket socket = ConnectAndIntroduce();
        byte[] frame = Frame(payloadBytes: 100);
        frame[^1] ^= 1;
        socket.Send(frame);
        Assert.Equal(ReplyStatus.BadRequest, ReadReply(socket).Status);
        Assert.Equal(0, socket.Receive(new byte[1]));
        AssertServes();
    }

    [Fact]
    public void A_sound_frame_that_does_not_fit_is_answered_and_the_connection_goes_on()
    {
        using Socket socket = ConnectAndIntroduce();
        for (int i = 0; i < 2; i++)
        {
            // A payload of a length that the codec never writes.
            socket.Send(Frame(payloadBytes: 100));
            Assert.Equal(ReplyStatus.BadRequest, ReadReply(socket).Status);
        }

        var other = new byte[FeatureFrame.RequestHeaderBytes + 4];
        FeatureFrame.WriteRequest(other, _bundle.WireId + 1, 1, 4, EntropyMode.Packed, 4);
        socket.Send(other);
        Assert.Equal(ReplyStatus.WrongPlan, ReadReply(socket).Status);
        socket.Send(RealFrame(_images.Image(0)));
        Assert.Equal(ReplyStatus.Ok, ReadReply(socket).Status);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(Handshake.Bytes + 20)]
    [InlineData(Handshake.Bytes + FeatureFrame.RequestHeaderBytes + 20)]
    public void A_client_that_leaves_in_the_middle_does_no_harm(int after)
    {
        using (Socket socket = Connect())
        {
            var bytes = new byte[Handshake.Bytes + FeatureFrame.RequestHeaderBytes + 100];
            Handshake.WriteHello(bytes.AsSpan(0, Handshake.Bytes), _bundle.Id);
            Frame(payloadBytes: 100).CopyTo(bytes.AsSpan(Handshake.Bytes));
            socket.Send(bytes.AsSpan(0, after));
        }

        AssertServes();
    }

    [Fact]
    public void Random_frames_behind_a_good_handshake_leave_the_server_serving()
    {
        var random = new Random(11);
        byte[] sound = RealFrame(_images.Image(0));
        for (int i = 0; i < 200; i++)
        {
            using Socket socket = ConnectAndIntroduce();
            byte[] frame = [.. sound];
            for (int n = random.Next(1, 5); n > 0; n--) frame[random.Next(frame.Length)] = (byte)random.Next(256);
            // One time in two the checksums are made right again, so that the checks behind them are reached.
            if (random.Next(2) == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(FeatureFrame.RequestHeaderBytes - 8), Crc32C.Compute(frame.AsSpan(FeatureFrame.RequestHeaderBytes)));
                BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(FeatureFrame.RequestHeaderBytes - 4), Crc32C.Compute(frame.AsSpan(0, FeatureFrame.RequestHeaderBytes - 4)));
            }

            socket.Send(frame.AsSpan(0, random.Next(4) == 0 ? random.Next(1, frame.Length) : frame.Length));
            socket.Shutdown(SocketShutdown.Send);
            ReadReply(socket);
        }

        AssertServes();
        Assert.DoesNotContain(_log, line => line.Contains("internal error"));
    }

    [Fact]
    public void A_slow_client_is_cut_off()
    {
        var clock = Stopwatch.StartNew();
        using Socket silent = Connect();
        using Socket slow = ConnectAndIntroduce();
        byte[] frame = Frame(payloadBytes: 100);
        slow.Send(frame.AsSpan(0, 1));
        AssertServes();
        Assert.Equal(ReplyStatus.BadRequest, ReadReply(silent).Status);

        // A byte now and then does not extend the time for the whole frame.
        string message = "";
        for (int i = 1; i < frame.Length && message.Length == 0; i++)
        {
            Thread.Sleep(25);
            if (slow.Available > 0) message = ReadReply(slow).Message;
            else slow.Send(frame.AsSpan(i, 1));
        }

        Assert.Contains("took too long", message);
        // The limit is 0.5 s; above it there is room for a busy machine.
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.5, 5);
        AssertServes();
    }

    [Fact]
    public void Another_bundle_is_refused_with_a_clear_message_on_both_sides()
    {
        Bundle other = TestBundles.Split(bits: 5);
        var failure = Assert.Throws<EdgeException>(() => new DeviceRunner(other, _server.Address, new DeviceRunnerOptions { FallbackToDevice = true }));
        Assert.False(failure.IsTransient);
        foreach (string id in (string[])[other.Id[..12], _bundle.Id[..12]])
        {
            Assert.Contains(id, failure.Message);
            Assert.True(SpinWait.SpinUntil(() => _log.Any(line => line.Contains(id)), 5000));
        }
    }

    [Fact]
    public void A_client_beyond_the_limit_is_told_so_and_admitted_when_there_is_room()
    {
        Socket[] clients = [.. Enumerable.Range(0, 8).Select(_ => ConnectAndIntroduce())];
        var failure = Assert.Throws<EdgeException>(() => EdgeClient.Connect(_server.Address, _bundle));
        Assert.Contains("8 clients", failure.Message);
        Assert.True(failure.IsTransient);
        foreach (Socket client in clients) client.Dispose();
        Assert.True(SpinWait.SpinUntil(() => _server.Clients == 0, 5000));
        AssertServes();
    }

    [Fact]
    public async Task Stopping_answers_what_has_begun_to_arrive_and_then_closes()
    {
        using Socket socket = ConnectAndIntroduce();
        byte[] frame = RealFrame(_images.Image(0));
        socket.Send(frame.AsSpan(0, frame.Length - 1));
        await Task.Delay(50);
        await _stop.CancelAsync();
        socket.Send(frame.AsSpan(frame.Length - 1));
        Assert.Equal(ReplyStatus.Ok, ReadReply(socket).Status);
        Assert.Equal(0, socket.Receive(new byte[1]));
        await _running;
        Assert.Equal(1, _server.Answered);
        Assert.Throws<EdgeException>(() => EdgeClient.Connect(_server.Address, _bundle));
    }

    [Fact]
    public void A_port_in_use_and_a_bundle_without_an_edge_half_are_named()
    {
        Assert.Contains(_server.Address.ToString(), Assert.Throws<EdgeException>(() => new EdgeServer(_bundle, _server.Address)).Message);
        Assert.Contains("no edge half", Assert.Throws<InvalidDataException>(() => new EdgeServer(TestBundles.DeviceOnly(), new EdgeAddress("127.0.0.1", 0))).Message);
    }

    private static byte[] ReceiveExactly(Socket socket, int count)
    {
        var bytes = new byte[count];
        for (int received = 0; received < count;)
        {
            int now = socket.Receive(bytes.AsSpan(received));
            Assert.True(now > 0, $"the connection ended after {received} of {count} bytes");
            received += now;
        }

        return bytes;
    }

    private static (ReplyStatus Status, string Message) ReadReply(Socket socket)
    {
        ReplyHeader header = FeatureFrame.ReadReplyHeader(ReceiveExactly(socket, FeatureFrame.ReplyHeaderBytes), 1 << 20);
        string message = FeatureFrame.ReadReplyBody(header, ReceiveExactly(socket, header.BodyBytes), new float[header.OutputCount]);
        return (header.Status, message);
    }

    private Socket Connect()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 10_000, SendTimeout = 10_000 };
        socket.Connect(_server.Address.Host, _server.Address.Port);
        return socket;
    }

    private Socket ConnectAndIntroduce()
    {
        Socket socket = Connect();
        var hello = new byte[Handshake.Bytes];
        Handshake.WriteHello(hello, _bundle.Id);
        socket.Send(hello);
        Assert.Equal(ReplyStatus.Ok, ReadReply(socket).Status);
        return socket;
    }

    private byte[] Frame(int payloadBytes)
    {
        var frame = new byte[FeatureFrame.RequestHeaderBytes + payloadBytes];
        FeatureFrame.WriteRequest(frame, _bundle.WireId, 1, 4, EntropyMode.Packed, payloadBytes);
        return frame;
    }

    private byte[] RealFrame(ReadOnlySpan<byte> image)
    {
        using var half = new DeviceHalf(_bundle, new SessionOptions());
        half.Compute(image);
        return half.Encode(image, 1).ToArray();
    }

    private void AssertServes()
    {
        using var device = new DeviceRunner(_bundle, _server.Address);
        using var local = new LocalRunner(_bundle);
        float[] logits = new float[TestBundles.Classes], expected = new float[TestBundles.Classes];
        device.Run(_images.Image(0), logits);
        local.Run(_images.Image(0), expected);
        Assert.Equal(expected, logits);
    }
}
