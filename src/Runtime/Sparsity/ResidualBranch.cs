using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// What a group of channels carries when all it does is to compute one summand of a residual sum: without its channels
/// the whole branch can go, and what is left of the sum is its other summand.
/// </summary>
/// <remarks>
/// G. Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, drops such branches while training. Here it is the last step of
/// narrowing a block: time that no narrower layer could save, since thin layers leave vectors half empty.
/// </remarks>
/// <param name="Term">The value that the branch adds.</param>
/// <param name="Sum">The value it is added into.</param>
internal sealed record ResidualBranch(string Term, string Sum)
{
    /// <summary>The branches of a network by the space of their channels. No sum appears twice: one of its summands has to stay.</summary>
    /// <param name="graph">The canonical graph.</param>
    /// <param name="analysis">Its channels.</param>
    public static IReadOnlyDictionary<ChannelSpace, ResidualBranch> Find(Graph graph, ChannelAnalysis analysis)
    {
        Dictionary<string, List<Node>> consumers = graph.Consumers();
        var exits = new Dictionary<ChannelSpace, List<Node>>();
        foreach (Node node in graph.Nodes)
        {
            foreach (ChannelLayout read in node.Inputs.Select(analysis.LayoutOf).OfType<ChannelLayout>().Distinct())
            {
                ChannelLayout? made = analysis.LayoutOf(node.Outputs[0]);
                foreach (ChannelSpace space in read.Parts.Select(part => part.Root).Distinct())
                {
                    if (read.Parts.Count == 1 && made is { Parts.Count: 1 } && made.Parts[0].Root == space) continue;
                    if (!exits.TryGetValue(space, out List<Node>? leaving)) exits[space] = leaving = [];
                    leaving.Add(node);
                }
            }
        }

        var branches = new Dictionary<ChannelSpace, ResidualBranch>();
        var sums = new HashSet<string>(StringComparer.Ordinal);
        foreach (ChannelSpace space in PrunableGroups.ChannelSpaces(analysis))
        {
            if (exits.GetValueOrDefault(space) is not [{ OpType: "Conv" or "Gemm" or "MatMul" } exit] || SumOf(exit, graph, analysis, consumers) is not { } sum) continue;
            if (sums.Add(sum)) branches.Add(space, new ResidualBranch(exit.Outputs[0], sum));
        }

        return branches;
    }

    /// <summary>Takes the branch out of a network: the sum hands its other summand on, under its own name. The branch's layers are left without readers.</summary>
    public void RemoveFrom(Graph graph)
    {
        Node sum = graph.Nodes.First(node => node.Outputs.Contains(Sum));
        sum.OpType = "Identity";
        sum.Inputs.Remove(Term);
        sum.Attributes.Clear();
    }

    private static string? SumOf(Node exit, Graph graph, ChannelAnalysis analysis, Dictionary<string, List<Node>> consumers)
    {
        string term = exit.Outputs[0];
        if (consumers.GetValueOrDefault(term) is not [{ OpType: "Add" } sum] || sum.Inputs.Any(graph.Initializers.ContainsKey)
            || graph.Outputs.Any(output => output.Name == term)) return null;
        string other = sum.Inputs[0] == term ? sum.Inputs[1] : sum.Inputs[0];
        return analysis.ShapeOf(other) is { } shape && shape == analysis.ShapeOf(sum.Outputs[0]) ? sum.Outputs[0] : null;
    }
}
