using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Tests.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Targets;

public sealed class TargetSetTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-targets-").FullName;
    private readonly PlanSet _plans;
    private readonly ImageSet _images = DataSpec.Parse("shapes10").Load(Split.Test, 12);

    public TargetSetTests() => _plans = PlanSetTests.Compile(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Every_target_answers_as_its_plan_does_alone_in_any_order(int batch)
    {
        using var server = new EdgeServer(_plans, new EdgeAddress("127.0.0.1", 0), new EdgeServerOptions { MaxBatch = batch, BatchOnlyWhereFaster = false });
        using var stop = new CancellationTokenSource();
        Task running = server.RunAsync(stop.Token);
        float[][][] expected = [.. _plans.Plans.Select(plan => Alone(plan.Bundle))];
        await Task.WhenAll([.. Enumerable.Range(0, 3).Select(device => Task.Factory.StartNew(
            () =>
            {
                using TargetSet targets = TargetSet.Open(_plans, new TargetSetOptions { Edge = server.Address, Threads = [1] });
                Assert.Equal(_plans.Plans.Count, targets.Targets.Count);
                Assert.True(targets.SharedLayers.Reused > 0);
                var logits = new float[_plans.Classes];
                var random = new Random(device);
                for (int i = 0; i < 60; i++)
                {
                    int target = random.Next(targets.Targets.Count), image = random.Next(_images.Count);
                    TargetOutcome outcome = targets.Run(target, _images.Image(image), logits, Limit, double.NaN);
                    Assert.True(outcome.Answered);
                    int plan = targets.Targets[target].Placement == TargetPlacement.Device ? 0 : _plans.Find(targets.Targets[target].Name);
                    Assert.Equal(expected[plan][image], logits);
                    Assert.True(outcome.Joules > 0 && !outcome.EnergyIsMeasured);
                    Assert.True(outcome.LatencySeconds > 0 && outcome.SwitchSeconds >= 0 && outcome.DeviceSeconds >= 0);
                }

                Assert.True(targets.Link.BytesPerSecond > 0);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_lost_edge_fails_at_once_and_is_used_again_when_it_is_back()
    {
        int port;
        using var firstStop = new CancellationTokenSource();
        using (var first = new EdgeServer(_plans, new EdgeAddress("127.0.0.1", 0)))
        {
            port = first.Address.Port;
            Task running = first.RunAsync(firstStop.Token);
            using TargetSet targets = TargetSet.Open(_plans, new TargetSetOptions { Edge = first.Address, Threads = [1], ReconnectInterval = TimeSpan.FromMilliseconds(20), MaxReconnectInterval = TimeSpan.FromMilliseconds(100) });
            var logits = new float[_plans.Classes];
            int target = targets.Find("edge.raw");
            Assert.True(targets.Run(target, _images.Image(0), logits, Limit, double.NaN).Answered);
            await firstStop.CancelAsync();
            await running;
            first.Dispose();

            TargetOutcome lost = targets.Run(target, _images.Image(0), logits, Limit, double.NaN);
            Assert.False(lost.Answered);
            lost = targets.Run(target, _images.Image(0), logits, Limit, double.NaN);
            Assert.False(lost.Answered);
            // Without a connection nothing is waited for.
            Assert.InRange(lost.LatencySeconds, 0, 1);
            Assert.True(targets.Run(targets.Fallback(0), _images.Image(0), logits, Limit, double.NaN).Answered);

            using var second = new EdgeServer(_plans, new EdgeAddress("127.0.0.1", port));
            using var secondStop = new CancellationTokenSource();
            Task again = second.RunAsync(secondStop.Token);
            for (int attempt = 0; attempt < 600 && !targets.IsConnected; attempt++) await Task.Delay(50);
            Assert.True(targets.Run(target, _images.Image(0), logits, Limit, double.NaN).Answered);
            await secondStop.CancelAsync();
            await again;
        }
    }

    [Fact]
    public void Without_an_edge_there_are_the_devices_targets_alone()
    {
        using TargetSet targets = TargetSet.Open(_plans, new TargetSetOptions { Threads = [1, 2] });
        Assert.Equal(["cpu.1.f32", "cpu.2.f32"], targets.Targets.Select(target => target.Name));
        Assert.Equal(2, targets.Starts.Count);
        Assert.All(targets.Starts, start => Assert.True(start.DeviceSeconds > 0));
        Assert.True(targets.NetworkSize.ConvolutionLayers > 0);
    }

    private float[][] Alone(Bundle bundle)
    {
        using var local = new LocalRunner(bundle);
        var all = new float[_images.Count][];
        for (int i = 0; i < all.Length; i++) local.Run(_images.Image(i), all[i] = new float[bundle.Classes]);
        return all;
    }
}
