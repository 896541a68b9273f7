using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution.Operators;

namespace CoInference.Runtime.Graphs;

/// <summary>Replaces nodes whose outputs are the same in every run by initializers.</summary>
internal static class ConstantFolding
{
    // A small constant may be expanded into a large one; folding that would only make the file larger.
    private const long AlwaysFoldedBytes = 1 << 20;
    private const int MaxGrowth = 8;

    public static void Run(Graph graph, BatchSpecs specs)
    {
        var outputs = graph.Outputs.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);
        for (int index = 0; index < graph.Nodes.Count; index++)
        {
            Node node = graph.Nodes[index];
            if (node.Outputs.Any(outputs.Contains)) continue;
            if (ValuesOf(graph, node, specs) is not { } values) continue;
            for (int i = 0; i < values.Length; i++)
            {
                if (node.Outputs[i].Length > 0) graph.Initializers[node.Outputs[i]] = values[i];
            }

            graph.Nodes.RemoveAt(index--);
        }
    }

    private static Tensor[]? ValuesOf(Graph graph, Node node, BatchSpecs specs)
    {
        Tensor?[] known = node.Outputs.Select(output => output.Length == 0 ? null : specs.ConstantOf(output)).ToArray();
        if (known.All(value => value is not null)) return known!;
        var inputs = new ValueSpec?[node.Inputs.Count];
        long inputBytes = 0;
        for (int i = 0; i < inputs.Length; i++)
        {
            if (node.Input(i) is not { } name) continue;
            if (!graph.Initializers.TryGetValue(name, out Tensor? value)) return null;
            inputs[i] = ValueSpec.Of(value);
            inputBytes += value.Bytes.Length;
        }

        var context = new NodeContext(node, graph.Opset, inputs);
        long bytes = OperatorTable.Infer(context).Sum(output => output.Shape is { } shape ? (long)shape.Count * output.Type.SizeInBytes() : 0);
        return bytes <= Math.Max(AlwaysFoldedBytes, MaxGrowth * inputBytes) ? OperatorTable.Run(context) : null;
    }
}
