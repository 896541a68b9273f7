using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Measures accuracy and throughput.</summary>
[Verb("eval", HelpText = "Accuracy and throughput of a model or a bundle on the test images.")]
internal sealed class EvalVerb : DeviceVerb
{
    /// <summary>ONNX file or bundle folder.</summary>
    [Value(0, MetaName = "MODEL|BUNDLE", Required = true, HelpText = "ONNX file, or folder of a bundle.")]
    public string Target { get; set; } = "";

    /// <summary>Labelled images.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Split.</summary>
    [Option("split", Default = "test", MetaValue = "NAME", HelpText = "Images to use: test, validation (carved from train), train.")]
    public string Part { get; set; } = "test";

    /// <summary>Number of images.</summary>
    [Option("limit", MetaValue = "N", HelpText = "Use the first N images only.")]
    public int? Limit { get; set; }

    /// <summary>Images worked on at a time.</summary>
    [Option("threads", MetaValue = "N", HelpText = "Images worked on at the same time; by default one per processor.")]
    public int? Threads { get; set; }

    /// <summary>Images per run.</summary>
    [Option("batch", Default = 1, MetaValue = "N", HelpText = "Images per run of a session.")]
    public int Batch { get; set; } = 1;

    /// <summary>Accuracy bar.</summary>
    [Option("min-top1", MetaValue = "SHARE", HelpText = "Exit with 3 when top-1 accuracy (0 to 1) is below this.")]
    public double? MinTop1 { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        ProductPrecision precision = CheckPrecision();
        if (Threads is < 1 or > 1024) throw new UsageException($"--threads {Threads}: expected 1 to 1024.");
        if (Batch is < 1 or > 4096) throw new UsageException($"--batch {Batch}: expected 1 to 4096.");
        if (Limit is < 1) throw new UsageException($"--limit {Limit}: expected at least 1.");
        Split split = Part switch
        {
            "test" => Split.Test,
            "validation" => Split.SearchValidation,
            "train" => Split.Train,
            _ => throw new UsageException($"--split {Part}: expected test, validation or train."),
        };
        using ComputeDevice? device = OpenDevice();
        var options = new EvaluationOptions { Workers = Threads ?? Environment.ProcessorCount, BatchSize = Batch, Precise = Precise, Precision = precision, Device = device, Strict = Strict };
        Evaluation evaluation = await Task.Run(() => Directory.Exists(Target)
            ? EvaluateBundle(split, options, cancellation)
            : EvaluateModel(terminal, options, split, cancellation), cancellation).ConfigureAwait(false);
        var result = new EvaluationResult(Target, Data, Part, evaluation.Top1, evaluation.Top5, evaluation.Images, evaluation.ImagesPerSecond, evaluation.MeanPayloadBytes);
        WriteJson(terminal, result, EvaluationJson.Default.EvaluationResult);
        if (!JsonOnStdout)
        {
            string payload = evaluation.MeanPayloadBytes > 0 ? string.Create(CultureInfo.InvariantCulture, $", {evaluation.MeanPayloadBytes:F0} payload bytes") : "";
            terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{evaluation.Images} images: top-1 {100 * evaluation.Top1:F2} %, top-5 {100 * evaluation.Top5:F2} %, {evaluation.ImagesPerSecond:F0} images/s{payload}"));
        }

        return Bar(terminal, 0, null, evaluation.Top1, MinTop1);
    }

    private Evaluation EvaluateModel(Terminal terminal, EvaluationOptions options, Split split, CancellationToken cancellation)
    {
        Graph graph = OnnxModel.Load(Target);
        DataSource data = DataOptions.Source(Data, graph);
        ImageSet images = data.Load(split, Limit);
        Preprocessing preprocessing = DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation);
        return Evaluator.Evaluate(graph, images, options with { Preprocessing = preprocessing }, cancellation);
    }

    /// <summary>A bundle is judged by the very code that answers requests, one image after another.</summary>
    private Evaluation EvaluateBundle(Split split, EvaluationOptions options, CancellationToken cancellation)
    {
        Bundle bundle = Bundle.Load(Target);
        ImageSet images = DataSpec.Parse(Data, new ImageSize(bundle.ImageShape[0], bundle.ImageShape[1], bundle.ImageShape[2])).Load(split, Limit);
        using var runner = new LocalRunner(bundle, new SessionOptions { Precise = options.Precise, Precision = options.Precision, Device = options.Device, Strict = options.Strict });
        RunReport report = ImageSetRun.Execute(runner, images, null, null, cancellation);
        return new Evaluation(report.Top1, report.Top5, report.Images, report.Images / report.Seconds, report.Samples.Predictions, report.Payload.MeanBytes);
    }
}

/// <summary>JSON form of an evaluation.</summary>
/// <param name="Target">Model file or bundle folder.</param>
/// <param name="Data">Data specification.</param>
/// <param name="Split">Part of the data.</param>
/// <param name="Top1">Share of images whose label has the highest score.</param>
/// <param name="Top5">Share of images whose label is among the five highest.</param>
/// <param name="Images">Number of images.</param>
/// <param name="ImagesPerSecond">Throughput over all workers.</param>
/// <param name="MeanPayloadBytes">Mean bytes the codec produced per image; 0 without one.</param>
internal sealed record EvaluationResult(string Target, string Data, string Split, double Top1, double Top5, int Images, double ImagesPerSecond, double MeanPayloadBytes)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.evaluation/1";
}

/// <summary>Source-generated JSON of <see cref="EvaluationResult"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(EvaluationResult))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
