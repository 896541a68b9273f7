using System.Text.Json;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Cli.Tests;

/// <summary>Training around a cut: pruned networks of plans, learned codecs.</summary>
public sealed class RetrainingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-retraining").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(WeightForm.Dense)]
    [InlineData(WeightForm.Unstructured)]
    public void The_network_of_a_plan_is_pruned_trained_and_bundled(WeightForm form)
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(CommandProcess.Network));
        Cut cut = CutFinder.Find(graph).Last(candidate => candidate.Kind == CutKind.Interior && candidate.Shape.Rank == 4);
        Pruner pruner = Pruner.Create(graph);
        GroupDecision[] groups = [.. PrunableGroups.OnDevice(pruner.Groups(form), graph, cut).Select(group => group.Decide(0.5))];
        int channels = CutFinder.FindAll(pruner.Shape(groups)).First(candidate => candidate.Value == cut.Value).Shape[1];
        string plan = Path.Combine(_folder, "plan.json"), network = Path.Combine(_folder, "net.onnx"), bundle = Path.Combine(_folder, "bundle");
        PlanFile.Write(plan, new Plan
        {
            ModelHash = ModelHash.OfFile(CommandProcess.Network),
            Cut = cut.Value,
            Groups = groups,
            Codec = new CodecDecision(channels, channels, 8, EntropyCoded: true),
            Predicted = new LatencyBreakdown(1, 0, 0, 0, 0),
            PayloadBytes = 100,
            ValidationAccuracy = 0.5,
            Link = LinkSpec.Parse("1mbps,rtt=1ms"),
            Preprocessing = Preprocessing.ImageNet,
        });
        (int code, string output, string error) = CommandProcess.Run(
            "finetune", CommandProcess.Network, "--plan", plan, "--bundle", bundle, "--data", "shapes10", "--limit", "512", "--epochs", "2", "--lr", "0.003", "--out", network, "--json", "-");
        Assert.True(code == 0, error);
        using JsonDocument result = JsonDocument.Parse(output);
        double top1 = result.RootElement.GetProperty("top1").GetDouble();
        Assert.True(top1 > 0.5, $"top-1 {top1}");

        // The bundle is of the trained network: judged again, it does as well.
        (code, output, error) = CommandProcess.Run("eval", bundle, "--data", "shapes10", "--limit", "1000", "--json", "-");
        Assert.True(code == 0, error);
        using JsonDocument judged = JsonDocument.Parse(output);
        Assert.Equal(top1, judged.RootElement.GetProperty("top1").GetDouble(), 0.06);
        Assert.True(judged.RootElement.GetProperty("meanPayloadBytes").GetDouble() > 0);
        Graph trained = OnnxModel.Load(network);
        if (form == WeightForm.Dense) Assert.Contains(trained.Initializers.Values, tensor => tensor.Count > 0 && graph.Initializers.Values.All(original => original.Count != tensor.Count));
        else Assert.Contains(trained.Initializers.Values, tensor => tensor.Type == Kernels.Tensors.ElementType.Float32 && tensor.Shape.Rank == 4 && Zeros(tensor) is > 0.45 and < 0.55);
    }

    [Fact]
    public void A_bottleneck_is_trained_and_cut_at()
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(CommandProcess.Network));
        string cut = CutFinder.Find(graph).First(candidate => candidate.Kind == CutKind.Interior && candidate.Shape is { Rank: 4 } shape && shape[2] == 16).Value;
        string network = Path.Combine(_folder, "net.onnx");
        string[] arguments = ["bottleneck", CommandProcess.Network, "--cut", cut, "--channels", "4", "--bits", "3", "--stride", "2",
            "--data", "shapes10", "--limit", "1024", "--epochs", "2", "--batch", "64", "--out", network, "--json", "-"];
        (int code, string output, string error) = CommandProcess.Run(arguments);
        Assert.True(code == 0, error);
        using JsonDocument result = JsonDocument.Parse(output);
        Assert.InRange(result.RootElement.GetProperty("meanPayloadBytes").GetDouble(), 4, 4 * 64 * 3 / 8);
        Assert.Contains(CutFinder.Find(OnnxModel.Load(network)), candidate => candidate.Value == "bottleneck.code" && candidate.Shape[1] == 4);
        (code, output, _) = CommandProcess.Run("inspect", network);
        Assert.Equal(0, code);
        Assert.Contains("bottleneck.code", output, StringComparison.Ordinal);

        arguments[3] = "nowhere";
        (code, output, error) = CommandProcess.Run(arguments);
        Assert.Equal((1, ""), (code, output));
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.Contains("nowhere", error, StringComparison.Ordinal);
    }

    private static double Zeros(Kernels.Tensors.Tensor tensor) => (double)tensor.Values<float>().ToArray().Count(value => value == 0) / tensor.Count;
}
