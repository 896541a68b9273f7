using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>
/// Folds batch normalization, and addition and multiplication by per-channel constants, into the convolution or Gemm
/// before it.
/// </summary>
internal static class AffineFolding
{
    public static void Run(Graph graph, BatchSpecs specs)
    {
        Dictionary<string, Node> producers = graph.Producers();
        Dictionary<string, List<Node>> consumers = graph.Consumers();
        var outputs = graph.Outputs.Select(output => output.Name).ToHashSet(StringComparer.Ordinal);
        for (int index = 0; index < graph.Nodes.Count; index++)
        {
            Node node = graph.Nodes[index];
            foreach (string input in node.Inputs.ToArray())
            {
                if (!producers.TryGetValue(input, out Node? layer) || !IsLinear(graph, layer)) continue;
                if (outputs.Contains(input) || consumers[input].Count != 1) continue;
                if (specs.ShapeOf(input) is not { Rank: >= 2 } shape || specs.ShapeOf(node.Outputs[0]) != shape) continue;
                if (AffineOf(graph, node, input, shape) is not { } affine || !affine.Scale.All(double.IsFinite)) continue;
                Fold(graph, layer, affine.Scale, affine.Shift, consumers);
                layer.Outputs[0] = node.Outputs[0];
                producers[node.Outputs[0]] = layer;
                graph.Nodes.RemoveAt(index--);
                break;
            }
        }
    }

    // A convolution, or a Gemm in canonical form, with constant float weights.
    private static bool IsLinear(Graph graph, Node node)
    {
        if (node.Domain.Length > 0 || node.Inputs.Count < 2 || !IsConstant(graph, node.Inputs[1]) || (node.Input(2) is { } bias && !IsConstant(graph, bias))) return false;
        if (node.OpType == "Conv") return true;
        return node.OpType == "Gemm" && node.Int("transA", 0) == 0 && node.Int("transB", 0) == 1 && node.Float("alpha", 1) == 1 && node.Float("beta", 1) == 1
            && (node.Input(2) is not { } c || graph.Initializers[c].Shape == new TensorShape(graph.Initializers[node.Inputs[1]].Shape[0]));
    }

    private static bool IsConstant(Graph graph, string name) => graph.Initializers.TryGetValue(name, out Tensor? value) && value.Type == ElementType.Float32;

    // The scale and shift per channel that the node applies to the value, or null when it does something else.
    private static (double[] Scale, double[] Shift)? AffineOf(Graph graph, Node node, string value, TensorShape shape)
    {
        int channels = shape[1];
        if (node.Domain.Length > 0) return null;
        if (node.OpType == "BatchNormalization") return node.Inputs[0] == value ? NormalizationOf(graph, node, channels) : null;
        if (node.OpType is not ("Add" or "Sub" or "Mul" or "Div") || node.Inputs.Count != 2) return null;
        bool first = node.Inputs[0] == value;
        if (!first && node.OpType is "Sub" or "Div") return null;
        if (PerChannel(graph, node.Inputs[first ? 1 : 0], shape) is not { } constants) return null;
        double[] ones = Enumerable.Repeat(1.0, channels).ToArray();
        return node.OpType switch
        {
            "Add" => (ones, constants),
            "Sub" => (ones, constants.Select(constant => -constant).ToArray()),
            "Mul" => (constants, new double[channels]),
            _ => (constants.Select(constant => 1 / constant).ToArray(), new double[channels]),
        };
    }

    private static (double[] Scale, double[] Shift)? NormalizationOf(Graph graph, Node node, int channels)
    {
        if (node.Int("training_mode", 0) != 0 || node.Inputs.Count != 5 || node.Outputs.Count(output => output.Length > 0) != 1) return null;
        if (!node.Inputs.Skip(1).All(name => IsConstant(graph, name) && graph.Initializers[name].Count == channels)) return null;
        float[][] parameters = node.Inputs.Skip(1).Select(name => graph.Initializers[name].Values<float>().ToArray()).ToArray();
        float epsilon = node.Float("epsilon", 1e-5f);
        var scale = new double[channels];
        var shift = new double[channels];
        for (int c = 0; c < channels; c++)
        {
            scale[c] = parameters[0][c] / Math.Sqrt((double)parameters[3][c] + epsilon);
            shift[c] = parameters[1][c] - (parameters[2][c] * scale[c]);
        }

        return (scale, shift);
    }

    // One value per channel when the constant has size 1 on every axis but the channels', else null.
    private static double[]? PerChannel(Graph graph, string name, TensorShape shape)
    {
        if (!IsConstant(graph, name)) return null;
        Tensor constant = graph.Initializers[name];
        int channels = shape[1];
        int channelAxis = 1 - shape.Rank;
        if (constant.Shape.Rank > shape.Rank) return null;
        for (int axis = -1; axis >= -constant.Shape.Rank; axis--)
        {
            if (constant.Shape[axis] != 1 && (axis != channelAxis || constant.Shape[axis] != channels)) return null;
        }

        float[] values = constant.Values<float>().ToArray();
        return Enumerable.Range(0, channels).Select(c => (double)values[values.Length == 1 ? 0 : c]).ToArray();
    }

    private static void Fold(Graph graph, Node layer, double[] scale, double[] shift, Dictionary<string, List<Node>> consumers)
    {
        Tensor weights = graph.Initializers[layer.Inputs[1]].Clone();
        int size = scale.Length == 0 ? 0 : weights.Count / scale.Length;
        Span<float> values = weights.Values<float>();
        for (int i = 0; i < values.Length; i++) values[i] = (float)(values[i] * scale[i / size]);
        var bias = new Tensor(ElementType.Float32, new TensorShape(scale.Length));
        float[]? old = layer.Input(2) is { } name ? graph.Initializers[name].Values<float>().ToArray() : null;
        for (int c = 0; c < scale.Length; c++) bias.Values<float>()[c] = (float)(((old?[c] ?? 0) * scale[c]) + shift[c]);
        layer.Inputs[1] = Store(graph, layer.Inputs[1], weights, consumers);
        if (layer.Input(2) is { } biasName) layer.Inputs[2] = Store(graph, biasName, bias, consumers);
        else
        {
            if (layer.Inputs.Count == 3) layer.Inputs.RemoveAt(2);
            layer.Inputs.Add(GraphNames.AddInitializer(graph, $"{layer.Name}.bias", bias));
        }
    }

    // An initializer that others read too stays as it is; the layer gets one of its own.
    private static string Store(Graph graph, string name, Tensor value, Dictionary<string, List<Node>> consumers)
    {
        bool shared = (consumers.TryGetValue(name, out List<Node>? readers) && readers.Count > 1) || graph.Outputs.Any(output => output.Name == name);
        if (shared) return GraphNames.AddInitializer(graph, $"{name}.folded", value);
        graph.Initializers[name] = value;
        return name;
    }
}
