using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Sessions of real networks against ONNX Runtime's outputs, and against their own promises about memory.</summary>
public class GoldenSessionTests
{
    // Both sides sum float32 in different orders: ONNX Runtime differs from itself by up to 2e-5 with its optimizations on.
    private const double Tolerance = 1e-4;

    [SkippableTheory]
    [InlineData("resnet20", 40, 1)]
    [InlineData("resnet20", 10, 2)]
    [InlineData("resnet56", 20, 1)]
    [InlineData("resnet8_cifar10", 40, 1)]
    [InlineData("resnet_4b", 40, 1)]
    [InlineData("mobilenetv2_dequant_fp32", 3, 1)]
    [InlineData("mobilenetv2_int8", 3, 1)]
    [InlineData("mobilenetv2_dequant_fp32", 2, 2)]
    public void Networks_match_one_image_at_a_time(string name, int images, int threads) => Check(name, images, threads, 1);

    [SkippableTheory]
    [InlineData("resnet20", 15, 5)]
    [InlineData("resnet56", 6, 3)]
    [InlineData("resnet8_cifar10", 12, 4)]
    [InlineData("resnet_4b", 6, 3)]
    [InlineData("mobilenetv2_dequant_fp32", 2, 2)]
    public void Networks_match_in_batches(string name, int images, int batch) => Check(name, images, 1, batch);

    [SkippableTheory]
    [InlineData("resnet20", 2000)]
    [InlineData("resnet56", 2000)]
    [InlineData("resnet8_cifar10", 2000)]
    [InlineData("resnet_4b", 2000)]
    [InlineData("mobilenetv2_dequant_fp32", 20)]
    [Trait("Category", "Slow")]
    public void Networks_match_on_every_golden_image(string name, int images) => Check(name, images, 1, 1);

    [SkippableTheory]
    [InlineData("resnet20")]
    [InlineData("resnet56")]
    [InlineData("resnet8_cifar10")]
    [InlineData("mobilenetv2_dequant_fp32")]
    public void Runs_allocate_nothing(string name)
    {
        var model = new GoldenModel(name, 1);
        using Session session = Session.Create(model.Graph);
        float[] input = model.Image(0);
        var output = new float[model.Classes];
        var ticks = new long[session.Steps.Count];
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int run = 0; run < 100; run++)
            {
                session.Run(input, output);
                if (run % 10 == 0) session.RunTimed(input, output, ticks);
            }
        });
        Assert.Equal(0, allocated);
        Assert.All(ticks, time => Assert.True(time > 0));
    }

    [SkippableTheory]
    [InlineData("resnet20", 1)]
    [InlineData("resnet8_cifar10", 2)]
    [InlineData("mobilenetv2_dequant_fp32", 1)]
    public void A_run_reads_nothing_that_an_earlier_run_left(string name, int batch)
    {
        var model = new GoldenModel(name, batch);
        using Session session = Session.Create(model.Graph, new SessionOptions { BatchSize = batch });
        float[] input = [.. Enumerable.Range(0, batch).SelectMany(model.Image)];
        var clean = new float[batch * model.Classes];
        session.Run(input, clean);
        session.PoisonArena();
        var poisoned = new float[batch * model.Classes];
        session.Run(input, poisoned);
        Assert.Equal(clean, poisoned);
    }

    [SkippableFact]
    public void Forks_share_weights_and_run_at_the_same_time()
    {
        var model = new GoldenModel("resnet20", 8);
        using Session first = Session.Create(model.Graph);
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, image =>
        {
            using Session fork = first.Fork();
            var output = new float[model.Classes];
            for (int run = 0; run < 5; run++) fork.Run(model.Image(image), output);
            Assert.InRange(model.RelativeError(image, output), 0, Tolerance);
        });
    }

    [SkippableTheory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Networks_match_under_every_instruction_set(string setting)
    {
        TestData.Require("models", "golden");
        InstructionSets.Run(Networks_match_in_this_process, setting);
    }

    /// <summary>The check that runs in child processes.</summary>
    public static void Networks_match_in_this_process()
    {
        Check("resnet20", 2, 1, 1);
        Check("resnet8_cifar10", 2, 2, 2);
    }

    private static void Check(string name, int images, int threads, int batch)
    {
        var model = new GoldenModel(name, images);
        using Session session = Session.Create(model.Graph, new SessionOptions { BatchSize = batch, Threads = threads });
        var output = new float[batch * model.Classes];
        for (int start = 0; start < images; start += batch)
        {
            session.Run([.. Enumerable.Range(start, batch).SelectMany(model.Image)], output);
            for (int i = 0; i < batch; i++)
            {
                double error = model.RelativeError(start + i, output.AsSpan(i * model.Classes, model.Classes));
                Assert.True(error <= Tolerance, $"{name}, image {start + i}, batch {batch}, {threads} threads: relative error {error}");
            }
        }
    }
}
