using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Tests.Sparsity;

public class ResidualBranchTests
{
    public static TheoryData<string, int> Networks => new() { { "plain", 2 }, { "bottleneck", 2 }, { "projection", 2 }, { "inverted", 2 }, { "gated", 2 } };

    [Theory]
    [MemberData(nameof(Networks))]
    public void TakingABranchOutEqualsAddingNothing(string kind, int branches)
    {
        Graph graph = Network(kind);
        Pruner pruner = Pruner.Create(graph);
        PrunableGroup[] removable = [.. pruner.Groups(WeightForm.Dense).Where(group => group.Sum is not null)];
        Assert.Equal(branches, removable.Length);
        Tensor images = NetworkBuilder.RandomImages(seed: 9, 2, 3, 8, 8);
        foreach (PrunableGroup[] chosen in new PrunableGroup[][] { [removable[0]], [removable[1]], removable })
        {
            GroupDecision[] decisions = [.. chosen.Select(group => group.Decide(1))];
            Assert.All(decisions, decision => Assert.Equal(0, decision.KeptChannels));
            Graph pruned = pruner.Shape(decisions), silent = Silenced(graph, chosen);
            Assert.Equal(NetworkBuilder.Run(silent, images), NetworkBuilder.Run(pruned, images));
            Assert.DoesNotContain(pruned.Nodes, node => chosen.Any(group => group.Layers.Any(layer => layer.Node == node.Name)));
            Assert.Equal(pruned.Nodes.Count, pruned.Nodes.Select(node => node.Name).Distinct().Count());

            // A session works on what is left, and has no step for a Relu behind a Relu.
            using Session session = Session.Create(pruned, new SessionOptions { BatchSize = 2 });
            Assert.InRange(NetworkBuilder.RelativeError(NetworkBuilder.Run(silent, images), session.Run([images])[0].Values<float>()), 0, 1e-5);
            if (kind == "plain") Assert.DoesNotContain(session.Steps, step => step.Op == "Relu");
        }
    }

    [Fact]
    public void WhatDoesMoreThanAddIsNoBranch()
    {
        var builder = new NetworkBuilder(seed: 4, 1, 3, 8, 8);
        string stem = builder.Relu(builder.Conv("x", 3, 16));
        string read = builder.Relu(builder.Conv(stem, 16, 8));
        string first = builder.Sum(builder.Conv(read, 8, 16), stem);
        string second = builder.Sum(builder.Conv(read, 8, 16), first);

        // A term that is read twice, and a sum over the images' mean.
        string term = builder.Conv(builder.Relu(builder.Conv(second, 16, 8)), 8, 16);
        string third = builder.Sum(builder.Relu(term), builder.Sum(term, second));
        string fourth = builder.Sum(builder.Conv(builder.Relu(builder.Conv(third, 16, 8)), 8, 16), builder.GlobalPool(third));
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(fourth)), 16, 4));

        Pruner pruner = Pruner.Create(graph);
        Assert.All(pruner.Groups(WeightForm.Dense), group => Assert.Null(group.Sum));
        PrunableGroup any = pruner.Groups(WeightForm.Dense)[1];
        Assert.Equal(8, any.Decide(1).KeptChannels);
        var failure = Assert.Throws<ArgumentException>(() => pruner.Shape([any.Decide(1) with { KeptChannels = 0, Sparsity = 1 }]));
        Assert.Contains("expected 1 to", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OneTermOfASumStays()
    {
        var builder = new NetworkBuilder(seed: 5, 1, 3, 8, 8);
        string stem = builder.Relu(builder.Conv("x", 3, 16));
        string left = builder.Conv(builder.Relu(builder.Conv(stem, 16, 8)), 8, 16), right = builder.Conv(builder.Relu(builder.Conv(stem, 16, 8)), 8, 16);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(builder.Sum(left, right))), 16, 4));
        Assert.Single(PrunableGroups.Find(graph, WeightForm.Dense), group => group.Sum is not null);
    }

    [Fact]
    public void ABranchGoesOnlyWhereTheDeviceRunsAllOfItAndItsSumIsNotSent()
    {
        Graph graph = Network("inverted");
        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, WeightForm.Dense);
        string[] sums = [.. groups.Select(group => group.Sum).OfType<string>()];
        int seenWhole = 0;
        foreach (Cut cut in CutFinder.FindAll(graph))
        {
            IReadOnlyList<PrunableGroup> device = PrunableGroups.OnDevice(groups, graph, cut);
            Graph half = GraphSplitter.Split(graph, cut).Device;
            foreach (string sum in sums)
            {
                bool isWhole = sum != cut.Value && half.Nodes.Any(node => node.Outputs.Contains(sum));
                seenWhole += isWhole ? 1 : 0;
                Assert.Equal(isWhole, device.Any(group => group.Sum == sum));
            }

            GroupDecision[] decisions = [.. device.Where(group => group.Sum is not null).Select(group => group.Decide(1))];
            if (decisions.Length > 0) Assert.Contains(CutFinder.FindAll(Pruner.Create(graph).Shape(decisions)), left => left.Value == cut.Value);
        }

        Assert.InRange(seenWhole, 1, int.MaxValue);
    }

    [Fact]
    public void TheReFitMakesUpForABranch()
    {
        Graph graph = Network("plain");
        Tensor images = NetworkBuilder.RandomImages(seed: 6, 64, 3, 8, 8), others = NetworkBuilder.RandomImages(seed: 7, 8, 3, 8, 8);
        Pruner pruner = Pruner.Create(graph, images);
        GroupDecision decision = pruner.Groups(WeightForm.Dense).First(group => group.Sum is not null).Decide(1);
        float[] expected = NetworkBuilder.Run(graph, others);
        double shaped = Distance(expected, NetworkBuilder.Run(pruner.Shape([decision]), others));
        double fitted = Distance(expected, NetworkBuilder.Run(pruner.Apply([decision]), others));
        Assert.InRange(fitted, 0, shaped / 2);
    }

    [Fact]
    public void ADecisionAboutARemovedLayerIsRefused()
    {
        Pruner pruner = Pruner.Create(Network("plain"));
        PrunableGroup branch = pruner.Groups(WeightForm.Dense).First(group => group.Sum is not null);
        GroupDecision inner = pruner.Groups(WeightForm.Unstructured).First(group => group.Name == branch.Name).Decide(0.5);
        var failure = Assert.Throws<ArgumentException>(() => pruner.Shape([branch.Decide(1), inner]));
        Assert.Contains(branch.Name, failure.Message, StringComparison.Ordinal);
    }

    private static double Distance(float[] expected, float[] actual) => expected.Zip(actual, (x, y) => (double)(x - y) * (x - y)).Sum();

    /// <summary>Two residual blocks, and what a network needs around them.</summary>
    private static Graph Network(string kind)
    {
        var builder = new NetworkBuilder(seed: 3, 1, 3, 8, 8);
        string x = builder.Relu(builder.Conv("x", 3, 16));
        for (int block = 0; block < 2; block++)
        {
            x = kind switch
            {
                "plain" => builder.Relu(builder.Sum(builder.Conv(builder.Relu(builder.Conv(x, 16, 16)), 16, 16), x)),
                "bottleneck" => builder.Relu(builder.Sum(x, builder.Conv(
                    builder.Relu(builder.Conv(builder.Relu(builder.Conv(x, 16, 8, kernel: 1)), 8, 8)), 8, 16, kernel: 1))),
                "projection" => builder.Relu(builder.Sum(
                    builder.Conv(builder.Relu(builder.Conv(x, 16, 24, stride: 2)), 24, 16), builder.Conv(x, 16, 16, kernel: 1, stride: 2))),
                "gated" => builder.Sum(x, builder.Conv(Gated(builder.Relu(builder.Conv(x, 16, 8))), 8, 16)),
                _ => builder.Sum(x, builder.Conv(
                    builder.Relu(builder.Conv(builder.Relu(builder.Conv(x, 16, 32, kernel: 1)), 32, 32, groups: 32)), 32, 16, kernel: 1)),
            };
        }

        return builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(x)), 16, 4));

        string Gated(string value) => builder.Add("Mul", [value, builder.Add("Sigmoid", [builder.Conv(builder.GlobalPool(value), 8, 8, kernel: 1)])]);
    }

    /// <summary>The network with zeros in the last layer of each branch.</summary>
    private static Graph Silenced(Graph graph, PrunableGroup[] groups)
    {
        Graph silent = graph.Clone();
        foreach (PrunableGroup group in groups)
        {
            Node sum = silent.Nodes.First(node => node.Outputs.Contains(group.Sum!));
            int layer = graph.Nodes.FindIndex(node => node.Name == group.Layers[^1].Node);
            Node last = silent.Nodes.Skip(layer + 1).First(node => node.OpType == "Conv" && sum.Inputs.Contains(node.Outputs[0]));
            foreach (string name in last.Inputs.Skip(1)) silent.Initializers[name] = new Tensor(ElementType.Float32, silent.Initializers[name].Shape);
        }

        return silent;
    }
}
