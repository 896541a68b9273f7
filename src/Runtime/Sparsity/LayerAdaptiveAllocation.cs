using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Divides a sparsity of the whole network among its layers by layer-adaptive magnitude (Lee, Park, Mo, Ahn, Shin,
/// "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021): a unit scores its squared magnitude over that of
/// all units of its layer which are at least as large, and the lowest scores of all layers go. Layers with few weights keep
/// a larger share of them.
/// </summary>
public static class LayerAdaptiveAllocation
{
    /// <summary>Decisions that together remove a share of the groups' weights.</summary>
    /// <param name="canonical">The network.</param>
    /// <param name="groups">Groups of single weights or blocks, each of one layer.</param>
    /// <param name="sparsity">Share of all weights of the groups to remove, 0 to below 1.</param>
    /// <param name="blockChannels">Output channels per block; as <see cref="PrunerOptions.BlockChannels"/>.</param>
    /// <exception cref="ArgumentException">A group removes channels, or is not one of this network.</exception>
    public static IReadOnlyList<GroupDecision> Decide(Graph canonical, IReadOnlyList<PrunableGroup> groups, double sparsity, int blockChannels)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        ArgumentNullException.ThrowIfNull(groups);
        UnitAllocation.Check(sparsity);
        var scores = new List<(double Score, int Group)>();
        for (int group = 0; group < groups.Count; group++)
        {
            foreach (float score in Scores(canonical, groups[group], blockChannels)) scores.Add((score, group));
        }

        return UnitAllocation.Divide(groups, scores, sparsity);
    }

    /// <summary>Scores of a layer's units, in any order.</summary>
    private static float[] Scores(Graph canonical, PrunableGroup group, int blockChannels)
    {
        Node node = canonical.Nodes.Find(candidate => candidate.Name == group.Name)
            ?? throw new ArgumentException($"The network has no layer '{group.Name}'.", nameof(group));
        if (group.Form == WeightForm.Dense) throw new ArgumentException($"Group '{group.Name}' removes channels; expected blocks or single weights.", nameof(group));
        Tensor weights = canonical.Initializers[node.Inputs[1]];
        bool outputsLast = node.OpType == "MatMul" || (node.OpType == "Gemm" && node.Int("transB", 0) == 0);
        int outputs = weights.Shape[outputsLast ? 1 : 0];
        float[] energies = WeightMask.Energies(weights, outputsLast, outputs, group.Form == WeightForm.Block ? blockChannels : 1);
        Array.Sort(energies);
        double sum = 0;
        for (int i = energies.Length - 1; i >= 0; i--)
        {
            sum += energies[i];
            energies[i] = sum > 0 ? (float)(energies[i] / sum) : 0;
        }

        return energies;
    }
}
