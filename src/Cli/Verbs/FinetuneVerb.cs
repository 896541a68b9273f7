using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Trains a given network further.</summary>
[Verb("finetune", HelpText = "Train a given ONNX network further; folded normalizations stay folded.")]
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
        Graph graph = OnnxModel.Load(Model);
        DataSource data = DataOptions.Source(Data, graph);
        TrainerOptions options = Options(LearningRate, DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation)) with { KeepsZeros = KeepZeros };
        if (Teacher is not null)
            options = options with { Teacher = OnnxModel.Load(Teacher), Loss = options.Loss with { Distillation = Distill, Temperature = Temperature } };
        return TrainAsync(terminal, graph, data, options, cancellation);
    }
}
