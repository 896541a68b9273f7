namespace CoInference.Runtime.Graphs;

/// <summary>Checks how the nodes of a graph are connected and puts them in topological order.</summary>
public static class GraphOrder
{
    /// <summary>
    /// Reorders the nodes so that each comes after the producers of its inputs; nodes that are in order keep it. Checks
    /// that every value is defined exactly once and every value read is defined.
    /// </summary>
    /// <param name="graph">The graph; only the order of its nodes changes.</param>
    /// <param name="source">What messages call the graph.</param>
    /// <exception cref="InvalidDataException">A value is defined twice or not at all, or nodes form a cycle.</exception>
    public static void Sort(Graph graph, string source)
    {
        ArgumentNullException.ThrowIfNull(graph);
        Dictionary<string, int> definitions = Define(graph, source);
        CheckUses(graph, source, definitions);
        graph.Nodes.Sort(OrderOf(graph, source, definitions));
    }

    private static void Sort(this List<Node> nodes, List<int> order)
    {
        Node[] sorted = order.Select(index => nodes[index]).ToArray();
        nodes.Clear();
        nodes.AddRange(sorted);
    }

    // Value name -> index of the node that writes it, -1 for inputs and initializers.
    private static Dictionary<string, int> Define(Graph graph, string source)
    {
        var definitions = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string name in graph.Initializers.Keys) definitions.Add(name, -1);
        foreach (ValueInfo input in graph.Inputs)
        {
            if (!definitions.TryAdd(input.Name, -1)) throw new InvalidDataException($"{source}: input '{input.Name}' is defined twice.");
        }

        for (int index = 0; index < graph.Nodes.Count; index++)
        {
            foreach (string output in graph.Nodes[index].Outputs)
            {
                if (output.Length > 0 && !definitions.TryAdd(output, index))
                    throw new InvalidDataException($"{source}: value '{output}', written by node {graph.Nodes[index]}, is defined twice.");
            }
        }

        return definitions;
    }

    private static void CheckUses(Graph graph, string source, Dictionary<string, int> definitions)
    {
        foreach (Node node in graph.Nodes)
        {
            foreach (string input in node.Inputs)
            {
                if (input.Length > 0 && !definitions.ContainsKey(input))
                    throw new InvalidDataException($"{source}: node {node} reads value '{input}', which nothing defines.");
            }
        }

        foreach (ValueInfo output in graph.Outputs)
        {
            if (!definitions.ContainsKey(output.Name))
                throw new InvalidDataException($"{source}: nothing defines the graph output '{output.Name}'.");
        }
    }

    // Kahn's algorithm; the ready node with the smallest index goes first, so a sorted graph stays as it is.
    private static List<int> OrderOf(Graph graph, string source, Dictionary<string, int> definitions)
    {
        var waitsFor = new int[graph.Nodes.Count];
        var readers = new Dictionary<int, List<int>>();
        for (int index = 0; index < waitsFor.Length; index++)
        {
            foreach (string input in graph.Nodes[index].Inputs)
            {
                if (input.Length == 0 || definitions[input] is not (>= 0 and var producer)) continue;
                waitsFor[index]++;
                if (!readers.TryGetValue(producer, out List<int>? list)) readers[producer] = list = [];
                list.Add(index);
            }
        }

        var ready = new PriorityQueue<int, int>();
        for (int index = 0; index < waitsFor.Length; index++)
        {
            if (waitsFor[index] == 0) ready.Enqueue(index, index);
        }

        var order = new List<int>(waitsFor.Length);
        while (ready.TryDequeue(out int index, out _))
        {
            order.Add(index);
            if (!readers.TryGetValue(index, out List<int>? list)) continue;
            foreach (int reader in list)
            {
                if (--waitsFor[reader] == 0) ready.Enqueue(reader, reader);
            }
        }

        if (order.Count == waitsFor.Length) return order;
        int stuck = Array.FindIndex(waitsFor, count => count > 0);
        throw new InvalidDataException($"{source}: node {graph.Nodes[stuck]} waits for its own output; the graph has a cycle.");
    }
}
