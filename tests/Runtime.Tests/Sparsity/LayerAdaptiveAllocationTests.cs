using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

public class LayerAdaptiveAllocationTests
{
    private const int BlockChannels = 8;

    [Theory]
    [InlineData(WeightForm.Unstructured, 0.3)]
    [InlineData(WeightForm.Unstructured, 0.8)]
    [InlineData(WeightForm.Block, 0.6)]
    public void The_lowest_scores_of_all_layers_go_and_their_weights_add_up(WeightForm form, double sparsity)
    {
        Graph graph = Network();
        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, form, BlockChannels);
        IReadOnlyList<GroupDecision> decisions = LayerAdaptiveAllocation.Decide(graph, groups, sparsity, BlockChannels);
        Assert.Equal(groups.Select(group => group.Name), decisions.Select(decision => decision.Group));

        double total = groups.Sum(group => group.Layers[0].Shape.WeightCount);
        double removed = groups.Zip(decisions, (group, decision) => decision.Sparsity * group.Layers[0].Shape.WeightCount).Sum();
        Assert.Equal(sparsity, removed / total, BlockChannels / total);

        // The definition, unit by unit: the highest score that went is not above the lowest that stayed.
        double highestGone = 0, lowestKept = double.PositiveInfinity;
        foreach ((PrunableGroup group, GroupDecision decision) in groups.Zip(decisions))
        {
            double[] energies = [.. Energies(graph, group).Order()];
            double[] scores = [.. energies.Select((energy, i) => energy / energies[i..].Sum())];
            int gone = (int)Math.Round(decision.Sparsity * scores.Length);
            if (gone > 0) highestGone = Math.Max(highestGone, scores[gone - 1]);
            lowestKept = Math.Min(lowestKept, scores[gone]);
        }

        Assert.True(highestGone <= lowestKept * (1 + 1e-5), $"{highestGone} went, {lowestKept} stayed");
    }

    [Fact]
    public void Wide_layers_give_more_than_narrow_ones()
    {
        Graph graph = Network();
        IReadOnlyList<GroupDecision> decisions = LayerAdaptiveAllocation.Decide(graph, PrunableGroups.Find(graph, WeightForm.Unstructured), 0.7, BlockChannels);
        Assert.True(decisions[0].Sparsity < decisions[1].Sparsity && decisions[1].Sparsity < decisions[2].Sparsity, string.Join(", ", decisions));
    }

    [Fact]
    public void Channels_are_refused()
    {
        Graph graph = Network();
        Assert.Throws<ArgumentException>(() => LayerAdaptiveAllocation.Decide(graph, PrunableGroups.Find(graph, WeightForm.Dense), 0.5, BlockChannels));
        Assert.Throws<ArgumentOutOfRangeException>(() => LayerAdaptiveAllocation.Decide(graph, PrunableGroups.Find(graph, WeightForm.Block), 1, BlockChannels));
    }

    private static Graph Network()
    {
        var builder = new NetworkBuilder(seed: 9, 1, 3, 8, 8);
        string wide = builder.Relu(builder.Conv(builder.Relu(builder.Conv(builder.Relu(builder.Conv("x", 3, 8)), 8, 16)), 16, 32));
        return builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(wide)), 32, 10, transposed: false));
    }

    private static double[] Energies(Graph graph, PrunableGroup group)
    {
        Node node = graph.Nodes.First(candidate => candidate.Name == group.Name);
        var weights = graph.Initializers[node.Inputs[1]];
        ReadOnlySpan<float> values = weights.Values<float>();
        int outputs = group.Channels, taps = values.Length / outputs, unit = group.Form == WeightForm.Block ? BlockChannels : 1;
        var energies = new double[(outputs + unit - 1) / unit * taps];
        for (int i = 0; i < values.Length; i++)
        {
            (int output, int tap) = node.OpType == "Gemm" ? (i % outputs, i / outputs) : (i / taps, i % taps);
            energies[(output / unit * taps) + tap] += (double)values[i] * values[i];
        }

        return energies;
    }
}
