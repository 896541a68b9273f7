using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Splitting;

/// <summary>Splits a network at a cut into two graphs that export to ONNX on their own.</summary>
public static class GraphSplitter
{
    /// <summary>
    /// The device half computes the crossing value from the network's input; the edge half computes the network's
    /// output from the crossing value, which has the same name and declared shape on both sides. A batch dimension
    /// that is symbolic in the network stays symbolic. For an input cut the device half has no nodes and hands its
    /// input through; for an output cut the edge half does.
    /// </summary>
    /// <param name="graph">The network: the graph the cut was found in, or a pruned version of it.</param>
    /// <param name="cut">The cut; only its value is used, so it holds for a pruned network too.</param>
    /// <exception cref="ArgumentException">The network has no such value, or it is not a legal cut.</exception>
    /// <exception cref="NotSupportedException">The graph has several inputs or outputs.</exception>
    public static (Graph Device, Graph Edge) Split(Graph graph, Cut cut)
    {
        (string input, string output) = CutFinder.Ends(graph);
        ValueInfo feature = Declare(graph, cut.Value, input, output);
        Graph device = Extract(graph, "device", graph.Inputs[0], feature);
        Graph edge = Extract(graph, "edge", feature, graph.Outputs[0]);
        return (device, edge);
    }

    private static Graph Extract(Graph graph, string half, ValueInfo from, ValueInfo to)
    {
        var part = new Graph { Name = $"{graph.Name}.{half}", Opset = graph.Opset };
        part.Inputs.Add(from);
        part.Outputs.Add(to);
        foreach ((string key, string value) in graph.Metadata) part.Metadata.Add(key, value);
        if (from.Name == to.Name) return part;

        var needed = new HashSet<string>(StringComparer.Ordinal) { to.Name };
        foreach (Node node in Enumerable.Reverse(graph.Nodes))
        {
            // The feature is fed from outside, so its producer belongs to the other half.
            if (node.Outputs.Contains(from.Name) || !node.Outputs.Any(needed.Contains)) continue;
            needed.UnionWith(node.Inputs);
            part.Nodes.Add(node.Clone());
        }

        part.Nodes.Reverse();
        if (from.Name != graph.Inputs[0].Name && needed.Contains(graph.Inputs[0].Name))
            throw new ArgumentException($"Value '{from.Name}' is not a legal cut of graph '{graph.Name}': other values cross too.");
        foreach ((string name, Tensor value) in graph.Initializers)
        {
            if (needed.Contains(name)) part.Initializers.Add(name, value);
        }

        return part;
    }

    private static ValueInfo Declare(Graph graph, string value, string input, string output)
    {
        if (value == input) return graph.Inputs[0];
        if (value == output) return graph.Outputs[0];
        if (!graph.Nodes.Any(node => node.Outputs.Contains(value)))
            throw new ArgumentException($"Graph '{graph.Name}' has no value '{value}' to cut at.", nameof(value));
        if (ShapeInference.Infer(graph).GetValueOrDefault(value) is not { Shape: { } single } spec)
            throw new ArgumentException($"The shape of value '{value}' of graph '{graph.Name}' is not known.", nameof(value));

        Dimension batch = graph.Inputs[0].Dimensions is [var first, ..] ? first : default;
        var dimensions = new Dimension[single.Rank];
        for (int axis = 0; axis < dimensions.Length; axis++) dimensions[axis] = new Dimension(single[axis]);
        if (batch.Size is null && dimensions.Length > 0 &&
            ShapeInference.Infer(graph, batch: 2).GetValueOrDefault(value)?.Shape is { } pair && pair[0] == 2 * single[0])
        {
            dimensions[0] = batch;
        }

        return new ValueInfo(value, spec.Type, dimensions);
    }
}
