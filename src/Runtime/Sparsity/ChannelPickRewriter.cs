using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Rewrites a slice, pad or gather along the channel axis for a network with fewer channels, as the cheapest chain of
/// standard operators: a slice of one run of channels, zero channels before and after, and a gather only when the
/// channels do not form a run.
/// </summary>
internal static class ChannelPickRewriter
{
    /// <summary>Replaces <paramref name="node"/> in <paramref name="graph"/>; its output keeps its name.</summary>
    /// <param name="graph">The graph to change.</param>
    /// <param name="node">The graph's copy of the node that picks channels; whatever it does along other axes is kept.</param>
    /// <param name="pick">What it does in the original network.</param>
    /// <param name="map">For each new output channel the new input channel it copies, or -1 for zero.</param>
    /// <param name="sourceChannels">Channels of its input now.</param>
    public static void Rewrite(Graph graph, Node node, ChannelPick pick, int[] map, int sourceChannels)
    {
        var chain = new List<Node>();
        if (WithoutChannels(graph, node, pick) is { } rest) chain.Add(rest);

        int first = Array.FindIndex(map, channel => channel >= 0);
        int last = Array.FindLastIndex(map, channel => channel >= 0);
        if (first < 0)
        {
            // Only zeros are left: append that many zero channels and keep nothing else.
            chain.Add(Pad(graph, node, pick.Rank, 0, map.Length));
            chain.Add(SliceRun(graph, node, sourceChannels, sourceChannels + map.Length));
        }
        else if (IsRun(map.AsSpan(first, last + 1 - first)))
        {
            if (map[first] > 0 || map[last] + 1 < sourceChannels) chain.Add(SliceRun(graph, node, map[first], map[last] + 1));
            if (first > 0 || last + 1 < map.Length) chain.Add(Pad(graph, node, pick.Rank, first, map.Length - 1 - last));
        }
        else if (map.AsSpan(first, last + 1 - first).Contains(-1))
        {
            chain.Add(Pad(graph, node, pick.Rank, 0, 1));
            chain.Add(Gather(graph, node, Array.ConvertAll(map, channel => channel < 0 ? sourceChannels : channel)));
        }
        else
        {
            chain.Add(Gather(graph, node, map[first..(last + 1)]));
            if (first > 0 || last + 1 < map.Length) chain.Add(Pad(graph, node, pick.Rank, first, map.Length - 1 - last));
        }

        if (chain.Count == 0) chain.Add(new Node { Name = node.Name, OpType = "Identity" });
        Connect(graph, node, chain);
    }

    private static void Connect(Graph graph, Node node, List<Node> chain)
    {
        string value = node.Inputs[0];
        for (int i = 0; i < chain.Count; i++)
        {
            if (chain[i].Inputs.Count == 0) chain[i].Inputs.Add(value);
            else chain[i].Inputs[0] = value;
            value = i + 1 == chain.Count ? node.Outputs[0] : $"{node.Outputs[0]}.{i}";
            chain[i].Outputs.Clear();
            chain[i].Outputs.Add(value);
        }

        int position = graph.Nodes.IndexOf(node);
        graph.Nodes.RemoveAt(position);
        graph.Nodes.InsertRange(position, chain);
    }

    private static bool IsRun(ReadOnlySpan<int> map)
    {
        for (int i = 1; i < map.Length; i++)
        {
            if (map[i] != map[i - 1] + 1) return false;
        }

        return map[0] >= 0;
    }

    /// <summary>What the node does along axes other than the channels', or null when that is nothing.</summary>
    private static Node? WithoutChannels(Graph graph, Node node, ChannelPick pick)
    {
        Node rest = node.Clone();
        switch (node.OpType)
        {
            case "Pad":
            {
                long[] pads = [.. node.Ints("pads") ?? Integers(graph, node, 1)!];
                pads[pick.Position] = pads[(pads.Length / 2) + pick.Position] = 0;
                if (pads.All(pad => pad == 0)) return null;
                if (node.Attributes.ContainsKey("pads")) rest.Attributes["pads"] = pads;
                else rest.Inputs[1] = AddIntegers(graph, $"{node.Name}.pads", pads);
                return rest;
            }

            case "Slice":
            {
                long[] starts = [.. node.Ints("starts") ?? Integers(graph, node, 1)!];
                long[] ends = [.. node.Ints("ends") ?? Integers(graph, node, 2)!];
                long[]? steps = Integers(graph, node, 4);
                if (starts.Length == 1) return null;

                // The original channel count is the end of the whole axis for any smaller count too.
                starts[pick.Position] = 0;
                ends[pick.Position] = pick.Source.Channels;
                if (node.Attributes.ContainsKey("starts"))
                {
                    rest.Attributes["starts"] = starts;
                    rest.Attributes["ends"] = ends;
                    return rest;
                }

                rest.Inputs[1] = AddIntegers(graph, $"{node.Name}.starts", starts);
                rest.Inputs[2] = AddIntegers(graph, $"{node.Name}.ends", ends);
                if (steps is not null && steps[pick.Position] != 1)
                {
                    steps = [.. steps];
                    steps[pick.Position] = 1;
                    rest.Inputs[4] = AddIntegers(graph, $"{node.Name}.steps", steps);
                }

                return rest;
            }

            default:
                return null;
        }
    }

    private static Node SliceRun(Graph graph, Node node, int start, int end)
    {
        Node slice = Operator(node, "Slice", "slice");
        if (graph.Opset < 10)
        {
            slice.Attributes["starts"] = new[] { (long)start };
            slice.Attributes["ends"] = new[] { (long)end };
            slice.Attributes["axes"] = new[] { 1L };
            return slice;
        }

        slice.Inputs.Add(AddIntegers(graph, $"{slice.Name}.starts", [start]));
        slice.Inputs.Add(AddIntegers(graph, $"{slice.Name}.ends", [end]));
        slice.Inputs.Add(AddIntegers(graph, $"{slice.Name}.axes", [1]));
        return slice;
    }

    private static Node Pad(Graph graph, Node node, int rank, int before, int after)
    {
        Node pad = Operator(node, "Pad", "pad");
        long[] pads = new long[2 * rank];
        pads[1] = before;
        pads[rank + 1] = after;
        if (graph.Opset < 11) pad.Attributes["pads"] = pads;
        else pad.Inputs.Add(AddIntegers(graph, $"{pad.Name}.pads", pads));
        return pad;
    }

    private static Node Gather(Graph graph, Node node, int[] channels)
    {
        Node gather = Operator(node, "Gather", "gather");
        gather.Attributes["axis"] = 1L;
        gather.Inputs.Add(AddIntegers(graph, $"{gather.Name}.indices", Array.ConvertAll(channels, channel => (long)channel)));
        return gather;
    }

    private static Node Operator(Node node, string operation, string suffix)
    {
        var created = new Node { Name = $"{node.Name}.channels.{suffix}", OpType = operation };
        created.Inputs.Add(node.Inputs[0]);
        return created;
    }

    private static string AddIntegers(Graph graph, string name, long[] values)
    {
        graph.Initializers[name] = Tensor.From<long>(new TensorShape(values.Length), values);
        return name;
    }

    private static long[]? Integers(Graph graph, Node node, int index) =>
        node.Input(index) is { } name && graph.Initializers.TryGetValue(name, out Tensor? value)
            ? value.Type == ElementType.Int32 ? Array.ConvertAll(value.Values<int>().ToArray(), number => (long)number) : value.Values<long>().ToArray()
            : null;
}
