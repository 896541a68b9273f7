using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>Finds names for values that passes add to a graph.</summary>
internal static class GraphNames
{
    /// <summary>Adds an initializer under a name that nothing in the graph uses yet.</summary>
    /// <param name="graph">The graph to change.</param>
    /// <param name="stem">The name, if it is free; else the start of it.</param>
    /// <param name="value">The value.</param>
    /// <returns>The name.</returns>
    public static string AddInitializer(Graph graph, string stem, Tensor value)
    {
        string name = stem;
        for (int attempt = 2; IsTaken(graph, name); attempt++) name = $"{stem}_{attempt}";
        graph.Initializers.Add(name, value);
        return name;
    }

    private static bool IsTaken(Graph graph, string name) =>
        graph.Initializers.ContainsKey(name) || graph.Inputs.Any(input => input.Name == name) || graph.Nodes.Any(node => node.Outputs.Contains(name));
}
