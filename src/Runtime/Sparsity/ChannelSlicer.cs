using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>Builds the physically smaller network in which only the kept channels exist.</summary>
internal static class ChannelSlicer
{
    /// <summary>Slices every weight and rewrites every node that counts or picks channels.</summary>
    /// <param name="graph">The canonical graph; not changed.</param>
    /// <param name="analysis">Its channels.</param>
    /// <param name="kept">Kept channels of each space, in their new order.</param>
    /// <returns>A graph that shares the tensors that did not change.</returns>
    public static Graph Slice(Graph graph, ChannelAnalysis analysis, Func<ChannelSpace, int[]> kept)
    {
        Graph sliced = graph.Clone();
        var copies = new Dictionary<Node, Node>(graph.Nodes.Count);
        for (int i = 0; i < graph.Nodes.Count; i++) copies.Add(graph.Nodes[i], sliced.Nodes[i]);

        var reads = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string input in graph.Nodes.SelectMany(node => node.Inputs)) reads[input] = reads.GetValueOrDefault(input) + 1;
        foreach (IGrouping<(Node Node, int Input), WeightAxis> weight in analysis.WeightAxes.GroupBy(axis => (axis.Node, axis.Input)))
        {
            SliceWeight(sliced, copies[weight.Key.Node], weight.Key.Input, weight, kept, reads);
        }

        foreach (Node depthwise in analysis.GroupCounts)
        {
            copies[depthwise].Attributes["group"] = (long)sliced.Initializers[copies[depthwise].Inputs[1]].Shape[0];
        }

        foreach (Node reshape in analysis.Reshapes)
        {
            RenameChannelCount(sliced, copies[reshape], analysis.LayoutOf(reshape.Outputs[0])!, kept);
        }

        foreach (ChannelPick pick in analysis.Picks)
        {
            if (pick.Source.IsUnchanged(kept) && ChannelLayout.IsIdentity(kept(pick.Target), pick.Map.Length)) continue;
            ChannelPickRewriter.Rewrite(sliced, copies[pick.Node], pick, NewMap(pick, kept), pick.Source.KeptPositions(kept).Length);
        }

        GraphSimplifier.RemoveDeadNodes(sliced);
        return sliced;
    }

    private static void SliceWeight(
        Graph sliced, Node node, int input, IEnumerable<WeightAxis> axes, Func<ChannelSpace, int[]> kept, Dictionary<string, int> reads)
    {
        string name = node.Inputs[input];
        Tensor original = sliced.Initializers[name];
        var positions = new int[]?[original.Shape.Rank];
        bool changed = false;
        foreach (WeightAxis axis in axes)
        {
            if (axis.Channels.IsUnchanged(kept)) continue;
            positions[axis.Axis] = axis.Channels.KeptPositions(kept);
            changed = true;
        }

        if (!changed) return;
        if (reads[name] > 1)
        {
            // Another node reads the same tensor, possibly with other channels: this one gets a copy of its own.
            name = $"{name}.{node.Name}";
            node.Inputs[input] = name;
        }

        sliced.Initializers[name] = TensorSelection.Select(original, positions);
    }

    private static void RenameChannelCount(Graph sliced, Node reshape, ChannelLayout layout, Func<ChannelSpace, int[]> kept)
    {
        Tensor target = sliced.Initializers[reshape.Inputs[1]];
        if (layout.IsUnchanged(kept) || target.Count < 2 || target.Values<long>()[1] <= 0) return;
        Tensor renamed = target.Clone();
        renamed.Values<long>()[1] = layout.KeptPositions(kept).Length;
        string name = $"{reshape.Inputs[1]}.{reshape.Name}";
        sliced.Initializers[name] = renamed;
        reshape.Inputs[1] = name;
    }

    /// <summary>For each kept target channel its source's new position, or -1 for zero.</summary>
    private static int[] NewMap(ChannelPick pick, Func<ChannelSpace, int[]> kept)
    {
        int[] positions = pick.Source.KeptPositions(kept);
        var newPosition = new Dictionary<int, int>(positions.Length);
        for (int i = 0; i < positions.Length; i++) newPosition.Add(positions[i], i);
        return Array.ConvertAll(kept(pick.Target), channel => newPosition.GetValueOrDefault(pick.Map[channel], -1));
    }
}
