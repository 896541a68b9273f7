using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Splitting;

/// <summary>
/// Finds every legal cut: a value that lies on all paths from the network's input to its output. Initializers, and
/// nodes that depend on initializers alone, are copied to the half that needs them and never cross.
/// </summary>
public static class CutFinder
{
    /// <summary>
    /// The cuts worth searching, in graph order: the input, every interior cut that is not
    /// <see cref="Cut.IsDominated">dominated</see>, and the output.
    /// </summary>
    /// <param name="canonical">A simplified graph with one input and one output.</param>
    /// <exception cref="NotSupportedException">The graph has several inputs or outputs.</exception>
    /// <exception cref="InvalidDataException">A shape cannot be inferred, or the output does not depend on the input.</exception>
    public static IReadOnlyList<Cut> Find(Graph canonical) => FindAll(canonical).Where(cut => !cut.IsDominated).ToList();

    /// <summary>
    /// All legal cuts in graph order. A value right before an activation is dominated by the value after it (the
    /// activation is fused into the kernel and its result has less information to send); a value that only renames or
    /// reshapes its predecessor is dominated by that predecessor, which still has its channels.
    /// </summary>
    /// <inheritdoc cref="Find" path="/param|/exception"/>
    public static IReadOnlyList<Cut> FindAll(Graph canonical)
    {
        (string input, string output) = Ends(canonical);
        IReadOnlyDictionary<string, ValueSpec> specs = ShapeInference.Infer(canonical);
        List<Node> path = NodesBetween(canonical, input, output);

        // Between two consecutive nodes of the path, exactly the values with a reader further on are live. Every node
        // lies on some path from input to output, so a single live value is one that all paths share.
        var remainingReads = new Dictionary<string, int>(StringComparer.Ordinal) { [output] = 1 };
        foreach (string read in path.SelectMany(node => node.Inputs)) remainingReads[read] = remainingReads.GetValueOrDefault(read) + 1;
        var live = new HashSet<string>(StringComparer.Ordinal) { input };
        var cuts = new List<Cut> { Describe(input, 0, CutKind.Input, specs) };
        for (int i = 0; i < path.Count; i++)
        {
            foreach (string read in path[i].Inputs)
            {
                if (--remainingReads[read] == 0) live.Remove(read);
            }

            foreach (string written in path[i].Outputs)
            {
                if (remainingReads.GetValueOrDefault(written) > 0) live.Add(written);
            }

            if (live.Count != 1) continue;
            string value = live.First();
            if (specs.GetValueOrDefault(value)?.Type is { } type && type != ElementType.Float32) continue;
            cuts.Add(Describe(value, i + 1, value == output ? CutKind.Output : CutKind.Interior, specs) with
            {
                IsDominated = value != output && IsDominated(path, i),
            });
        }

        return cuts;
    }

    /// <summary>The name of the only input and of the only output.</summary>
    /// <exception cref="NotSupportedException">There are several.</exception>
    internal static (string Input, string Output) Ends(Graph graph) => graph is { Inputs: [var input], Outputs: [var output] }
        ? (input.Name, output.Name)
        : throw new NotSupportedException(
            $"Graph '{graph.Name}' has {graph.Inputs.Count} inputs and {graph.Outputs.Count} outputs; splitting needs exactly one of each.");

    private static Cut Describe(string value, int position, CutKind kind, IReadOnlyDictionary<string, ValueSpec> specs)
    {
        if (specs.GetValueOrDefault(value) is not { Shape: { } shape } spec)
            throw new InvalidDataException($"The shape of value '{value}' is not known, so the network cannot be cut there.");
        return new Cut(value, shape, (long)shape.Count * spec.Type.SizeInBytes(), position, kind);
    }

    private static List<Node> NodesBetween(Graph graph, string input, string output)
    {
        var reachable = new HashSet<string>(StringComparer.Ordinal) { input };
        foreach (Node node in graph.Nodes)
        {
            if (node.Inputs.Any(reachable.Contains)) reachable.UnionWith(node.Outputs.Where(name => name.Length > 0));
        }

        if (!reachable.Contains(output))
            throw new InvalidDataException($"Output '{output}' of graph '{graph.Name}' does not depend on input '{input}'.");
        var needed = new HashSet<string>(StringComparer.Ordinal) { output };
        var path = new List<Node>();
        foreach (Node node in Enumerable.Reverse(graph.Nodes))
        {
            if (!node.Outputs.Any(needed.Contains) || !node.Inputs.Any(reachable.Contains)) continue;
            needed.UnionWith(node.Inputs.Where(reachable.Contains));
            path.Add(node);
        }

        path.Reverse();
        return path;
    }

    private static bool IsDominated(List<Node> path, int position) =>
        IsView(path[position]) || (position + 1 < path.Count && IsActivation(path[position + 1]));

    private static bool IsView(Node node) =>
        node.OpType is "Identity" or "Dropout" or "Flatten" or "Reshape" or "Squeeze" or "Unsqueeze";

    private static bool IsActivation(Node node) => node.OpType
        is "Relu" or "Clip" or "LeakyRelu" or "PRelu" or "Sigmoid" or "HardSigmoid" or "HardSwish" or "Tanh" or "Elu";
}
