using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Training;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Trains a given network further.</summary>
[Verb("finetune", HelpText = "Train a given ONNX network further, or the pruned network of a plan; folded normalizations stay folded, but for a plan's, which gets new ones while it trains.")]
internal sealed class FinetuneVerb : TrainingVerb
{
    /// <summary>Network.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file of an image classifier.")]
    public string Model { get; set; } = "";

    /// <summary>Epochs.</summary>
    [Option("epochs", Default = 10, MetaValue = "N", HelpText = "Passes over the training images.")]
    public int Epochs { get; set; } = 10;

    /// <summary>Learning rate.</summary>
    [Option("lr", Default = 0.01f, MetaValue = "RATE", HelpText = "Highest learning rate.")]
    public float LearningRate { get; set; } = 0.01f;

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Plan.</summary>
    [Option("plan", MetaValue = "FILE", HelpText = "Plan whose sparsity is applied and re-fitted first; zeros are kept, and MODEL is the teacher unless --teacher names another.")]
    public string? PlanPath { get; set; }

    /// <summary>Bundle.</summary>
    [Option("bundle", MetaValue = "DIR", HelpText = "With --plan: also write the bundle of the fine-tuned network.")]
    public string? BundlePath { get; set; }

    /// <summary>Images for re-fit and codec.</summary>
    [Option("calibration", Default = 128, MetaValue = "N", HelpText = "With --plan: training images for the re-fit and the codec.")]
    public int Calibration { get; set; } = 128;

    /// <summary>Masks.</summary>
    [Option("keep-zeros", HelpText = "Weights that are zero stay zero: a pruned network keeps its sparsity.")]
    public bool KeepZeros { get; set; }

    /// <summary>Teacher.</summary>
    [Option("teacher", MetaValue = "FILE", HelpText = "ONNX file of a network whose scores are followed, e.g. the one before pruning.")]
    public string? Teacher { get; set; }

    /// <summary>Weight of the teacher.</summary>
    [Option("distill", Default = 0.5f, MetaValue = "SHARE", HelpText = "Weight of the teacher's part of the loss, with --teacher.")]
    public float Distill { get; set; } = 0.5f;

    /// <summary>Temperature.</summary>
    [Option("temperature", Default = 4f, MetaValue = "T", HelpText = "Divides both networks' scores in the teacher's part.")]
    public float Temperature { get; set; } = 4;

    private Plan? _plan;
    private Preprocessing? _preprocessing;

    /// <inheritdoc/>
    protected override string NetworkName => Model;

    /// <inheritdoc/>
    protected override int EpochCount => Epochs;

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckTraining(LearningRate);
        if (Distill is not (> 0 and <= 1)) throw new UsageException($"--distill {Distill}: expected above 0, at most 1.");
        if (!(Temperature > 0)) throw new UsageException($"--temperature {Temperature}: expected above 0.");
        if (BundlePath is not null && PlanPath is null) throw new UsageException("--bundle needs --plan FILE.");
        if (Calibration < 1) throw new UsageException($"--calibration {Calibration}: expected at least 1.");
        Graph graph = OnnxModel.Load(Model);
        DataSource data = DataOptions.Source(Data, graph);
        _plan = PlanPath is null ? null : PlanFile.Read(PlanPath);
        _preprocessing = Preprocess == DataOptions.Auto && _plan?.Preprocessing is { } own ? own : DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation);
        TrainerOptions options = Options(LearningRate, _preprocessing) with { KeepsZeros = KeepZeros || _plan is not null };
        Graph? teacher = Teacher is not null ? OnnxModel.Load(Teacher) : null;
        if (_plan is not null)
        {
            BundleCompiler.CheckModel(_plan, Model);
            graph = GraphSimplifier.Simplify(graph);
            teacher ??= graph;
            ImageSet calibration = data.Load(Split.Train, Calibration);
            graph = BundleCompiler.Prune(graph, _plan, calibration, _preprocessing, null, cancellation);

            // Whether the plan makes a bundle is better known before the training than after it.
            if (BundlePath is not null) BundleCompiler.CompilePruned(graph, _plan, calibration, _preprocessing);
            graph = PlanTraining.Trainable(graph, _plan, calibration, _preprocessing, options.Threads, Freeze, cancellation);
        }

        if (teacher is not null) options = options with { Teacher = teacher, Loss = options.Loss with { Distillation = Distill, Temperature = Temperature } };
        return TrainAsync(terminal, graph, data, options, cancellation);
    }

    /// <inheritdoc/>
    protected override Graph Deployable(Graph trained) => _plan is null ? trained : PlanTraining.Deployable(trained);

    /// <inheritdoc/>
    protected override Evaluation Judge(Graph network, DataSource data, EvaluationOptions options, CancellationToken cancellation)
    {
        if (BundlePath is null) return base.Judge(network, data, options, cancellation);
        Bundle bundle = BundleCompiler.CompilePruned(network, _plan!, data.Load(Split.Train, Calibration), _preprocessing!).Save(BundlePath);
        ImageSet test = data.Load(Split.Test);
        return bundle switch
        {
            { Device: { } device, Edge: { } edge } => Evaluator.Evaluate(device, bundle.Codec, edge, test, options, cancellation),
            _ => Evaluator.Evaluate(bundle.Device ?? bundle.Edge!, test, options, cancellation),
        };
    }
}
