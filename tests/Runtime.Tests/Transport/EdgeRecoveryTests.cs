using CoInference.Bench.Serving;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Bad links, lost edges and hostile devices.</summary>
public class EdgeRecoveryTests
{
    [Fact]
    public void Pauses_double_up_to_a_limit_with_a_random_half()
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500), new Random(3));
        double[] limits = [100, 200, 400, 500, 500];
        double[] pauses = [.. limits.Select(_ => backoff.Next().TotalMilliseconds)];
        for (int i = 0; i < limits.Length; i++) Assert.InRange(pauses[i], limits[i] / 2, limits[i]);
        Assert.NotEqual(pauses[3], pauses[4]);
        backoff.Reset();
        Assert.InRange(backoff.Next().TotalMilliseconds, 50, 100);
    }

    [Fact]
    public void An_edge_that_is_killed_and_restarted_in_mid_run_is_waited_for()
    {
        string root = Directory.CreateTempSubdirectory("coinference-").FullName;
        try
        {
            string folder = Path.Combine(root, "bundle");
            Bundle bundle = TestBundles.Split().Save(folder);
            using var local = new LocalRunner(bundle);
            var images = TestBundles.Images(10, seed: 9);
            using ChildServer server = ChildServer.Start(folder);
            using var device = new DeviceRunner(bundle, server.Address, new DeviceRunnerOptions { RecoveryTime = TimeSpan.FromMinutes(2), Seed = 1 });
            float[] logits = new float[bundle.Classes], expected = new float[bundle.Classes];
            ChildServer? again = null;
            try
            {
                for (int i = 0; i < 10; i++)
                {
                    if (i == 5)
                    {
                        server.Kill();
                        var restart = new Thread(() => again = ChildServer.Start(folder, server.Address.Port));
                        restart.Start();
                    }

                    InferenceTiming timing = device.Run(images.Image(i), logits);
                    local.Run(images.Image(i), expected);
                    Assert.Equal(expected, logits);
                    Assert.Equal(AnswerSource.Edge, timing.Source);
                    if (i == 5) Assert.True(timing.LostMs > 10, "the time that the edge was gone is reported as lost");
                }
            }
            finally
            {
                SpinWait.SpinUntil(() => again is not null, 60_000);
                again?.Dispose();
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public void A_deadline_ends_the_wait_for_a_busy_edge_and_the_device_answers_alone()
    {
        using var running = new RunningServer();
        using (HeldWorkers held = new(running))
        {
            var options = new DeviceRunnerOptions
            {
                FallbackToDevice = true,
                Deadline = TimeSpan.FromMilliseconds(100),
                Client = new EdgeClientOptions { RequestTimeout = TimeSpan.FromMilliseconds(400) },
                ReconnectInterval = TimeSpan.FromMilliseconds(1),
            };
            using var device = new DeviceRunner(running.Bundle, running.Server.Address, options);
            var logits = new float[running.Bundle.Classes];
            Assert.Equal(AnswerSource.Fallback, device.Run(running.Images.Image(0), logits).Source);
            Assert.Equal(running.Expected(0), logits);
        }

        // The request that nobody waited for any more was not computed.
        Assert.True(SpinWait.SpinUntil(() => running.Server.Queued == 0, 5000));
        Assert.Equal(0, running.Server.Answered);
    }

    [Fact]
    public async Task A_fading_stalling_dropping_link_loses_and_mixes_nothing()
    {
        using var running = new RunningServer();
        var trouble = new LinkTrouble(20, TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(300), TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
        using var relay = new UnreliableRelay(running.Server.Address.Port, trouble, seed: 5);
        float[][] expected = [.. Enumerable.Range(0, running.Images.Count).Select(running.Expected)];
        int answered = 0;
        await Task.WhenAll([.. Enumerable.Range(0, 4).Select(client => Task.Factory.StartNew(
            () =>
            {
                var options = new DeviceRunnerOptions
                {
                    RecoveryTime = TimeSpan.FromMinutes(2),
                    FallbackToDevice = false,
                    ReconnectInterval = TimeSpan.FromMilliseconds(5),
                    MaxReconnectInterval = TimeSpan.FromMilliseconds(100),
                    Seed = client,
                };
                using DeviceRunner device = Connect(running.Bundle, new EdgeAddress("127.0.0.1", relay.Port), options);
                var logits = new float[running.Bundle.Classes];
                for (int i = 0; i < 150; i++)
                {
                    int image = (i + (client * 3)) % running.Images.Count;
                    device.Run(running.Images.Image(image), logits);
                    Assert.Equal(expected[image], logits);
                    Interlocked.Increment(ref answered);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);
        Assert.Equal(600, answered);
        Assert.True(relay.Drops > 0, "the link was to drop connections");
    }

    [Fact]
    public void Hostile_frames_of_every_kind_leave_the_server_serving()
    {
        using var running = new RunningServer(new EdgeServerOptions
        {
            MaxClients = 64,
            HandshakeTimeout = TimeSpan.FromMilliseconds(500),
            FrameTimeout = TimeSpan.FromMilliseconds(500),
        });
        byte[] hello = new byte[Handshake.Bytes];
        Handshake.WriteHello(hello, running.Bundle.Id);
        using (var client = new HostileClient(running.Server.Address.Port, hello, new HostileFrames(hello, running.Frame(0, 1), seed: 7), slowShare: 0.01))
        {
            for (int i = 0; i < 1500; i++)
            {
                client.Send();
                if (i % 100 == 0) running.AssertServes();
            }

            Assert.All(client.Sent, count => Assert.True(count > 0));
            Assert.True(client.Replies > 500);
        }

        running.AssertServes();
        Assert.DoesNotContain(running.Log, entry => entry.Kind == Runtime.Transport.Telemetry.EdgeEventKind.Fault);
        Assert.True(SpinWait.SpinUntil(() => running.Server is { Clients: 0, RequestBytes: 0, Queued: 0 }, 10_000), "connections, memory and requests must all have been given back");
    }

    private static DeviceRunner Connect(Bundle bundle, EdgeAddress address, DeviceRunnerOptions options)
    {
        while (true)
        {
            try
            {
                return new DeviceRunner(bundle, address, options);
            }
            catch (EdgeException failure) when (failure.IsTransient)
            {
                // The link dropped the very first connection.
            }
        }
    }
}
