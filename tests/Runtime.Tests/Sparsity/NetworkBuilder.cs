using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Sparsity;

/// <summary>Builds small networks with random weights, one operator per call; each call returns the name of its result.</summary>
internal sealed class NetworkBuilder
{
    private readonly Random _random;
    private int _count;

    public NetworkBuilder(int seed, params int[] inputShape)
    {
        _random = new Random(seed);
        Graph = new Graph { Name = "test", Opset = 13 };
        Dimension[] dimensions = inputShape.Select(size => new Dimension(size)).ToArray();
        dimensions[0] = new Dimension(null, "N");
        Graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, dimensions));
    }

    public Graph Graph { get; }

    public string Conv(string input, int inChannels, int outChannels, int kernel = 3, int stride = 1, int groups = 1)
    {
        string weights = Constant(Random(outChannels, inChannels / groups, kernel, kernel), "w");
        string bias = Constant(Random(outChannels), "b");
        long pad = kernel / 2;
        return Add("Conv", [input, weights, bias],
            ("pads", new[] { pad, pad, pad, pad }), ("strides", new long[] { stride, stride }), ("kernel_shape", new long[] { kernel, kernel }), ("group", (long)groups));
    }

    public string Gemm(string input, int inputs, int outputs, bool transposed = true) => Add("Gemm",
        [input, Constant(transposed ? Random(outputs, inputs) : Random(inputs, outputs), "w"), Constant(Random(outputs), "b")], ("transB", transposed ? 1L : 0L));

    public string Relu(string input) => Add("Relu", [input]);

    public string Sum(string left, string right) => Add("Add", [left, right]);

    public string Concat(params string[] inputs) => Add("Concat", inputs, ("axis", 1L));

    public string GlobalPool(string input) => Add("GlobalAveragePool", [input]);

    public string Flatten(string input) => Add("Flatten", [input], ("axis", 1L));

    public string Slice(string input, long[] starts, long[] ends, long[] axes, long[] steps) => Add("Slice",
        [input, Constant(Integers(starts), "starts"), Constant(Integers(ends), "ends"), Constant(Integers(axes), "axes"), Constant(Integers(steps), "steps")]);

    public string Pad(string input, params long[] pads) => Add("Pad", [input, Constant(Integers(pads), "pads")]);

    public string Add(string operation, string[] inputs, params (string Name, object Value)[] attributes)
    {
        var node = new Node { Name = $"{operation.ToLowerInvariant()}{_count++}", OpType = operation };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add($"{node.Name}.out");
        foreach ((string name, object value) in attributes) node.Attributes.Add(name, value);
        Graph.Nodes.Add(node);
        return node.Outputs[0];
    }

    public string Constant(Tensor value, string role)
    {
        string name = $"{role}{_count}.{Graph.Initializers.Count}";
        Graph.Initializers.Add(name, value);
        return name;
    }

    public Tensor Random(params int[] shape)
    {
        var tensor = new Tensor(ElementType.Float32, new TensorShape(shape));
        foreach (ref float value in tensor.Values<float>()) value = (float)((_random.NextDouble() * 2) - 1);
        return tensor;
    }

    public Graph Finish(string output)
    {
        Graph.Outputs.Add(new ValueInfo(output, ElementType.Float32, null));
        return Graph;
    }

    public static float[] Run(Graph graph, Tensor input) => Interpreter.Run(graph, [input])[0].Values<float>().ToArray();

    public static Tensor RandomImages(int seed, params int[] shape) => new NetworkBuilder(seed, shape).Random(shape);

    /// <summary>Largest difference as a share of the largest expected value.</summary>
    public static double RelativeError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double scale = 0, error = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            scale = Math.Max(scale, Math.Abs(expected[i]));
            error = Math.Max(error, Math.Abs((double)expected[i] - actual[i]));
        }

        return scale == 0 ? error : error / scale;
    }

    private static Tensor Integers(long[] values) => Tensor.From<long>(new TensorShape(values.Length), values);
}
