using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Sparsity;

/// <summary>Finds the decisions that a pruner can take in a network.</summary>
public static class PrunableGroups
{
    /// <summary>The groups of the whole network, in graph order of their first layers.</summary>
    /// <remarks>
    /// Channel groups: layers tied by residual additions, depthwise convolutions or other elementwise operators have
    /// one decision. A group whose only reader is a layer that is added to a shortcut can lose all its channels
    /// (<see cref="PrunableGroup.Sum"/>). The network's input channels and its outputs are in no group, nor are channels that an operator
    /// mixes in a way that cannot shrink (a grouped convolution, a reshape across channels). For the other forms each
    /// ungrouped convolution and each fully connected layer is a group of its own.
    /// </remarks>
    /// <param name="canonical">A simplified graph.</param>
    /// <param name="form">How sparsity is realised.</param>
    /// <param name="blockChannels">Output channels per block of <see cref="WeightForm.Block"/>; 0 for this CPU's vector.</param>
    /// <exception cref="InvalidDataException">Shapes cannot be inferred.</exception>
    public static IReadOnlyList<PrunableGroup> Find(Graph canonical, WeightForm form, int blockChannels = 0)
    {
        var analysis = new ChannelAnalysis(canonical);
        return Find(canonical, analysis, ResidualBranch.Find(canonical, analysis), form, blockChannels == 0 ? CpuFeatures.ChannelBlock : blockChannels);
    }

    /// <summary>The groups whose layers all run on the device when the network is cut at <paramref name="cut"/>.</summary>
    /// <inheritdoc cref="Find(Graph, WeightForm, int)"/>
    /// <param name="canonical">A simplified graph.</param>
    /// <param name="form">How sparsity is realised.</param>
    /// <param name="cut">A cut of that graph.</param>
    /// <param name="blockChannels">Output channels per block of <see cref="WeightForm.Block"/>; 0 for this CPU's vector.</param>
    public static IReadOnlyList<PrunableGroup> Find(Graph canonical, WeightForm form, Cut cut, int blockChannels = 0) =>
        OnDevice(Find(canonical, form, blockChannels), canonical, cut);

    /// <summary>
    /// Those of <paramref name="groups"/> whose layers all run on the device when the network is cut at <paramref name="cut"/>;
    /// a branch that the cut runs through, or whose sum is sent, keeps a channel (<see cref="PrunableGroup.Sum"/> is null).
    /// </summary>
    public static IReadOnlyList<PrunableGroup> OnDevice(IReadOnlyList<PrunableGroup> groups, Graph canonical, Cut cut)
    {
        List<Node> nodes = GraphSplitter.Split(canonical, cut).Device.Nodes;
        var device = nodes.Select(node => node.Name).ToHashSet(StringComparer.Ordinal);
        var values = nodes.SelectMany(node => node.Outputs).ToHashSet(StringComparer.Ordinal);
        return groups.Where(group => group.Layers.All(layer => device.Contains(layer.Node))).Select(group => CanGo(group) ? group : group with { Sum = null }).ToList();

        // A branch that ends beyond the cut is cut in two; and the cut's own value must be there to be sent.
        bool CanGo(PrunableGroup group) => group.Sum is { } sum && sum != cut.Value && values.Contains(sum);
    }

    internal static IReadOnlyList<PrunableGroup> Find(
        Graph canonical, ChannelAnalysis analysis, IReadOnlyDictionary<ChannelSpace, ResidualBranch> branches, WeightForm form, int blockChannels)
    {
        var layers = new Dictionary<string, PrunableLayer>(StringComparer.Ordinal);
        foreach (Node node in canonical.Nodes)
        {
            if (LayerShape.Of(node, canonical, node.Input(0) is { } x ? analysis.ShapeOf(x) : null) is { } shape) layers.Add(node.Name, new PrunableLayer(node.Name, shape));
        }

        if (form == WeightForm.Dense)
        {
            List<string> order = canonical.Nodes.ConvertAll(node => node.Name);
            return ChannelSpaces(analysis)
                .Select(space => (Space: space, Layers: space.Layers.Select(name => layers[name]).ToList()))
                .OrderBy(group => order.IndexOf(group.Layers[0].Node))
                .Select(group => new PrunableGroup(group.Layers[0].Node, form, group.Layers, group.Space.Channels, group.Space.Channels)
                {
                    Sum = branches.GetValueOrDefault(group.Space)?.Sum,
                }).ToList();
        }

        return layers.Values.Where(layer => layer.Shape.Groups == 1).Select(layer =>
            new PrunableGroup(layer.Node, form, [layer], layer.Shape.OutChannels, WeightMask.Units(layer.Shape, form, blockChannels))).ToList();
    }

    /// <summary>The spaces of the channel groups.</summary>
    internal static IEnumerable<ChannelSpace> ChannelSpaces(ChannelAnalysis analysis) =>
        analysis.Roots.Where(space => !space.IsFixed && space.Layers.Count > 0);
}
