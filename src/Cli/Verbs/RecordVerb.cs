using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Targets;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Measures every way to answer with a network.</summary>
[Verb("record", HelpText = "Measure every way to answer with a network (threads, precision, whole offload, cuts) for 'replay'.")]
internal sealed class RecordVerb : Verb
{
    private const int CalibrationImages = 64;

    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file of an image classifier.")]
    public string Model { get; set; } = "";

    /// <summary>Labelled images.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp + " Images of another size are scaled; where their classes are not the network's, agreement with the network in f32 counts as accuracy.")]
    public string Data { get; set; } = "";

    /// <summary>Output file.</summary>
    [Option("out", Required = true, MetaValue = "FILE", HelpText = "Where the table goes (JSON).")]
    public string Out { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = "imagenet", MetaValue = "NAME", HelpText = "How bytes become network input: imagenet, cifar10, unit, symmetric, raw, or \"mean=R/G/B;std=R/G/B\".")]
    public string Preprocess { get; set; } = "imagenet";

    /// <summary>The network in 8-bit integers.</summary>
    [Option("int8", MetaValue = "FILE", HelpText = "ONNX file of the same network in 8-bit integers, for further targets.")]
    public string? Integer { get; set; }

    /// <summary>Number of images.</summary>
    [Option("images", Default = 500, MetaValue = "N", HelpText = "Test images that judge accuracy and payload.")]
    public int Images { get; set; } = 500;

    /// <summary>Feature widths.</summary>
    [Option("bits", Separator = ',', Default = new[] { 8, 4 }, MetaValue = "B,...", HelpText = "Widths of features that cross at a cut, 1 to 8 bits.")]
    public IEnumerable<int> Bits { get; set; } = [8, 4];

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        if (Images < 1) throw new UsageException($"--images {Images}: expected at least 1.");
        int[] bits = [.. Bits.Distinct()];
        if (bits.Length == 0 || bits.Any(width => width is < 1 or > 8)) throw new UsageException($"--bits {string.Join(',', bits)}: expected widths from 1 to 8.");
        var options = new TargetRecorderOptions { Preprocessing = Preprocessing.Parse(Preprocess), Bits = bits, Integer = Integer is null ? null : OnnxModel.Load(Integer) };
        Graph graph = OnnxModel.Load(Model);
        DataSource data = DataOptions.Source(Data, graph);
        ImageSet images = data.Load(Split.Test, Images), calibration = data.Load(Split.Train, CalibrationImages);
        TargetTable table = await terminal.ProgressAsync("record", update => Task.Run(() => TargetRecorder.Record(
            graph, Path.GetFileNameWithoutExtension(Model), images, calibration, options,
            new ImmediateProgress<(double Share, string Text)>(progress => update(progress.Share, progress.Text)), cancellation), cancellation)).ConfigureAwait(false);
        table.Save(Out);
        WriteJson(terminal, table.Serialize());
        if (!JsonOnStdout) Show(terminal, table);
        terminal.Message($"{table.Targets.Count} targets written to {Out}");
        return ExitCode.Done;
    }

    private static void Show(Terminal terminal, TargetTable table)
    {
        terminal.Line($"{table.Network} on {table.Host.Cpu}; accuracy is {table.AccuracyOf}, over {table.Images} images");
        var targets = new ResultTable("target", ">device ms", ">encode ms", ">decode ms", ">edge ms", ">bytes", ">accuracy %");
        foreach (TargetTimes row in table.Targets)
        {
            targets.Add(row.Target.Name, Number(row.DeviceMs, "F3"), Number(row.EncodeMs, "F3"), Number(row.DecodeMs, "F3"), Number(row.EdgeMs, "F3"),
                Number(row.Target.PayloadBytes, "F0"), Number(100 * row.Target.Accuracy, "F2"));
        }

        terminal.Write(targets);
        var interference = new ResultTable("co-runners", ">threads", "precision", "slowdown by load");
        foreach (Interference curve in table.Interferences)
        {
            interference.Add(curve.Kind, Number(curve.Threads, "0"), curve.Precision, string.Join("  ", curve.Levels.Zip(curve.Slowdown, (level, slowdown) => $"{Number(100 * level, "0")} %: {Number(slowdown, "F2")}x")));
        }

        terminal.Write(interference);
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
