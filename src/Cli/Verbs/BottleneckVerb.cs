using CoInference.Cli.Rendering;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Trains a learned codec at a cut.</summary>
[Verb("bottleneck", HelpText = "Train a learned encoder and decoder at a cut of a network; the result is an ONNX network to cut at 'bottleneck.code'.")]
internal sealed class BottleneckVerb : TrainingVerb
{
    /// <summary>Network.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file of an image classifier; it is also the teacher.")]
    public string Model { get; set; } = "";

    /// <summary>Cut.</summary>
    [Option("cut", Required = true, MetaValue = "VALUE", HelpText = "Value to cut at, as 'coinference inspect' lists them.")]
    public string Cut { get; set; } = "";

    /// <summary>Channels of the code.</summary>
    [Option("channels", Required = true, MetaValue = "N", HelpText = "Channels of the code.")]
    public int Channels { get; set; }

    /// <summary>Bits of the code.</summary>
    [Option("bits", Required = true, MetaValue = "N", HelpText = "Bits per value of the code, 1 to 8.")]
    public int Bits { get; set; }

    /// <summary>Kernel.</summary>
    [Option("kernel", Default = 3, MetaValue = "N", HelpText = "Rows and columns of encoder and decoder: 1 or 3.")]
    public int Kernel { get; set; } = 3;

    /// <summary>Stride.</summary>
    [Option("stride", Default = 1, MetaValue = "N", HelpText = "2 for a code of half the rows and columns, else 1.")]
    public int Stride { get; set; } = 1;

    /// <summary>Rate.</summary>
    [Option("rate", Default = 0f, MetaValue = "X", HelpText = "Weight in the loss of a thousand bits per image that the code carries; trades accuracy for payload.")]
    public float Rate { get; set; }

    /// <summary>Epochs.</summary>
    [Option("epochs", Default = 5, MetaValue = "N", HelpText = "Passes over the training images.")]
    public int Epochs { get; set; } = 5;

    /// <summary>Learning rate.</summary>
    [Option("lr", Default = 0.02f, MetaValue = "RATE", HelpText = "Highest learning rate.")]
    public float LearningRate { get; set; } = 0.02f;

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Weight of the teacher.</summary>
    [Option("distill", Default = 0.7f, MetaValue = "SHARE", HelpText = "Weight in the loss of the given network's scores; the rest is that of the labels.")]
    public float Distill { get; set; } = 0.7f;

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
        if (Distill is not (>= 0 and <= 1)) throw new UsageException($"--distill {Distill}: expected 0 to 1.");
        if (!(Temperature > 0)) throw new UsageException($"--temperature {Temperature}: expected above 0.");
        if (!(Rate >= 0)) throw new UsageException($"--rate {Rate}: expected at least 0.");
        if (Bits is < 1 or > 8) throw new UsageException($"--bits {Bits}: expected 1 to 8.");
        if (Channels < 1) throw new UsageException($"--channels {Channels}: expected at least 1.");
        if (Kernel is not (1 or 3)) throw new UsageException($"--kernel {Kernel}: expected 1 or 3.");
        if (Stride is not (1 or 2)) throw new UsageException($"--stride {Stride}: expected 1 or 2.");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        DataSource data = DataOptions.Source(Data, graph);
        Preprocessing preprocessing = DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation);
        TrainerOptions options = Options(LearningRate, preprocessing);
        options = options with
        {
            RateWeight = Rate / 1000,
            Teacher = Distill > 0 ? graph : null,
            Loss = options.Loss with { Distillation = Distill, Temperature = Temperature },
        };
        var spec = new BottleneckSpec(Cut, Channels, Bits, Kernel, Stride);
        ImageSet calibration = data.Load(Split.Train, BundleCompiler.CodecImages);
        Graph network = Bottleneck.Insert(graph, spec, calibration, preprocessing, (ulong)Seed);
        network.Metadata[BottleneckOrigin.MetadataKey] = new BottleneckOrigin(Cut, Bits, ModelHash.OfFile(Model)).ToString();
        network = Renormalization.Insert(network, calibration, preprocessing, options.Threads, Freeze, cancellation);
        return TrainAsync(terminal, network, data, options, cancellation);
    }

    /// <inheritdoc/>
    protected override Graph Deployable(Graph trained) => Bottleneck.WithoutQuantizer(trained);

    /// <inheritdoc/>
    protected override Evaluation Judge(Graph network, DataSource data, EvaluationOptions options, CancellationToken cancellation)
    {
        ImageSet calibration = data.Load(Split.Train, BundleCompiler.CodecImages);
        (Graph device, FeatureCodec codec, Graph edge) = Bottleneck.Split(network, Bits, calibration, options.Preprocessing);
        return Evaluator.Evaluate(device, codec, edge, data.Load(Split.Test), options, cancellation);
    }
}
