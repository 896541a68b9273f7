using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Trains a well-known architecture from fresh weights.</summary>
[Verb("train", HelpText = "Train a well-known architecture from scratch and write it as ONNX.")]
internal sealed class TrainVerb : TrainingVerb
{
    /// <summary>The architectures as help texts name them.</summary>
    public const string ArchitectureHelp = "resnet8, resnet20, resnet56, resnet18, resnet18-cifar, mobilenetv2-cifar or vgg11-cifar.";

    /// <summary>Architecture.</summary>
    [Value(0, MetaName = "ARCH", Required = true, HelpText = ArchitectureHelp)]
    public string Architecture { get; set; } = "";

    /// <summary>Epochs.</summary>
    [Option("epochs", Default = 30, MetaValue = "N", HelpText = "Passes over the training images.")]
    public int Epochs { get; set; } = 30;

    /// <summary>Learning rate.</summary>
    [Option("lr", Default = 0.1f, MetaValue = "RATE", HelpText = "Highest learning rate.")]
    public float LearningRate { get; set; } = 0.1f;

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = "imagenet", MetaValue = "NAME", HelpText = "How bytes become network input: imagenet, cifar10, unit, symmetric, raw, or \"mean=R/G/B;std=R/G/B\".")]
    public string Preprocess { get; set; } = "imagenet";

    /// <inheritdoc/>
    protected override string NetworkName => Architecture;

    /// <inheritdoc/>
    protected override int EpochCount => Epochs;

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckTraining(LearningRate);
        if (!Architectures.Names.Contains(Architecture)) throw new UsageException($"Architecture '{Architecture}' is unknown; expected {string.Join(", ", Architectures.Names)}.");
        DataSource data = DataSpec.Parse(Data);
        ImageSet sample = data.Load(Split.Train, 1);
        Graph graph = Architectures.Create(Architecture, new ArchitectureInput(sample.Channels, sample.Height, sample.Width, sample.Classes, (ulong)Seed));
        return TrainAsync(terminal, graph, data, Options(LearningRate, Preprocessing.Parse(Preprocess)), cancellation);
    }
}
