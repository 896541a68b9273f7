using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.IntegerNetworks;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Quantizes a network to 8-bit integers.</summary>
[Verb("quantize", HelpText = "Turn a network's convolutions into 8-bit integers by calibration, as plain ONNX; shows accuracy and time of both.")]
internal sealed class QuantizeVerb : ComputeVerb
{
    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file.")]
    public string Model { get; set; } = "";

    /// <summary>ONNX file to write.</summary>
    [Option("out", Required = true, MetaValue = "FILE", HelpText = "ONNX file to write.")]
    public string Out { get; set; } = "";

    /// <summary>Data.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Calibration images.</summary>
    [Option("calibration", Default = 128, MetaValue = "N", HelpText = "Training images for the ranges of activations.")]
    public int Calibration { get; set; } = 128;

    /// <summary>Test images.</summary>
    [Option("limit", MetaValue = "N", HelpText = "Compare accuracies on the first N test images only.")]
    public int? Limit { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        if (Calibration < 1) throw new UsageException($"--calibration {Calibration}: expected at least 1.");
        if (Limit is < 1) throw new UsageException($"--limit {Limit}: expected at least 1.");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        DataSource data = DataOptions.Source(Data, graph);
        Preprocessing preprocessing = DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation);
        Graph quantized = await Task.Run(() => NetworkQuantizer.Quantize(graph, data.Load(Split.Train, Calibration), preprocessing, cancellation), cancellation).ConfigureAwait(false);
        OnnxModel.Save(quantized, Out);
        ImageSet test = data.Load(Split.Test, Limit);
        var table = new ResultTable("network", ">bytes", ">top-1", ">ms", ">p10", ">p90");
        foreach ((string name, Graph network) in (ReadOnlySpan<(string, Graph)>)[("f32", graph), ("i8", OnnxModel.Load(Out))])
        {
            Evaluation judged = Evaluator.Evaluate(network, test, new EvaluationOptions { Preprocessing = preprocessing, BatchSize = 1, Precise = Precise }, cancellation);
            using Session session = Session.Create(network, new SessionOptions { Threads = Threads, Precise = Precise });
            float[] input = new float[test.ImageBytes], scores = new float[session.Outputs[0].Shape!.Value.Count];
            preprocessing.Apply(test.Image(0), test.Channels, input);
            Timing timing = Timing.Measure(() => session.Run(input, scores), cancellation: cancellation);
            table.Add(name, $"{OnnxModel.Serialize(network).Length}", (100 * judged.Top1).ToString("F2", CultureInfo.InvariantCulture) + " %", Text(timing.MedianMs), Text(timing.P10Us / 1000), Text(timing.P90Us / 1000));
        }

        terminal.Write(table);
        terminal.Line($"{quantized.Nodes.Count(node => node.OpType == "QLinearConv")} layers of 8-bit integers written to {Out}");
        return ExitCode.Done;
    }

    private static string Text(double milliseconds) => milliseconds.ToString("F3", CultureInfo.InvariantCulture);
}
