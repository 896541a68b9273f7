using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

/// <summary>Measures of importance that look beyond the size of a weight.</summary>
public class ImportanceTests
{
    private const int Channels = 16, Useless = 8, TapsPerFilter = 27;
    private static readonly Tensor Images = NetworkBuilder.RandomImages(seed: 5, 40, 3, 8, 8);
    private static readonly RefitOptions NoRefit = new() { Mode = RefitMode.None };

    [Fact]
    public void Taylor_removes_large_filters_that_nothing_reads()
    {
        Graph graph = WithUselessFilters();
        GroupDecision decision = Create(graph, Importance.Taylor).Groups(WeightForm.Dense)[0].Decide(0.5);
        float[] expected = NetworkBuilder.Run(graph, Images);
        Assert.Equal(0, NetworkBuilder.RelativeError(expected, NetworkBuilder.Run(Create(graph, Importance.Taylor).Shape([decision]), Images)), 1e-5);
        Assert.True(NetworkBuilder.RelativeError(expected, NetworkBuilder.Run(Create(graph, Importance.L2).Shape([decision]), Images)) > 0.05);
    }

    [Theory]
    [InlineData(WeightForm.Unstructured)]
    [InlineData(WeightForm.Block)]
    public void Taylor_removes_large_weights_that_nothing_reads(WeightForm form)
    {
        Graph graph = WithUselessFilters();
        Pruner pruner = Create(graph, Importance.Taylor);
        GroupDecision decision = pruner.Groups(form)[0].Decide(0.5);
        float[] expected = NetworkBuilder.Run(graph, Images);
        Assert.Equal(0, NetworkBuilder.RelativeError(expected, NetworkBuilder.Run(pruner.Shape([decision]), Images)), 1e-5);
    }

    [Fact]
    public void Taylor_scores_follow_weights_whose_inputs_were_removed()
    {
        Graph graph = WithUselessFilters();
        Pruner pruner = Create(graph, Importance.Taylor);
        GroupDecision channels = pruner.Groups(WeightForm.Dense)[0].Decide(0.5), weights = pruner.Groups(WeightForm.Unstructured)[1].Decide(0.3);
        Graph pruned = pruner.Shape([channels, weights]);
        Node second = pruned.Nodes.First(node => node.Name == weights.Group);
        float[] left = pruned.Initializers[second.Inputs[1]].Values<float>().ToArray();
        Assert.Equal(0.3, (double)left.Count(value => value == 0) / left.Length, 0.01);
    }

    [Fact]
    public void Geometric_median_keeps_filters_that_others_cannot_stand_in_for()
    {
        // Twelve filters are alike, and larger than the four that stand alone.
        Graph graph = Network();
        Span<float> weights = graph.Initializers[graph.Nodes[0].Inputs[1]].Values<float>();
        for (int filter = 4; filter < Channels; filter++)
        {
            for (int i = 0; i < TapsPerFilter; i++) weights[(filter * TapsPerFilter) + i] = 3 + (0.01f * weights[(filter * TapsPerFilter) + i]);
        }

        float[] alone = weights[..(4 * TapsPerFilter)].ToArray();
        Assert.Equal(4, Kept(Importance.GeometricMedian));
        Assert.Equal(0, Kept(Importance.L2));

        int Kept(Importance importance)
        {
            Pruner pruner = Create(graph, importance);
            Graph pruned = pruner.Shape([pruner.Groups(WeightForm.Dense)[0].Decide(0.5)]);
            float[] left = pruned.Initializers[pruned.Nodes[0].Inputs[1]].Values<float>().ToArray();
            return Enumerable.Range(0, 4).Count(filter => left.AsSpan().IndexOf(alone.AsSpan(filter * TapsPerFilter, TapsPerFilter)) >= 0);
        }
    }

    private static Pruner Create(Graph graph, Importance importance) => Pruner.Create(graph, Images, new PrunerOptions { Importance = importance, Refit = NoRefit, BlockChannels = 8 });

    private static Graph Network()
    {
        var builder = new NetworkBuilder(seed: 7, 1, 3, 8, 8);
        string inner = builder.Relu(builder.Conv("x", 3, Channels));
        return builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(builder.Relu(builder.Conv(inner, Channels, 12)))), 12, 5));
    }

    /// <summary>The last filters of the first layer are the largest, and the second layer has only zeros for them.</summary>
    private static Graph WithUselessFilters()
    {
        Graph graph = Network();
        Span<float> first = graph.Initializers[graph.Nodes[0].Inputs[1]].Values<float>(), second = graph.Initializers[graph.Nodes[2].Inputs[1]].Values<float>();
        foreach (ref float weight in first[(Useless * TapsPerFilter)..]) weight *= 4;
        for (int i = 0; i < second.Length; i++)
        {
            if (i / 9 % Channels >= Useless) second[i] = 0;
        }

        return graph;
    }
}
