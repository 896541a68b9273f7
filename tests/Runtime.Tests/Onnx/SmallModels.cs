using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>Small graphs that between them use every family of operators.</summary>
internal static class SmallModels
{
    public static IEnumerable<Graph> All() => [ConvNet(), ShapeChain(), Quantized(), Rearranging()];

    /// <summary>A residual network with the layers of an image classifier and a symbolic batch: [N, 3, 8, 8] to [N, 5].</summary>
    public static Graph ConvNet()
    {
        var b = new Builder(13, ("x", [null, 3, 8, 8]));
        b.Add("Conv", ["x", b.Weights(8, 3, 3, 3)], ["c1"], ("pads", new long[] { 1, 1, 1, 1 }));
        b.Add("BatchNormalization", ["c1", b.Positive(8), b.Weights(8), b.Weights(8), b.Positive(8)], ["n1"]);
        b.Add("Relu", ["n1"], ["r1"]);
        b.Add("Conv", ["r1", b.Weights(8, 1, 3, 3), b.Weights(8)], ["c2"], ("group", 8L), ("auto_pad", "SAME_UPPER"));
        b.Add("Clip", ["c2", b.Scalar(0f), b.Scalar(6f)], ["r2"]);
        b.Add("Conv", ["r2", b.Weights(8, 8, 1, 1)], ["c3"]);
        b.Add("Mul", ["c3", b.Weights(8, 1, 1)], ["c3s"]);
        b.Add("Add", ["c3s", b.Weights(1, 8, 1, 1)], ["c3b"]);
        b.Add("Add", ["c3b", "r1"], ["s"]);
        b.Add("MaxPool", ["s"], ["p"], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }));
        b.Add("AveragePool", ["p"], ["a"], ("kernel_shape", new long[] { 4, 4 }));
        b.Add("Identity", ["a"], ["i"]);
        b.Add("Reshape", ["i", b.Ints(0, -1)], ["f"]);
        b.Add("MatMul", ["f", b.Weights(8, 5)], ["m"]);
        b.Add("Add", ["m", b.Weights(5)], ["l"]);
        b.Add("Softmax", ["l"], ["y"]);
        return b.Build("y");
    }

    /// <summary>A reshape whose target is computed from the batch, as exporters write it: [N, 2, 3, 4] to [N, 24].</summary>
    public static Graph ShapeChain()
    {
        var b = new Builder(13, ("x", [null, 2, 3, 4]));
        b.Add("Shape", ["x"], ["shape"]);
        b.Add("Gather", ["shape", b.Scalar(0L)], ["n"], ("axis", 0L));
        b.Add("Unsqueeze", ["n", b.Ints(0)], ["n1"]);
        b.Add("Slice", ["shape", b.Ints(1), b.Ints(4), b.Ints(0)], ["rest"]);
        b.Add("ReduceProd", ["rest"], ["count"], ("axes", new long[] { 0 }));
        b.Add("Concat", ["n1", "count"], ["target"], ("axis", 0L));
        b.Add("Reshape", ["x", "target"], ["y"]);
        return b.Build("y");
    }

    /// <summary>Quantized layers: [1, 2, 5, 5] to [1, 3, 3, 3].</summary>
    public static Graph Quantized()
    {
        var b = new Builder(13, ("x", [1, 2, 5, 5]));
        b.Add("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]);
        b.Add("ConvInteger", ["q", b.Bytes(3, 2, 3, 3), "zero", b.Scalar((byte)7)], ["sums"]);
        b.Add("Cast", ["sums"], ["real"], ("to", 1L));
        b.Add("Mul", ["real", "scale"], ["scaled"]);
        b.Add("QuantizeLinear", ["scaled", b.Scalar(0.1f), b.Scalar((byte)100)], ["q2"]);
        b.Add("DequantizeLinear", ["q2", b.Scalar(0.1f), b.Scalar((byte)100)], ["y"]);
        return b.Build("y");
    }

    /// <summary>Operators that move elements: [2, 4, 6] in, three outputs.</summary>
    public static Graph Rearranging()
    {
        var b = new Builder(18, ("x", [2, 4, 6]));
        b.Add("Transpose", ["x"], ["t"], ("perm", new long[] { 0, 2, 1 }));
        b.Add("Split", ["t", b.Ints(2, 4)], ["s1", "s2"], ("axis", 1L));
        b.Add("Pad", ["s1", b.Ints(0, 1, 0, 0, 1, 0)], ["p"], ("mode", "reflect"));
        b.Add("Concat", ["p", "s2"], ["c"], ("axis", 1L));
        b.Add("Unsqueeze", ["c", b.Ints(1)], ["u"]);
        b.Add("Resize", ["u", "", b.Floats(1, 1, 2, 0.5f)], ["z"], ("mode", "linear"));
        b.Add("ReduceMean", ["z", b.Ints(2, 3)], ["mean"], ("keepdims", 0L));
        b.Add("ArgMax", ["z"], ["best"], ("axis", 3L), ("keepdims", 0L));
        b.Add("Expand", ["mean", b.Ints(2, 2, 1)], ["y"]);
        return b.Build("y", "best", "z");
    }

    /// <summary>Collects nodes and seeded constants.</summary>
    internal sealed class Builder
    {
        private readonly Graph _graph;
        private readonly Random _random = new(7);

        public Builder(int opset, params (string Name, int?[] Dimensions)[] inputs)
        {
            _graph = new Graph { Opset = opset };
            foreach ((string name, int?[] dimensions) in inputs)
                _graph.Inputs.Add(new ValueInfo(name, ElementType.Float32, dimensions.Select(size => new Dimension(size, size is null ? "N" : null)).ToArray()));
        }

        public Node Add(string opType, string[] inputs, string[] outputs, params (string Name, object Value)[] attributes)
        {
            var node = new Node { Name = $"{opType}_{_graph.Nodes.Count}", OpType = opType };
            node.Inputs.AddRange(inputs);
            node.Outputs.AddRange(outputs);
            foreach ((string name, object value) in attributes) node.Attributes.Add(name, value);
            _graph.Nodes.Add(node);
            return node;
        }

        public string Weights(params int[] shape) => Random(shape, () => (float)(_random.NextDouble() - 0.5));

        public string Positive(params int[] shape) => Random(shape, () => (float)(_random.NextDouble() + 0.5));

        public string Scalar<T>(T value)
            where T : unmanaged => Constant(Tensor.Scalar(value));

        public string Ints(params long[] values) => Constant(Tensor.From<long>(new TensorShape(values.Length), values));

        public string Floats(params float[] values) => Constant(Tensor.From<float>(new TensorShape(values.Length), values));

        public string Bytes(params int[] shape)
        {
            var tensor = new Tensor(ElementType.UInt8, new TensorShape(shape));
            _random.NextBytes(tensor.Bytes);
            return Constant(tensor);
        }

        public string Constant(Tensor value)
        {
            string name = $"k{_graph.Initializers.Count}";
            _graph.Initializers.Add(name, value);
            return name;
        }

        public Graph Build(params string[] outputs)
        {
            foreach (string output in outputs) _graph.Outputs.Add(new ValueInfo(output, output == "best" ? ElementType.Int64 : ElementType.Float32, null));
            return _graph;
        }

        private string Random(int[] shape, Func<float> next)
        {
            var tensor = new Tensor(ElementType.Float32, new TensorShape(shape));
            foreach (ref float value in tensor.Values<float>()) value = next();
            return Constant(tensor);
        }
    }
}
