using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public class EdgeBatchTests
{
    [Fact]
    public async Task Batches_across_clients_give_the_answers_of_single_runs()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxBatch = 4, BatchOnlyWhereFaster = false, Concurrency = 1 }, RealBundle());
        Assert.Equal([1, 2, 4], running.Server.BatchTimes.Select(batch => batch.Size));
        ImageSet images = DataSpec.Parse("shapes10").Load(Split.Test, 40);
        using var local = new LocalRunner(running.Bundle);
        float[][] expected = [.. Enumerable.Range(0, images.Count).Select(_ => new float[running.Bundle.Classes])];
        for (int i = 0; i < images.Count; i++) local.Run(images.Image(i), expected[i]);
        await Task.WhenAll([.. Enumerable.Range(0, 6).Select(client => Task.Factory.StartNew(
            () =>
            {
                using var device = new DeviceRunner(running.Bundle, running.Server.Address);
                var logits = new float[running.Bundle.Classes];
                for (int i = 0; i < 80; i++)
                {
                    int image = (i + (client * 5)) % images.Count;
                    device.Run(images.Image(image), logits);
                    Assert.Equal(expected[image], logits);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);
    }

    [Fact]
    public void What_waits_is_taken_in_batches_of_the_compiled_sizes()
    {
        using var running = new RunningServer(new EdgeServerOptions { MaxBatch = 4, BatchOnlyWhereFaster = false, BatchWindow = TimeSpan.FromMilliseconds(50) });
        var half = new EdgeHalf(running.Bundle, new SessionOptions(), 1, 2, 4);
        float[] together = new float[7 * half.Classes], alone = new float[7 * half.Classes];
        for (int i = 0; i < 7; i++)
        {
            half.Decode(running.Frame(i, 1));
            half.Compute(alone.AsSpan(i * half.Classes, half.Classes));
        }

        for (int i = 0; i < 7; i++)
        {
            byte[] frame = running.Frame(i, 1);
            half.Decode(Runtime.Codec.FeatureFrame.ReadRequest(frame, frame.Length, out ReadOnlySpan<byte> payload), payload, i % 4);
            if (i == 3) half.Compute(together.AsSpan(0, 4 * half.Classes));
            // Three: a batch of two and a single one.
            if (i == 6) half.Compute(together.AsSpan(4 * half.Classes));
        }

        Assert.Equal(alone, together);
        half.Dispose();
        running.AssertServes();
    }

    [Fact]
    public void A_size_that_does_not_win_is_left_out()
    {
        using var half = new EdgeHalf(TestBundles.Split(), new SessionOptions(), 1, 2, 4);
        // The graph's batch is fixed at 1, so a batch is a loop: nothing to win but noise.
        BatchTime[] measured = BatchTable.Measure(half, onlyWhereFaster: true);
        Assert.All(measured, batch => Assert.True(batch.SameBits));
        Assert.True(measured[0].Used);
        for (int i = 1; i < measured.Length; i++)
            Assert.Equal(measured[i].MillisecondsPerRequest <= 0.95 * measured.Take(i).Where(batch => batch.Used).Min(batch => batch.MillisecondsPerRequest), measured[i].Used);
    }

    private static Bundle RealBundle()
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx")));
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(graph);
        Cut cut = cuts[cuts.Count / 2];
        return BundleCompiler.Compile(graph, TestBundles.PlanFor(cut.Value, new CodecDecision(cut.Shape[1], cut.Shape[1], 4, true)), DataSpec.Parse("shapes10").Load(Split.Train, 64), Preprocessing.ImageNet);
    }
}
