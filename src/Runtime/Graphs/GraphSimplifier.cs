namespace CoInference.Runtime.Graphs;

/// <summary>
/// Brings an imported graph into the canonical form that splitting, pruning and sessions work on: still ONNX, still
/// exportable, the same function.
/// </summary>
/// <remarks>
/// Constants are folded, no-ops and unused nodes removed, batch normalization and per-channel arithmetic folded into the
/// convolution or Gemm before them, and several spellings of the same thing reduced to one: MatMul with a constant
/// matrix becomes Gemm with alpha = beta = transB = 1, spatial means become GlobalAveragePool, reshapes that keep the
/// batch axis and merge the rest become Flatten. Names of graph inputs and outputs stay.
/// </remarks>
public static class GraphSimplifier
{
    private const int MaxRounds = 8;

    /// <summary>Simplifies a graph.</summary>
    /// <param name="graph">The graph; not changed.</param>
    /// <param name="batch">
    /// A batch size the graph can run at. A first dimension that is declared symbolic stays symbolic: what depends on it
    /// is not folded.
    /// </param>
    /// <returns>A new graph. Simplifying it again gives an equal graph.</returns>
    /// <exception cref="NotSupportedException">An operator is not supported.</exception>
    /// <exception cref="InvalidDataException">Nodes and shapes do not fit each other; the message names the node.</exception>
    public static Graph Simplify(Graph graph, int batch = 1) => Simplify(graph, batch, foldsAffine: true);

    /// <summary>Simplifies a graph; without <paramref name="foldsAffine"/> normalizations stay nodes of their own, as training needs them.</summary>
    internal static Graph Simplify(Graph graph, int batch, bool foldsAffine)
    {
        ArgumentNullException.ThrowIfNull(graph);
        Graph result = graph.Clone();
        int before;
        int round = 0;
        do
        {
            before = Fingerprint(result);
            BatchSpecs specs = BatchSpecs.Of(result, batch);
            ConstantFolding.Run(result, specs);
            RemoveDeadNodes(result);
            NoOpRemoval.Run(result, specs);
            Canonicalization.Run(result, specs);
            if (foldsAffine) AffineFolding.Run(result, BatchSpecs.Of(result, batch));
            RemoveDeadNodes(result);
        }
        while (Fingerprint(result) != before && ++round < MaxRounds);
        return result;
    }

    /// <summary>Removes nodes and initializers that no graph output depends on.</summary>
    /// <param name="graph">The graph to change.</param>
    public static void RemoveDeadNodes(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var needed = new HashSet<string>(graph.Outputs.Select(output => output.Name), StringComparer.Ordinal);
        for (int index = graph.Nodes.Count - 1; index >= 0; index--)
        {
            Node node = graph.Nodes[index];
            if (node.Outputs.Any(needed.Contains)) needed.UnionWith(node.Inputs);
            else graph.Nodes.RemoveAt(index);
        }

        foreach (string name in graph.Initializers.Keys.Where(name => !needed.Contains(name)).ToArray()) graph.Initializers.Remove(name);
    }

    // Every pass either changes the nodes or leaves the graph as it is.
    private static int Fingerprint(Graph graph)
    {
        var hash = new HashCode();
        foreach (Node node in graph.Nodes)
        {
            hash.Add(node.OpType);
            foreach (string name in node.Inputs) hash.Add(name);
            foreach (string name in node.Outputs) hash.Add(name);
            hash.Add(node.Attributes.Count);
        }

        return hash.ToHashCode();
    }
}
