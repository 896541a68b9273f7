using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Plans;

public sealed class PlanSetTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-set-").FullName;

    /// <summary>The network in the box with two cuts in 8 and 4 bits.</summary>
    internal static PlanSet Compile(string folder, Graph? integer = null)
    {
        string model = Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
        DataSource data = DataSpec.Parse("shapes10");
        var options = new PlanSetOptions
        {
            ModelHash = ModelHash.OfFile(model),
            Preprocessing = Preprocessing.ImageNet,
            Cuts = [.. PlanSetCompiler.ShrinkingCuts(graph).Take(2).Select(cut => cut.Value)],
            Integer = integer,
        };
        return PlanSetCompiler.Compile(graph, data.Load(Split.Train, 32), data.Load(Split.SearchValidation, 40), options, Path.Combine(folder, "set"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_set_is_read_as_it_was_written_and_shares_its_networks()
    {
        PlanSet set = Compile(_folder);
        Assert.Equal(["device.f32", "edge.raw", "edge.png"], set.Plans.Take(3).Select(plan => plan.Name));
        Assert.Equal(3 + (2 * 2), set.Plans.Count);
        Assert.Equal(set.Id, PlanSet.Load(Path.Combine(_folder, "set")).Id);
        // One network: device only and edge only are the same object, and plans of one cut have the same halves.
        Assert.Same(set.Plans[0].Bundle.Device, set.Plans[1].Bundle.Edge);
        Assert.Same(set.Plans[3].Bundle.Device, set.Plans[4].Bundle.Device);
        Assert.Same(set.Plans[3].Bundle.Edge, set.Plans[4].Bundle.Edge);
        Assert.Equal(set.Plans.Count, set.Plans.Select(plan => plan.Bundle.WireId).Distinct().Count());
        for (int i = 0; i < set.Plans.Count; i++) Assert.Equal(i, set.Find(set.Plans[i].Bundle.WireId));
        Assert.All(set.Plans, plan => Assert.InRange(plan.Accuracy, 0.5, 1));
    }

    [Fact]
    public void Weights_of_overlapping_halves_are_packed_once()
    {
        PlanSet set = Compile(_folder);
        var shared = new SharedWeights();
        using var whole = Session.Create(set.Plans[0].Bundle.Device!, new SessionOptions { SharedWeights = shared });
        int packed = shared.Packed;
        using var half = Session.Create(set.Plans[3].Bundle.Device!, new SessionOptions { SharedWeights = shared });
        using var alone = Session.Create(set.Plans[3].Bundle.Device!);
        Assert.Equal(packed + half.Steps.Count, shared.Packed + shared.Reused);
        Assert.True(shared.Reused > 0);
        var input = new float[set.ImageShape.Count];
        for (int i = 0; i < input.Length; i++) input[i] = MathF.Sin(i);
        float[] together = new float[half.Outputs[0].Shape!.Value.Count], single = new float[together.Length];
        half.Run(input, together);
        alone.Run(input, single);
        Assert.Equal(single, together);
    }

    [Fact]
    public void Damage_is_named()
    {
        Compile(_folder);
        string set = Path.Combine(_folder, "set"), codec = Directory.GetFiles(set, "codec.*.json")[0];
        File.AppendAllText(codec, " ");
        Assert.Contains(Path.GetFileName(codec), Assert.Throws<InvalidDataException>(() => PlanSet.Load(set)).Message);
        string description = Path.Combine(set, "set.json");
        File.WriteAllText(description, File.ReadAllText(description).Replace("\"network.f32.onnx\"", "\"../network.f32.onnx\"", StringComparison.Ordinal));
        Assert.Contains("no name of a file in the folder", Assert.Throws<InvalidDataException>(() => PlanSet.Load(set)).Message);
    }
}
