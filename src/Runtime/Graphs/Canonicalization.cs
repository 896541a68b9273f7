using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>Reduces several spellings of the same computation to one.</summary>
internal static class Canonicalization
{
    public static void Run(Graph graph, BatchSpecs specs)
    {
        for (int index = 0; index < graph.Nodes.Count; index++)
        {
            Node node = graph.Nodes[index];
            if (node.Domain.Length > 0 || node.Input(0) is null || specs.ShapesOf(node.Inputs[0]) is not { } input || specs.ShapesOf(node.Outputs[0]) is not { } output)
                continue;
            Node? replacement = node.OpType switch
            {
                "Reshape" or "Squeeze" => Flatten(node, input, output) ?? OpenBatch(graph, node, output),
                "AveragePool" => GlobalPool(node, "GlobalAveragePool", input.First, output.First),
                "MaxPool" when node.Outputs.Count == 1 => GlobalPool(node, "GlobalMaxPool", input.First, output.First),
                "ReduceMean" => GlobalMean(graph, node, input.First, output.First),
                "MatMul" => MatrixToGemm(graph, node, input.First),
                "Gemm" => PlainGemm(graph, node),
                _ => null,
            };
            if (replacement is not null) graph.Nodes[index] = replacement;
        }
    }

    // Merging all axes but the first is Flatten, whatever constant the export used as target.
    private static Node? Flatten(Node node, (TensorShape First, TensorShape Second) input, (TensorShape First, TensorShape Second) output)
    {
        if (output.First.Rank != 2 || input.First.Rank < 2) return null;
        if (output.First[0] != input.First[0] || output.Second[0] != input.Second[0]) return null;
        Node flatten = Replace(node, "Flatten", node.Inputs[0]);
        flatten.Attributes["axis"] = 1L;
        return flatten;
    }

    // A target computed from the batch size becomes a constant in which the batch axis is open.
    private static Node? OpenBatch(Graph graph, Node node, (TensorShape First, TensorShape Second) output)
    {
        if (node.OpType != "Reshape" || graph.Initializers.ContainsKey(node.Inputs[1]) || output.First.Rank != output.Second.Rank) return null;
        if (output.First.Count == 0 || output.Second.Count == 0) return null;
        var target = new long[output.First.Rank];
        for (int axis = 0; axis < target.Length; axis++) target[axis] = output.First[axis] == output.Second[axis] ? output.First[axis] : -1;
        if (target.Count(size => size == -1) > 1) return null;
        Node reshape = node.Clone();
        reshape.Inputs[1] = GraphNames.AddInitializer(graph, $"{node.Name}.shape", Tensor.From<long>(new TensorShape(target.Length), target));
        return reshape;
    }

    private static Node? GlobalPool(Node node, string opType, TensorShape input, TensorShape output)
    {
        if (input.Rank < 3 || output.Count == 0 || output.Dimensions[2..].ContainsAnyExcept(1)) return null;
        SpatialWindow window = NodeWindows.Pooling(node, input);
        bool coversAll = window.Kernel.AsSpan().SequenceEqual(window.Input)
            && !window.PadsBegin.AsSpan().ContainsAnyExcept(0) && !window.PadsEnd.AsSpan().ContainsAnyExcept(0)
            && !window.Dilations.AsSpan().ContainsAnyExcept(1);
        return coversAll ? Replace(node, opType, node.Inputs[0]) : null;
    }

    private static Node? GlobalMean(Graph graph, Node node, TensorShape input, TensorShape output)
    {
        if (input.Rank < 3 || output.Rank != input.Rank || output[0] != input[0] || output[1] != input[1]) return null;
        long[]? axes = node.Ints("axes")
            ?? (node.Input(1) is { } name && graph.Initializers.TryGetValue(name, out Tensor? listed) && listed.Type == ElementType.Int64 ? listed.Values<long>().ToArray() : null);
        if (axes is null) return null;
        bool[] reduced = Axes.Mark(axes, input.Rank);
        return !reduced[0] && !reduced[1] && reduced.AsSpan(2).IndexOf(false) < 0 ? Replace(node, "GlobalAveragePool", node.Inputs[0]) : null;
    }

    private static Node? MatrixToGemm(Graph graph, Node node, TensorShape input)
    {
        if (input.Rank != 2 || !graph.Initializers.TryGetValue(node.Inputs[1], out Tensor? weights) || weights.Shape.Rank != 2 || weights.Type != ElementType.Float32) return null;
        string name = GraphNames.AddInitializer(graph, $"{node.Name}.weight", Transposition.Transpose(weights, [1, 0]));
        Node gemm = Replace(node, "Gemm", node.Inputs[0], name);
        gemm.Attributes["transB"] = 1L;
        return gemm;
    }

    // Constant factors move into the constants they scale; the weights become [outputs, inputs].
    private static Node? PlainGemm(Graph graph, Node node)
    {
        bool transposed = node.Int("transB", 0) != 0;
        (float alpha, float beta) = (node.Float("alpha", 1), node.Float("beta", 1));
        if (node.Int("transA", 0) != 0 || !graph.Initializers.TryGetValue(node.Inputs[1], out Tensor? weights) || weights.Type != ElementType.Float32) return null;
        Tensor? bias = null;
        if (node.Input(2) is { } biasName && !graph.Initializers.TryGetValue(biasName, out bias)) return null;
        int outputs = weights.Shape[transposed ? 0 : 1];
        if (bias is not null && bias.Count != 1 && bias.Count != outputs) return null;
        if (bias is { Shape.Rank: 2 } && bias.Shape[0] != 1) return null;
        bool plainBias = bias is null || (beta == 1 && bias.Shape == new TensorShape(outputs));
        if (transposed && alpha == 1 && plainBias) return null;

        Node gemm = Replace(node, "Gemm", node.Inputs[0]);
        gemm.Attributes["transB"] = 1L;
        Tensor matrix = transposed ? weights.Clone() : Transposition.Transpose(weights, [1, 0]);
        foreach (ref float weight in matrix.Values<float>()) weight *= alpha;
        gemm.Inputs.Add(GraphNames.AddInitializer(graph, $"{node.Name}.weight", matrix));
        if (bias is null) return gemm;
        Tensor vector = Broadcasting.Expand(bias.Count == 1 ? bias.Reshape(new TensorShape(1)) : bias.Reshape(new TensorShape(outputs)), new TensorShape(outputs)).Clone();
        foreach (ref float value in vector.Values<float>()) value *= beta;
        gemm.Inputs.Add(GraphNames.AddInitializer(graph, $"{node.Name}.bias", vector));
        return gemm;
    }

    private static Node Replace(Node node, string opType, params ReadOnlySpan<string> inputs)
    {
        var replacement = new Node { Name = node.Name, OpType = opType };
        foreach (string input in inputs) replacement.Inputs.Add(input);
        replacement.Outputs.Add(node.Outputs[0]);
        return replacement;
    }
}
