using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// The weights of a convolution or fully connected layer in the order of a matrix product over pixel-major
/// activations, and back.
/// </summary>
internal sealed class LayerWeights
{
    private readonly Node _node;
    private readonly Graph _graph;

    private LayerWeights(Node node, Graph graph, ConvShape shape)
    {
        (_node, _graph, Shape) = (node, graph, shape);
        Taps = shape.WeightCount / shape.OutChannels;
        Matrix = new float[shape.WeightCount];
        Bias = new float[shape.OutChannels];
    }

    /// <summary>The layer.</summary>
    public ConvShape Shape { get; }

    /// <summary>Weights per output channel.</summary>
    public int Taps { get; }

    /// <summary>[Taps, OutChannels]; taps in the order kernel row, kernel column, input channel.</summary>
    public float[] Matrix { get; }

    /// <summary>[OutChannels].</summary>
    public float[] Bias { get; }

    /// <summary>Reads a layer; null when the node is not one, see <see cref="LayerShape.Of"/>.</summary>
    public static LayerWeights? Read(Node node, Graph graph, TensorShape inputShape)
    {
        if (LayerShape.Of(node, graph, inputShape) is not { } shape) return null;
        if (node.Input(2) is { } biasName && !graph.Initializers.ContainsKey(biasName)) return null;
        var layer = new LayerWeights(node, graph, shape);
        ReadOnlySpan<float> values = graph.Initializers[node.Inputs[1]].Values<float>();
        float alpha = layer.Alpha;
        for (int o = 0; o < shape.OutChannels; o++)
        {
            for (int tap = 0; tap < layer.Taps; tap++) layer.Matrix[(tap * shape.OutChannels) + o] = alpha * values[layer.IndexOf(o, tap)];
        }

        if (node.Input(2) is { } name)
        {
            ReadOnlySpan<float> bias = graph.Initializers[name].Values<float>();
            for (int o = 0; o < shape.OutChannels; o++) layer.Bias[o] = layer.Beta * bias[bias.Length == 1 ? 0 : o];
        }

        return layer;
    }

    /// <summary>Writes weights and bias back into the graph, as tensors of this node alone.</summary>
    public void Write()
    {
        Tensor original = _graph.Initializers[_node.Inputs[1]];
        var weights = new Tensor(ElementType.Float32, original.Shape);
        Span<float> values = weights.Values<float>();
        for (int o = 0; o < Shape.OutChannels; o++)
        {
            for (int tap = 0; tap < Taps; tap++) values[IndexOf(o, tap)] = Matrix[(tap * Shape.OutChannels) + o];
        }

        _node.Attributes.Remove("alpha");
        _node.Attributes.Remove("beta");
        Replace(1, "weight", weights);
        if (_node.OpType == "MatMul") return;
        Replace(2, "bias", Tensor.From<float>(new TensorShape(Shape.OutChannels), Bias));
    }

    /// <summary>Whether the layer can have a bias without another node.</summary>
    public bool HasBias => _node.OpType != "MatMul";

    /// <summary>Position in the ONNX tensor of the weight of output <paramref name="o"/> at <paramref name="tap"/>.</summary>
    public int IndexOf(int o, int tap)
    {
        if (_node.OpType == "Conv")
        {
            int channels = Shape.InChannels / Shape.Groups, channel = tap % channels, position = tap / channels;
            return (((o * channels) + channel) * Shape.KernelHeight * Shape.KernelWidth) + position;
        }

        return IsOutputFirst ? (o * Taps) + tap : (tap * Shape.OutChannels) + o;
    }

    private bool IsOutputFirst => _node.OpType == "Gemm" && _node.Int("transB", 0) != 0;

    private float Alpha => _node.OpType == "Gemm" ? _node.Float("alpha", 1) : 1;

    private float Beta => _node.OpType == "Gemm" ? _node.Float("beta", 1) : 1;

    private void Replace(int input, string role, Tensor value)
    {
        string name = $"{_node.Name}.refit.{role}";
        if (_node.Inputs.Count > input) _node.Inputs[input] = name;
        else _node.Inputs.Add(name);
        _graph.Initializers[name] = value;
    }
}
