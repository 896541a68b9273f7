using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Makes a set of plans of a network.</summary>
[Verb("pack", HelpText = "Make a set of plans over one network: device only, edge only, and each cut at each width, for 'serve' and 'run --decider'.")]
internal sealed class PackVerb : Verb
{
    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file.")]
    public string Model { get; set; } = "";

    /// <summary>Folder of the set.</summary>
    [Option("out", Required = true, MetaValue = "DIR", HelpText = "Folder of the set.")]
    public string Out { get; set; } = "";

    /// <summary>Data.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Cuts.</summary>
    [Option("cuts", Separator = ',', MetaValue = "VALUE,...|all", HelpText = "Values to cut at, or all; by default those whose feature is smaller than every one before.")]
    public IEnumerable<string> Cuts { get; set; } = [];

    /// <summary>Widths.</summary>
    [Option("bits", Separator = ',', Default = new[] { 8, 4 }, MetaValue = "N,...", HelpText = "Widths of the features that cross, in bits.")]
    public IEnumerable<int> Bits { get; set; } = [];

    /// <summary>The network in 8-bit integers.</summary>
    [Option("i8", MetaValue = "FILE", HelpText = "The same network in 8-bit integers, from 'coinference quantize', as a further plan on the device.")]
    public string? Integer { get; set; }

    /// <summary>Calibration images.</summary>
    [Option("calibration", Default = 128, MetaValue = "N", HelpText = "Training images for the codecs' ranges.")]
    public int Calibration { get; set; } = 128;

    /// <summary>Images for accuracy.</summary>
    [Option("images", Default = 1000, MetaValue = "N", HelpText = "Validation images for each plan's accuracy and payload.")]
    public int Images { get; set; } = 1000;

    /// <summary>Whether kernels with a larger rounding error are left out.</summary>
    [Option("precise", HelpText = PreciseHelp)]
    public bool Precise { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        int[] bits = [.. Bits];
        if (bits.Length == 0 || Array.Exists(bits, width => width is < 1 or > 8)) throw new UsageException($"--bits {string.Join(',', bits)}: expected widths from 1 to 8.");
        if (Calibration < 1) throw new UsageException($"--calibration {Calibration}: expected at least 1.");
        if (Images < 1) throw new UsageException($"--images {Images}: expected at least 1.");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        Graph? integer = Integer is null ? null : GraphSimplifier.Simplify(OnnxModel.Load(Integer));
        DataSource data = DataOptions.Source(Data, graph);
        string[] cuts = [.. Cuts];
        var options = new PlanSetOptions
        {
            ModelHash = ModelHash.OfFile(Model),
            Preprocessing = DataOptions.Preprocessing(Preprocess, graph, data, terminal, cancellation),
            Cuts = cuts switch { [] => null, ["all"] => [.. Runtime.Splitting.CutFinder.Find(graph).Where(cut => cut.Kind == Runtime.Splitting.CutKind.Interior).Select(cut => cut.Value)], _ => cuts },
            Bits = bits,
            Integer = integer,
            Precise = Precise,
        };
        PlanSet set = await terminal.ProgressAsync("plans", update => Task.Run(
            () => PlanSetCompiler.Compile(
                graph, data.Load(Split.Train, Calibration), data.Load(Split.SearchValidation, Images), options, Out, new ImmediateProgress<(double Share, string Plan)>(done => update(done.Share, done.Plan)), cancellation),
            cancellation)).ConfigureAwait(false);
        var table = new ResultTable("plan", "network", ">payload bytes", ">accuracy");
        foreach (PlannedBundle plan in set.Plans)
            table.Add(plan.Name, plan.Precision, plan.PayloadBytes.ToString("F0", CultureInfo.InvariantCulture), (100 * plan.Accuracy).ToString("F2", CultureInfo.InvariantCulture) + " %");
        terminal.Write(table);
        terminal.Line($"set {set.Id[..12]} of {set.Plans.Count} plans written to {Out}");
        return ExitCode.Done;
    }
}
