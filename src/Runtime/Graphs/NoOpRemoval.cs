using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>Removes nodes that hand their first input on unchanged.</summary>
internal static class NoOpRemoval
{
    public static void Run(Graph graph, BatchSpecs specs)
    {
        for (int index = 0; index < graph.Nodes.Count; index++)
        {
            Node node = graph.Nodes[index];
            if (!IsNoOp(graph, node, specs) || !TryBypass(graph, node)) continue;
            graph.Nodes.RemoveAt(index--);
        }
    }

    private static bool IsNoOp(Graph graph, Node node, BatchSpecs specs) => node.Domain.Length == 0 && node.OpType switch
    {
        "Identity" => true,
        "Dropout" => !IsTraining(graph, node) && !IsUsed(graph, node.Outputs.ElementAtOrDefault(1)),
        "Cast" => node.Input(0) is { } input && specs.TypeOf(input) == specs.TypeOf(node.Outputs[0]),
        "Concat" or "Sum" or "Max" or "Min" => node.Inputs.Count == 1,
        "Pad" => PadsOf(graph, node) is { } pads && pads.All(pad => pad == 0),
        _ => false,
    };

    private static bool IsTraining(Graph graph, Node node) =>
        node.Input(2) is { } flag && !(graph.Initializers.TryGetValue(flag, out Tensor? value) && value is { Type: ElementType.Bool, Count: 1 } && value.Bytes[0] == 0);

    private static bool IsUsed(Graph graph, string? value) => !string.IsNullOrEmpty(value)
        && (graph.Outputs.Any(output => output.Name == value) || graph.Nodes.Any(node => node.Inputs.Contains(value)));

    private static long[]? PadsOf(Graph graph, Node node) => node.Ints("pads")
        ?? (node.Input(1) is { } name && graph.Initializers.TryGetValue(name, out Tensor? pads) && pads.Type == ElementType.Int64
            ? pads.Values<long>().ToArray()
            : null);

    // Readers of the output read the input instead. A graph output keeps its name: then its producer is renamed, which
    // is possible only when the input is made by a node and is no graph output itself.
    private static bool TryBypass(Graph graph, Node node)
    {
        (string from, string to) = (node.Inputs[0], node.Outputs[0]);
        if (!graph.Outputs.Any(output => output.Name == to))
        {
            foreach (Node reader in graph.Nodes) Rename(reader.Inputs, to, from);
            return true;
        }

        Node? producer = graph.Nodes.Find(candidate => candidate.Outputs.Contains(from));
        if (producer is null || graph.Outputs.Any(output => output.Name == from)) return false;
        Rename(producer.Outputs, from, to);
        foreach (Node reader in graph.Nodes) Rename(reader.Inputs, from, to);
        return true;
    }

    private static void Rename(List<string> names, string from, string to)
    {
        for (int i = 0; i < names.Count; i++)
        {
            if (names[i] == from) names[i] = to;
        }
    }
}
