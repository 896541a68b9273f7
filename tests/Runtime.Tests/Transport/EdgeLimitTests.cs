using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Limits, turns between clients, deadlines and cancellation, seen from raw connections that send many requests at once.</summary>
public sealed class EdgeLimitTests
{
    [Fact]
    public void Connections_beyond_the_limit_of_their_address_are_cut()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxConnectionsPerAddress = 2 });
        using (EdgeClient first = running.Connect(), second = running.Connect())
        {
            Assert.Throws<EdgeException>(() => running.Connect());
            Assert.Contains(running.Log, entry => entry.Message.Contains("2 connections open"));
        }

        Assert.True(SpinWait.SpinUntil(() => running.Server.Clients == 0, 5000));
        Assert.True(SpinWait.SpinUntil(() => Succeeds(() => running.AssertServes()), 5000));
    }

    [Fact]
    public void Pipelined_requests_are_answered_once_each_with_their_own_answer()
    {
        using var running = new RunningServer(new EdgeServerOptions { Concurrency = 2 });
        using Socket socket = Introduce(running);
        byte[][] frames = [.. Enumerable.Range(0, 20).Select(image => running.Frame(image, (ulong)image + 1))];
        for (int i = 0; i < 200; i++) socket.Send(Renamed(frames[i % 20], (ulong)i + 1));
        var seen = new HashSet<ulong>();
        for (int i = 0; i < 200; i++)
        {
            (ReplyHeader header, float[] logits, _) = Read(socket);
            Assert.Equal(ReplyStatus.Ok, header.Status);
            Assert.True(seen.Add(header.RequestId));
            Assert.Equal(running.Expected((int)((header.RequestId - 1) % 20)), logits);
        }
    }

    [Fact]
    public void A_full_queue_says_busy_with_a_hint_and_the_connection_goes_on()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxQueued = 1, MaxRequestsPerClient = 8 });
        using HeldWorkers held = new(running);
        using Socket socket = Introduce(running);
        for (ulong id = 1; id <= 4; id++) socket.Send(running.Frame(0, id));
        var busy = new List<ulong>();
        for (int i = 0; i < 3; i++)
        {
            (ReplyHeader header, _, string message) = Read(socket);
            Assert.Equal(ReplyStatus.Busy, header.Status);
            Assert.True(header.RetryAfterMilliseconds >= 1);
            Assert.Contains("its limit", message);
            busy.Add(header.RequestId);
        }

        Assert.Equal([2ul, 3, 4], busy);
        held.Dispose();
        Assert.Equal((ReplyStatus.Ok, 1ul), (Read(socket) is var last ? last.Header.Status : default, last.Header.RequestId));
    }

    [Fact]
    public void Requests_without_memory_are_told_so_and_the_memory_comes_back()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxRequestBytes = 1, MaxRequestsPerClient = 4 });
        using (HeldWorkers held = new(running))
        {
            using Socket socket = Introduce(running);
            for (ulong id = 1; id <= 2; id++) socket.Send(running.Frame(0, id));
            (ReplyHeader header, _, string message) = Read(socket);
            Assert.Equal((ReplyStatus.Busy, 2ul), (header.Status, header.RequestId));
            Assert.Contains("memory", message);
            held.Dispose();
            Assert.Equal(ReplyStatus.Ok, Read(socket).Header.Status);
        }

        Assert.True(SpinWait.SpinUntil(() => running.Server.RequestBytes == 0, 5000));
        running.AssertServes();
    }

    [Fact]
    public void A_slow_sender_is_cut_off_by_its_rate()
    {
        using var running = new RunningServer(new EdgeServerOptions { StallAllowance = TimeSpan.FromMilliseconds(300), MinBytesPerSecond = 1_000_000 });
        using Socket socket = Introduce(running);
        byte[] frame = running.Frame(0, 1);
        var clock = Stopwatch.StartNew();
        socket.Send(frame.AsSpan(0, frame.Length / 2));
        (ReplyHeader header, _, string message) = Read(socket);
        Assert.Equal(ReplyStatus.BadRequest, header.Status);
        Assert.Contains("too long", message);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.25, 10);
        running.AssertServes();
    }

    [Fact]
    public void Clients_may_pause_between_requests_for_longer_than_a_request_may_take()
    {
        using var running = new RunningServer(new EdgeServerOptions { StallAllowance = TimeSpan.FromMilliseconds(300) });
        byte[] frame = running.Frame(0, 1);
        Parallel.For(0, 4, _ =>
        {
            using Socket socket = Introduce(running);
            for (ulong id = 1; id <= 100; id++)
            {
                socket.Send(Renamed(frame, id));
                Assert.Equal((ReplyStatus.Ok, id), (Read(socket) is var reply ? reply.Header.Status : default, reply.Header.RequestId));
                if (id % 50 == 0) Thread.Sleep(600);
            }
        });

        Assert.DoesNotContain(running.Log, entry => entry.Message.Contains("too long"));
    }

    [Fact]
    public void An_idle_client_is_sent_away_but_not_one_that_waits_for_a_reply()
    {
        using var running = new RunningServer(new EdgeServerOptions { IdleTimeout = TimeSpan.FromMilliseconds(200) });
        using HeldWorkers held = new(running);
        using Socket waiting = Introduce(running), idle = Introduce(running);
        waiting.Send(running.Frame(0, 1));
        Assert.Equal(ReplyStatus.BadRequest, Read(idle).Header.Status);
        Thread.Sleep(300);
        held.Dispose();
        Assert.Equal((ReplyStatus.Ok, 1ul), (Read(waiting) is var reply ? reply.Header.Status : default, reply.Header.RequestId));
    }

    [Fact]
    public void An_expired_request_is_answered_as_such_and_not_computed()
    {
        using var running = new RunningServer();
        using HeldWorkers held = new(running);
        using Socket socket = Introduce(running);
        socket.Send(running.Frame(0, 1, TimeSpan.FromMilliseconds(20)));
        socket.Send(running.Frame(1, 2, TimeSpan.FromMinutes(5)));
        socket.Send(running.Frame(2, 3));
        Thread.Sleep(100);
        held.Dispose();
        (ReplyHeader expired, _, _) = Read(socket);
        Assert.Equal((ReplyStatus.Expired, 1ul, 0u), (expired.Status, expired.RequestId, expired.ComputeMicroseconds));
        Assert.Equal(ReplyStatus.Ok, Read(socket).Header.Status);
        Assert.Equal(ReplyStatus.Ok, Read(socket).Header.Status);
        Assert.True(SpinWait.SpinUntil(() => running.Server.Answered == 2, 5000));
    }

    [Fact]
    public async Task A_cancelled_request_is_answered_at_once_and_the_connection_goes_on()
    {
        using var running = new RunningServer();
        using HeldWorkers held = new(running);
        using EdgeClient client = running.Connect();
        using var cancellation = new CancellationTokenSource();
        byte[] frame = running.Frame(0, 1);
        Task<EdgeException> asking = Task.Factory.StartNew(
            () => Assert.Throws<EdgeException>(() => client.Request(frame, 1, new float[running.Bundle.Classes], cancellation.Token)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 1, 5000));
        await cancellation.CancelAsync();
        Assert.Equal(ReplyStatus.Cancelled, (await asking).Status);
        Assert.Equal(0, running.Server.Queued);
        held.Dispose();
        var logits = new float[running.Bundle.Classes];
        client.Request(running.Frame(1, 2), 2, logits);
        Assert.Equal(running.Expected(1), logits);
        Assert.True(SpinWait.SpinUntil(() => running.Server.Answered == 1, 5000));
    }

    [Fact]
    public void A_flood_from_one_client_does_not_delay_another_by_more_than_a_turn()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxRequestsPerClient = 64 });
        using HeldWorkers held = new(running);
        using Socket flood = Introduce(running), modest = Introduce(running), other = Introduce(running);
        for (ulong id = 1; id <= 50; id++) flood.Send(running.Frame(0, id));
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 50, 10_000));
        for (ulong id = 1000; id <= 1001; id++) modest.Send(running.Frame(1, id));
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 52, 10_000));
        other.Send(running.Frame(1, 2000));
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 53, 10_000));

        // In the place of the workers: what would run, in its order.
        var order = new List<ulong>();
        var taken = new EdgeRequest?[1];
        while (running.Server.Queued > 0)
        {
            Assert.Equal(1, running.Server.Scheduler.Take(null!, taken));
            order.Add(taken[0]!.Header.RequestId);
            taken[0]!.Connection.Reply(taken[0]!, ReplyStatus.Busy, default, default, default, [], "a test");
        }

        Assert.Equal([1ul, 1000, 2000, 2, 1001, 3, 4], order.Take(7));
        Assert.Equal(Enumerable.Range(5, 46).Select(id => (ulong)id), order.Skip(7));
    }

    [Fact]
    public async Task Stopping_finishes_what_was_accepted_and_gives_up_after_the_grace_time()
    {
        using var running = new RunningServer(new EdgeServerOptions { DrainTimeout = TimeSpan.FromSeconds(20) });
        using HeldWorkers held = new(running);
        using Socket socket = Introduce(running);
        for (ulong id = 1; id <= 4; id++) socket.Send(running.Frame((int)id, id));
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 4, 5000));
        running.BeginStop();
        Assert.True(SpinWait.SpinUntil(() => running.Server.IsStopping, 5000));
        Assert.Throws<EdgeException>(() => running.Connect());
        held.Dispose();
        for (int i = 0; i < 4; i++) Assert.Equal(ReplyStatus.Ok, Read(socket).Header.Status);
        Assert.Equal(0, socket.Receive(new byte[1]));
        await running.StopAsync();
        Assert.Equal(4, running.Server.Answered);

        using var stuck = new RunningServer(new EdgeServerOptions { DrainTimeout = TimeSpan.FromMilliseconds(300) });
        using Socket half = Introduce(stuck);
        half.Send(stuck.Frame(0, 1).AsSpan(0, 70));
        Thread.Sleep(50);
        var clock = Stopwatch.StartNew();
        await stuck.StopAsync();
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.2, 10);
    }

    [Fact]
    public void Old_protocol_versions_are_refused_by_one_clear_error()
    {
        using var running = new RunningServer();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 };
        socket.Connect(running.Server.Address.Host, running.Server.Address.Port);
        var hello = new byte[Handshake.Bytes];
        Handshake.WriteHello(hello, running.Bundle.Id);
        hello[4] = 1;
        socket.Send(hello);
        (ReplyHeader header, _, string message) = Read(socket);
        Assert.Equal(ReplyStatus.BadRequest, header.Status);
        Assert.Contains("version 1", message);
        Assert.Contains("speaks 2", message);
    }

    private static bool Succeeds(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (EdgeException)
        {
            return false;
        }
    }

    private static Socket Introduce(RunningServer running)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000, SendTimeout = 30_000 };
        socket.Connect(running.Server.Address.Host, running.Server.Address.Port);
        var hello = new byte[Handshake.Bytes];
        Handshake.WriteHello(hello, running.Bundle.Id);
        socket.Send(hello);
        Assert.Equal(ReplyStatus.Ok, Read(socket).Header.Status);
        return socket;
    }

    private static byte[] Renamed(byte[] frame, ulong requestId)
    {
        byte[] renamed = [.. frame];
        BinaryPrimitives.WriteUInt64LittleEndian(renamed.AsSpan(16), requestId);
        BinaryPrimitives.WriteUInt32LittleEndian(renamed.AsSpan(FeatureFrame.RequestHeaderBytes - 4), Kernels.Simd.Codec.Crc32C.Compute(renamed.AsSpan(0, FeatureFrame.RequestHeaderBytes - 4)));
        return renamed;
    }

    private static (ReplyHeader Header, float[] Logits, string Message) Read(Socket socket)
    {
        ReplyHeader header = FeatureFrame.ReadReplyHeader(Receive(socket, FeatureFrame.ReplyHeaderBytes), 1 << 20);
        var logits = new float[header.OutputCount];
        return (header, logits, FeatureFrame.ReadReplyBody(header, Receive(socket, header.BodyBytes), logits));
    }

    private static byte[] Receive(Socket socket, int count)
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
}
