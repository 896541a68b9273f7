using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training;

/// <summary>Writes a classifier down node by node, with weights drawn for rectified activations (He et al. 2015).</summary>
internal sealed class GraphBuilder
{
    private readonly Graph _graph;
    private SplitMix64 _random;

    /// <summary>Starts a graph with one image input.</summary>
    public GraphBuilder(string name, int channels, int height, int width, ulong seed)
    {
        _random = new SplitMix64(seed);
        _graph = new Graph { Name = name };
        _graph.Inputs.Add(new ValueInfo("input", ElementType.Float32, [new Dimension(null, "N"), new Dimension(channels), new Dimension(height), new Dimension(width)]));
    }

    /// <summary>A convolution with He-normal weights (deviation sqrt(2 / fan-in)) and, when asked for, a zero bias.</summary>
    public string Conv(string name, string input, int inChannels, int outChannels, int kernel, int stride = 1, int groups = 1, bool bias = false)
    {
        int inputs = inChannels / groups;
        Initializer($"{name}.weight", Draw(outChannels * inputs * kernel * kernel, Math.Sqrt(2.0 / (inputs * kernel * kernel))), outChannels, inputs, kernel, kernel);
        if (bias) Initializer($"{name}.bias", new float[outChannels], outChannels);
        Node node = Add("Conv", name, bias ? [input, $"{name}.weight", $"{name}.bias"] : [input, $"{name}.weight"]);
        long pad = (kernel - 1) / 2;
        node.Attributes["kernel_shape"] = new long[] { kernel, kernel };
        node.Attributes["strides"] = new long[] { stride, stride };
        node.Attributes["pads"] = new[] { pad, pad, pad, pad };
        if (groups > 1) node.Attributes["group"] = (long)groups;
        return node.Outputs[0];
    }

    /// <summary>A batch normalization: scale 1, shift 0, running mean 0, running variance 1.</summary>
    public string Normalize(string name, string input, int channels)
    {
        Initializer($"{name}.weight", Filled(channels, 1), channels);
        Initializer($"{name}.bias", new float[channels], channels);
        Initializer($"{name}.running_mean", new float[channels], channels);
        Initializer($"{name}.running_var", Filled(channels, 1), channels);
        Node node = Add("BatchNormalization", name, [input, $"{name}.weight", $"{name}.bias", $"{name}.running_mean", $"{name}.running_var"]);
        node.Attributes["epsilon"] = 1e-5f;
        return node.Outputs[0];
    }

    public string Relu(string name, string input) => Add("Relu", name, [input]).Outputs[0];

    /// <summary>ReLU6: a clamp to [0, 6].</summary>
    public string Relu6(string name, string input)
    {
        _graph.Initializers.TryAdd("zero", Tensor.Scalar(0f));
        _graph.Initializers.TryAdd("six", Tensor.Scalar(6f));
        return Add("Clip", name, [input, "zero", "six"]).Outputs[0];
    }

    public string Sum(string name, string first, string second) => Add("Add", name, [first, second]).Outputs[0];

    public string MaxPool(string name, string input, int kernel, int stride, int pad = 0)
    {
        Node node = Add("MaxPool", name, [input]);
        node.Attributes["kernel_shape"] = new long[] { kernel, kernel };
        node.Attributes["strides"] = new long[] { stride, stride };
        if (pad > 0) node.Attributes["pads"] = new long[] { pad, pad, pad, pad };
        return node.Outputs[0];
    }

    /// <summary>Every second pixel, with zero channels added evenly before and behind: the parameter-free shortcut of He et al. (2015).</summary>
    public string SubsampledShortcut(string name, string input, int addedChannels)
    {
        Ints($"{name}.starts", 0, 0);
        Ints($"{name}.ends", int.MaxValue, int.MaxValue);
        Ints($"{name}.axes", 2, 3);
        Ints($"{name}.steps", 2, 2);
        string sliced = Add("Slice", $"{name}.slice", [input, $"{name}.starts", $"{name}.ends", $"{name}.axes", $"{name}.steps"]).Outputs[0];
        int before = addedChannels / 2;
        Ints($"{name}.pads", 0, before, 0, 0, 0, addedChannels - before, 0, 0);
        return Add("Pad", $"{name}.pad", [sliced, $"{name}.pads"]).Outputs[0];
    }

    /// <summary>Ends the graph with a global average and a linear layer.</summary>
    public Graph Classify(string input, int channels, int classes)
    {
        string pooled = Add("GlobalAveragePool", "pool", [input]).Outputs[0];
        Node flatten = Add("Flatten", "flatten", [pooled]);
        flatten.Attributes["axis"] = 1L;
        Initializer("linear.weight", Draw(classes * channels, Math.Sqrt(1.0 / channels)), classes, channels);
        Initializer("linear.bias", new float[classes], classes);
        Node linear = Add("Gemm", "linear", [flatten.Outputs[0], "linear.weight", "linear.bias"]);
        linear.Attributes["transB"] = 1L;
        linear.Outputs[0] = "logits";
        _graph.Outputs.Add(new ValueInfo("logits", ElementType.Float32, [new Dimension(null, "N"), new Dimension(classes)]));
        return _graph;
    }

    private Node Add(string op, string name, List<string> inputs)
    {
        var node = new Node { Name = name, OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add($"{name}.out");
        _graph.Nodes.Add(node);
        return node;
    }

    private void Initializer(string name, float[] values, params ReadOnlySpan<int> shape) => _graph.Initializers.Add(name, Tensor.From<float>(new TensorShape(shape), values));

    private void Ints(string name, params ReadOnlySpan<long> values) => _graph.Initializers.Add(name, Tensor.From(new TensorShape(values.Length), values));

    private static float[] Filled(int count, float value)
    {
        var values = new float[count];
        Array.Fill(values, value);
        return values;
    }

    private float[] Draw(int count, double deviation)
    {
        var values = new float[count];
        foreach (ref float value in values.AsSpan())
            value = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - _random.Unit())) * Math.Cos(2 * Math.PI * _random.Unit()));
        return values;
    }
}
