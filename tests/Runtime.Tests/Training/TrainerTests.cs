using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

public sealed class TrainerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-training").FullName;

    private static readonly DataSource Shapes = DataSpec.Parse("shapes10");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(OptimizerKind.Sgd)]
    [InlineData(OptimizerKind.Adam)]
    public void A_stopped_and_resumed_run_ends_with_the_same_bits(OptimizerKind optimizer)
    {
        ImageSet train = Shapes.Load(Split.Train, 320);
        TrainerOptions options = Options(optimizer) with { Augmentation = Augmentation.Cifar with { Mixes = optimizer == OptimizerKind.Sgd } };
        byte[] whole = Train(train, options);

        // Stopped in the middle of the second epoch, then again right at the start, with other numbers of threads.
        string path = Path.Combine(_folder, "run.checkpoint");
        TrainerOptions stored = options with { Checkpoint = path, Resumes = true, Threads = 1 };
        foreach (int steps in new[] { 13, 1 })
        {
            using var stop = new CancellationTokenSource();
            using var trainer = new Trainer(Network(), train, null, stored);
            trainer.StepDone = done =>
            {
                if (done == steps) stop.Cancel();
            };
            Assert.Throws<OperationCanceledException>(() => trainer.Run(null, stop.Token));
        }

        Assert.Equal(whole, Train(train, stored with { Threads = 2 }));
    }

    [Fact]
    public void A_checkpoint_of_another_run_or_a_damaged_one_is_refused()
    {
        ImageSet train = Shapes.Load(Split.Train, 64);
        string path = Path.Combine(_folder, "run.checkpoint");
        TrainerOptions options = Options(OptimizerKind.Sgd) with { Epochs = 1, Checkpoint = path, Resumes = true };
        Train(train, options);
        string message = Assert.Throws<InvalidDataException>(() => Train(train, options with { BatchSize = 16 })).Message;
        Assert.Contains("batch 32", message, StringComparison.Ordinal);

        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Throws<InvalidDataException>(() => Train(train, options));
        File.WriteAllBytes(path, bytes[..100]);
        Assert.Throws<InvalidDataException>(() => Train(train, options));
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_written_leaves_the_earlier_one()
    {
        ImageSet train = Shapes.Load(Split.Train, 64);
        TrainerOptions options = Options(OptimizerKind.Sgd) with { Epochs = 1, Checkpoint = _folder };
        Assert.Throws<IOException>(() => Train(train, options));
    }

    [Theory]
    [InlineData(OptimizerKind.Sgd)]
    [InlineData(OptimizerKind.Adam)]
    public void Zeros_stay_zero_and_other_weights_move(OptimizerKind optimizer)
    {
        Graph graph = Network();
        Span<float> pruned = graph.Initializers["layer1.0.conv1.weight"].Values<float>();
        for (int i = 0; i < pruned.Length; i++)
        {
            if (i % 3 != 0) pruned[i] = 0;
        }

        float[] before = pruned.ToArray();
        using var trainer = new Trainer(graph, Shapes.Load(Split.Train, 64), null, Options(optimizer) with { KeepsZeros = true });
        float[] after = trainer.Run().Graph.Initializers["layer1.0.conv1.weight"].Values<float>().ToArray();
        Assert.All(Enumerable.Range(0, after.Length), i => Assert.Equal(i % 3 != 0, after[i] == 0));
        Assert.All(Enumerable.Range(0, after.Length).Where(i => i % 3 == 0), i => Assert.NotEqual(before[i], after[i]));
    }

    [Fact]
    public void A_short_run_learns_its_images_and_the_export_has_the_accuracy_that_was_reported()
    {
        ImageSet images = Shapes.Load(Split.Train, 128);
        TrainerOptions options = Options(OptimizerKind.Sgd) with { Epochs = 40, Augmentation = new Augmentation() };
        var reports = new List<double>();
        using var trainer = new Trainer(Network(), images, images, options);
        TrainerResult result = trainer.Run(new Reports(reports));
        string path = Path.Combine(_folder, "net.onnx");
        OnnxModel.Save(result.Graph, path);
        double judged = Evaluator.Evaluate(OnnxModel.Load(path), images).Top1;
        Assert.Equal(reports[^1], judged);

        // Chance is 10 %.
        Assert.True(judged > 0.8, $"{judged:P1} after {options.Epochs} epochs");
    }

    [Fact]
    public void A_student_that_distils_comes_closer_to_its_teacher()
    {
        ImageSet train = Shapes.Load(Split.Train, 320);
        Graph teacher = Architectures.Create("resnet8", new ArchitectureInput(3, 32, 32, 10, 99));
        TrainerOptions options = Options(OptimizerKind.Adam) with { Epochs = 4, LearningRate = 0.003f, Loss = new ClassificationLoss(0, 1, 2), Teacher = teacher };
        using var trainer = new Trainer(Network(), train, null, options with { Epochs = 1 });
        using var longer = new Trainer(Network(), train, null, options);
        Assert.True(longer.Run().Loss < 0.8 * trainer.Run().Loss);
    }

    [Theory]
    [InlineData(0f, 0f, false)]
    [InlineData(0.1f, 0f, false)]
    [InlineData(0.1f, 0.6f, false)]
    [InlineData(0f, 1f, false)]
    [InlineData(0.1f, 0.6f, true)]
    public void The_gradient_of_the_loss_is_its_slope(float smoothing, float distillation, bool isMixed)
    {
        var random = new Random(3);
        float[] logits = [.. Enumerable.Range(0, 12).Select(_ => (float)(4 * random.NextDouble()))], teacher = [.. logits.Select(_ => (float)(4 * random.NextDouble()))];
        var loss = new ClassificationLoss(smoothing, distillation, 3);
        float[] gradients = new float[12], unused = new float[12];
        int[] others = [2, 3, 1];
        float[] shares = isMixed ? [0.75f, 0.5f, 1] : [];
        loss.Measure(logits, [1, 3, 0], teacher, gradients, new MixedLabels(others, shares));
        for (int i = 0; i < logits.Length; i++)
        {
            const float Step = 1e-2f;
            float kept = logits[i];
            logits[i] = kept + Step;
            double above = loss.Measure(logits, [1, 3, 0], teacher, unused, new MixedLabels(others, shares)).Loss;
            logits[i] = kept - Step;
            double below = loss.Measure(logits, [1, 3, 0], teacher, unused, new MixedLabels(others, shares)).Loss;
            logits[i] = kept;
            Assert.Equal((above - below) / (2 * Step), gradients[i], 1e-4);
        }
    }

    [Fact]
    public void Rates_rise_and_fall_as_their_schedule_says()
    {
        var cosine = new LearningRateSchedule(ScheduleKind.Cosine, 0.4f, 10, 2);
        Assert.True(cosine.At(0) < 0.01f && cosine.At(1) < cosine.At(1.9));
        Assert.Equal(0.4, cosine.At(2), 1e-6);
        Assert.Equal(0.2, cosine.At(6), 1e-6);
        Assert.Equal(0, cosine.At(10), 1e-6);
        var steps = new LearningRateSchedule(ScheduleKind.Step, 0.4f, 10, 0);
        Assert.Equal([0.4f, 0.04f, 0.004f], new[] { steps.At(4.9), steps.At(5), steps.At(7.5) }.Select(rate => MathF.Round(rate, 6)));
    }

    [Fact]
    public void Clipping_scales_the_common_norm()
    {
        var parameters = new[] { new TrainingParameter("a", [0, 0], false), new TrainingParameter("b", [0], false) };
        (parameters[0].Gradients[0], parameters[0].Gradients[1], parameters[1].Gradients[0]) = (2, 3, 6);
        new Optimizer(OptimizerKind.Sgd, parameters, 0, 0).Clip(3.5f);
        Assert.Equal([1f, 1.5f, 3f], parameters.SelectMany(parameter => parameter.Gradients));
    }

    private static TrainerOptions Options(OptimizerKind optimizer) => new()
    {
        Epochs = 3,
        BatchSize = 32,
        Optimizer = optimizer,
        LearningRate = optimizer == OptimizerKind.Sgd ? 0.05f : 0.002f,
        WarmUpEpochs = 0.5,
        Seed = 5,
        Threads = 2,
    };

    private static Graph Network() => Architectures.Create("resnet8", new ArchitectureInput(3, 32, 32, 10, 1));

    private static byte[] Train(ImageSet train, TrainerOptions options)
    {
        using var trainer = new Trainer(Network(), train, null, options);
        return OnnxModel.Serialize(trainer.Run().Graph);
    }

    private sealed class Reports(List<double> accuracies) : IProgress<TrainerProgress>
    {
        public void Report(TrainerProgress value)
        {
            if (value.ValidationAccuracy is { } accuracy) accuracies.Add(accuracy);
        }
    }
}
