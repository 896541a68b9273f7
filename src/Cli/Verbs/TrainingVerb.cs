using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>What <c>train</c> and <c>finetune</c> have in common.</summary>
internal abstract class TrainingVerb : Verb
{
    /// <summary>Labelled images.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Where the network goes.</summary>
    [Option("out", Required = true, MetaValue = "FILE", HelpText = "ONNX file to write.")]
    public string Out { get; set; } = "";

    /// <summary>Images per step.</summary>
    [Option("batch", Default = 128, MetaValue = "N", HelpText = "Images per step.")]
    public int Batch { get; set; } = 128;

    /// <summary>Schedule.</summary>
    [Option("schedule", Default = ScheduleKind.Cosine, MetaValue = "NAME", HelpText = "How the learning rate falls: cosine, step (a tenth after half and three quarters), constant.")]
    public ScheduleKind Schedule { get; set; } = ScheduleKind.Cosine;

    /// <summary>Warm-up.</summary>
    [Option("warmup", Default = 1.0, MetaValue = "EPOCHS", HelpText = "Epochs over which the learning rate rises first.")]
    public double WarmUp { get; set; } = 1;

    /// <summary>Optimizer.</summary>
    [Option("optimizer", Default = OptimizerKind.Sgd, MetaValue = "NAME", HelpText = "sgd (with momentum) or adam.")]
    public OptimizerKind Optimizer { get; set; } = OptimizerKind.Sgd;

    /// <summary>Momentum.</summary>
    [Option("momentum", Default = 0.9f, MetaValue = "SHARE", HelpText = "Momentum of sgd.")]
    public float Momentum { get; set; } = 0.9f;

    /// <summary>Weight decay.</summary>
    [Option("weight-decay", Default = 5e-4f, MetaValue = "X", HelpText = "Weight decay; biases and normalization are spared.")]
    public float WeightDecay { get; set; } = 5e-4f;

    /// <summary>Label smoothing.</summary>
    [Option("label-smoothing", Default = 0f, MetaValue = "SHARE", HelpText = "Share of the target spread over all classes.")]
    public float LabelSmoothing { get; set; }

    /// <summary>Gradient clipping.</summary>
    [Option("clip", MetaValue = "NORM", HelpText = "Scale all gradients down when their common norm is above this.")]
    public float? Clip { get; set; }

    /// <summary>Augmentation.</summary>
    [Option("augment", MetaValue = "LIST", HelpText = "Changes of training images: none, or a list of shift=N, mirror, flip, mix; by default what suits the data set.")]
    public string? Augment { get; set; }

    /// <summary>Frozen part.</summary>
    [Option("freeze", MetaValue = "VALUE", HelpText = "Leave the network up to this value as it is: its weights stay, and a step takes less time.")]
    public string? Freeze { get; set; }

    /// <summary>Number of images.</summary>
    [Option("limit", MetaValue = "N", HelpText = "Train on the first N images only.")]
    public int? Limit { get; set; }

    /// <summary>Seed.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "Seed of weights, order and augmentation.")]
    public int Seed { get; set; }

    /// <summary>Threads.</summary>
    [Option("threads", MetaValue = "N", HelpText = "Threads; by default one per processor. The result does not depend on it.")]
    public int? Threads { get; set; }

    /// <summary>Checkpoint.</summary>
    [Option("checkpoint", MetaValue = "FILE", HelpText = "File rewritten every minute, after each epoch and when the run is cancelled.")]
    public string? Checkpoint { get; set; }

    /// <summary>Resume.</summary>
    [Option("resume", HelpText = "Go on from the checkpoint if it exists; the result is the very same as without the stop.")]
    public bool Resume { get; set; }

    /// <summary>Accuracy bar.</summary>
    [Option("min-top1", MetaValue = "SHARE", HelpText = "Exit with 3 when top-1 test accuracy (0 to 1) is below this.")]
    public double? MinTop1 { get; set; }

    /// <summary>What the result calls the network.</summary>
    protected abstract string NetworkName { get; }

    /// <summary>Passes over the training images.</summary>
    protected abstract int EpochCount { get; }

    /// <summary>Checks the common options.</summary>
    /// <exception cref="UsageException">One is out of range.</exception>
    protected void CheckTraining(float rate)
    {
        if (EpochCount is < 1 or > 100_000) throw new UsageException($"--epochs {EpochCount}: expected 1 to 100000.");
        if (Batch is < 1 or > 4096) throw new UsageException($"--batch {Batch}: expected 1 to 4096.");
        if (Threads is < 1 or > 256) throw new UsageException($"--threads {Threads}: expected 1 to 256.");
        if (!(rate > 0) || !float.IsFinite(rate)) throw new UsageException($"--lr {rate}: expected a positive number.");
        if (!(WarmUp >= 0)) throw new UsageException($"--warmup {WarmUp}: expected at least 0.");
        if (Momentum is not (>= 0 and < 1)) throw new UsageException($"--momentum {Momentum}: expected 0 to below 1.");
        if (!(WeightDecay >= 0)) throw new UsageException($"--weight-decay {WeightDecay}: expected at least 0.");
        if (LabelSmoothing is not (>= 0 and < 1)) throw new UsageException($"--label-smoothing {LabelSmoothing}: expected 0 to below 1.");
        if (Clip is { } clip && !(clip > 0)) throw new UsageException($"--clip {clip}: expected above 0.");
        if (Limit is < 1) throw new UsageException($"--limit {Limit}: expected at least 1.");
        if (Resume && Checkpoint is null) throw new UsageException("--resume needs --checkpoint FILE.");
    }

    /// <summary>The common options.</summary>
    protected TrainerOptions Options(float rate, Preprocessing preprocessing) => new()
    {
        Epochs = EpochCount,
        BatchSize = Batch,
        Optimizer = Optimizer,
        LearningRate = rate,
        Schedule = Schedule,
        WarmUpEpochs = WarmUp,
        Momentum = Momentum,
        WeightDecay = WeightDecay,
        ClipNorm = Clip ?? float.PositiveInfinity,
        Loss = new ClassificationLoss(LabelSmoothing),
        Augmentation = Augmentation.Parse(Augment ?? SuitableAugmentation(Data)),
        Preprocessing = preprocessing,
        Frozen = Freeze,
        Seed = (ulong)Seed,
        Threads = Threads ?? Environment.ProcessorCount,
        Checkpoint = Checkpoint,
        Resumes = Resume,
    };

    /// <summary>The network to write.</summary>
    protected virtual Graph Deployable(Graph trained) => trained;

    /// <summary>Judges the written network on the test images.</summary>
    protected virtual Evaluation Judge(Graph network, DataSource data, EvaluationOptions options, CancellationToken cancellation) =>
        Evaluator.Evaluate(network, data.Load(Split.Test), options, cancellation);

    /// <summary>Trains, writes the network, judges it on the test images and renders the result.</summary>
    protected async Task<int> TrainAsync(Terminal terminal, Graph graph, DataSource data, TrainerOptions options, CancellationToken cancellation)
    {
        ImageSet train = data.Load(Split.Train, Limit), validation = data.Load(Split.SearchValidation, Limit);
        using var trainer = new Trainer(graph, train, validation, options);
        if (trainer.EpochsDone > 0) terminal.Message($"resuming after {trainer.EpochsDone} of {options.Epochs} epochs");
        TrainerResult trained = await terminal.ProgressAsync("training", report => Task.Run(() => trainer.Run(new ImmediateProgress<TrainerProgress>(state =>
        {
            report(state.Epoch / state.Epochs, Describe(state));
            if (state.ValidationAccuracy is not null) terminal.Message(Describe(state));
        }), cancellation), cancellation)).ConfigureAwait(false);
        Graph deployable = Deployable(trained.Graph);
        OnnxModel.Save(deployable, Out);
        var judging = new EvaluationOptions { Preprocessing = options.Preprocessing, Workers = options.Threads };
        Evaluation test = await Task.Run(() => Judge(deployable, data, judging, cancellation), cancellation).ConfigureAwait(false);
        var result = new TrainingReport(
            NetworkName, Data, Out, test.Top1, test.Images, options.Epochs, options.BatchSize, options.Threads, trained.ImagesPerSecond, trained.Seconds, trained.Loss,
            test.MeanPayloadBytes);
        WriteJson(terminal, result, TrainingJson.Default.TrainingReport);
        if (!JsonOnStdout)
        {
            string payload = test.MeanPayloadBytes > 0 ? string.Create(CultureInfo.InvariantCulture, $", {test.MeanPayloadBytes:F0} payload bytes") : "";
            terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{Out}: top-1 {100 * test.Top1:F2} % of {test.Images} test images{payload}, {options.Epochs} epochs in {trained.Seconds:F0} s, {trained.ImagesPerSecond:F0} images/s"));
        }

        return Bar(terminal, 0, null, test.Top1, MinTop1);
    }

    private static string Describe(TrainerProgress state)
    {
        string validation = state.ValidationAccuracy is { } accuracy ? string.Create(CultureInfo.InvariantCulture, $", validation {100 * accuracy:F1} %") : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"epoch {state.Epoch:F2}/{state.Epochs}, loss {state.Loss:F3}, train {100 * state.TrainAccuracy:F1} %{validation}, {state.ImagesPerSecond:F0} images/s, {state.Remaining:h\\:mm\\:ss} left");
    }

    /// <summary>Digits and letters must not be mirrored; the generated shapes look the same from every side.</summary>
    internal static string SuitableAugmentation(string data) =>
        data.StartsWith("shapes10", StringComparison.Ordinal) ? "shift=2,mirror,flip" : data.StartsWith("idx:", StringComparison.Ordinal) ? "shift=2" : "shift=4,mirror";
}

/// <summary>JSON form of a training run.</summary>
/// <param name="Network">Architecture or model file.</param>
/// <param name="Data">Data specification.</param>
/// <param name="Out">ONNX file written.</param>
/// <param name="Top1">Share of test images whose label has the highest score.</param>
/// <param name="TestImages">Test images.</param>
/// <param name="Epochs">Passes over the training images.</param>
/// <param name="Batch">Images per step.</param>
/// <param name="Threads">Threads.</param>
/// <param name="ImagesPerSecond">Training throughput of this run, evaluation excluded.</param>
/// <param name="Seconds">Time of this run, evaluation between epochs included.</param>
/// <param name="Loss">Mean training loss of the last epoch.</param>
/// <param name="MeanPayloadBytes">Mean bytes that a learned codec produced per test image, without the header of a frame; 0 without one.</param>
internal sealed record TrainingReport(
    string Network, string Data, string Out, double Top1, int TestImages, int Epochs, int Batch, int Threads, double ImagesPerSecond, double Seconds, double Loss,
    double MeanPayloadBytes)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.training/1";
}

/// <summary>Source-generated JSON of <see cref="TrainingReport"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(TrainingReport))]
internal sealed partial class TrainingJson : JsonSerializerContext;
