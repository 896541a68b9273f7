using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Execution.Operators;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Splitting;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Shows a network: nodes, shapes, work, legal cuts and feature sizes.</summary>
[Verb("inspect", HelpText = "Show a network's graph, shapes, multiply-adds, legal cuts and feature sizes.")]
internal sealed class InspectVerb : Verb
{
    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", HelpText = "ONNX file; not needed with --ops.")]
    public string? Model { get; set; }

    /// <summary>Whether the supported operators are listed instead.</summary>
    [Option("ops", HelpText = "List the ONNX operators that this build runs.")]
    public bool Operators { get; set; }

    /// <summary>Folder that receives both halves of every legal cut.</summary>
    [Option("export-halves", MetaValue = "DIR", HelpText = "Write device.onnx and edge.onnx of every legal cut into numbered folders of DIR.")]
    public string? ExportHalves { get; set; }

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        if (Operators)
        {
            foreach (string name in OperatorTable.Names) terminal.Line(name);
            return Task.FromResult(ExitCode.Done);
        }

        if (Model is null) throw new UsageException("inspect needs a MODEL (or --ops).");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        NetworkInspection inspection = NetworkInspection.Of(graph);
        if (ExportHalves is not null) Export(graph, ExportHalves, terminal, cancellation);
        WriteJson(terminal, inspection, NetworkInspectionJson.Default.NetworkInspection);
        if (!JsonOnStdout) Show(terminal, inspection);
        return Task.FromResult(ExitCode.Done);
    }

    private static void Show(Terminal terminal, NetworkInspection inspection)
    {
        terminal.Line($"{inspection.Name}: opset {inspection.Opset}, {Count(inspection.Parameters)} parameters, {Count(inspection.MultiplyAdds)} multiply-adds");
        terminal.Line($"inputs   {string.Join("; ", inspection.Inputs)}");
        terminal.Line($"outputs  {string.Join("; ", inspection.Outputs)}");
        var layers = new ResultTable("node", "op", "output", ">parameters", ">multiply-adds");
        foreach (InspectedLayer layer in inspection.Layers)
            layers.Add(layer.Name, layer.Op, layer.Output, Count(layer.Parameters), Count(layer.MultiplyAdds));
        terminal.Write(layers);
        var cuts = new ResultTable(">#", "legal cut at", "kind", "feature", ">raw bytes", ">device work");
        int number = 0;
        foreach (InspectedCut cut in inspection.Cuts)
        {
            double share = inspection.MultiplyAdds == 0 ? 0 : (double)cut.DeviceMultiplyAdds / inspection.MultiplyAdds;
            cuts.Add(Text(number++), cut.Value, cut.Kind.ToString().ToLowerInvariant(), cut.Shape, Count(cut.RawBytes), share.ToString("P1", CultureInfo.InvariantCulture));
        }

        terminal.Write(cuts);
    }

    private static void Export(Graph graph, string folder, Terminal terminal, CancellationToken cancellation)
    {
        IReadOnlyList<Cut> cuts = CutFinder.Find(graph);
        for (int i = 0; i < cuts.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            string target = Path.Combine(folder, i.ToString("D3", CultureInfo.InvariantCulture));
            Directory.CreateDirectory(target);
            (Graph device, Graph edge) = GraphSplitter.Split(graph, cuts[i]);
            if (device.Nodes.Count > 0) OnnxModel.Save(device, Path.Combine(target, "device.onnx"));
            if (edge.Nodes.Count > 0) OnnxModel.Save(edge, Path.Combine(target, "edge.onnx"));
        }

        terminal.Message($"wrote the halves of {cuts.Count} cuts to {folder}");
    }

    private static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
