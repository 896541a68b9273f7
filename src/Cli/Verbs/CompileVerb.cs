using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Turns a model and a plan into a bundle.</summary>
[Verb("compile", HelpText = "Turn a model and a plan into a bundle: two halves, codec tables, plan.")]
internal sealed class CompileVerb : Verb
{
    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file that the plan was made for.")]
    public string Model { get; set; } = "";

    /// <summary>Plan file.</summary>
    [Option("plan", Required = true, MetaValue = "FILE", HelpText = "Plan from 'coinference search'.")]
    public string PlanPath { get; set; } = "";

    /// <summary>Bundle folder.</summary>
    [Option("out", Required = true, MetaValue = "DIR", HelpText = "Folder of the bundle.")]
    public string Out { get; set; } = "";

    /// <summary>Calibration data.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", MetaValue = "NAME", HelpText = "Preprocessing; by default the plan's own.")]
    public string? Preprocess { get; set; }

    /// <summary>Images for re-fit and codec.</summary>
    [Option("calibration", Default = 128, MetaValue = "N", HelpText = "Training images for the re-fit and the codec's ranges; the same number as in the search rebuilds its bundle.")]
    public int Calibration { get; set; } = 128;

    /// <summary>Whether kernels with a larger rounding error are left out.</summary>
    [Option("precise", HelpText = PreciseHelp)]
    public bool Precise { get; set; }

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        Plan plan = PlanFile.Read(PlanPath);
        BundleCompiler.CheckModel(plan, Model);
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        DataSource data = DataOptions.Source(Data, graph);
        ImageSet images = data.Load(Split.Train, Calibration);
        Preprocessing preprocessing = Preprocess is null && plan.Preprocessing is { } own ? own : DataOptions.Preprocessing(Preprocess ?? DataOptions.Auto, graph, data, terminal, cancellation);
        Bundle bundle = BundleCompiler.Compile(graph, plan, images, preprocessing, null, Precise, cancellation).Save(Out);
        terminal.Line($"bundle {bundle.Id[..12]} written to {Out}");
        return Task.FromResult(ExitCode.Done);
    }
}
