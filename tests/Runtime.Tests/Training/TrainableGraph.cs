using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Training;

/// <summary>Writes down a small graph around the operator under test.</summary>
internal sealed class TrainableGraph
{
    private readonly Graph _graph = new() { Name = "test" };
    private readonly Random _random = new(11);

    public TrainableGraph(int channels, int height, int width) =>
        _graph.Inputs.Add(new ValueInfo("input", ElementType.Float32, [new Dimension(null, "N"), new Dimension(channels), new Dimension(height), new Dimension(width)]));

    public string Input { get; private set; } = "input";

    public string Node(string op, List<string> inputs, params (string Name, object Value)[] attributes)
    {
        var node = new Node { Name = $"{op}{_graph.Nodes.Count}", OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add($"v{_graph.Nodes.Count}");
        foreach ((string name, object value) in attributes) node.Attributes.Add(name, value);
        _graph.Nodes.Add(node);
        return node.Outputs[0];
    }

    public string Weights(string name, params int[] shape)
    {
        var tensor = new Tensor(ElementType.Float32, new TensorShape(shape));
        foreach (ref float value in tensor.Values<float>()) value = (float)((_random.NextDouble() - 0.5) * 1.2);
        return Store(name, tensor);
    }

    public string Constant(string name, int count, float value)
    {
        var tensor = new Tensor(ElementType.Float32, new TensorShape(count));
        tensor.Values<float>().Fill(value);
        return Store(name, tensor);
    }

    public string Ints(string name, params long[] values) => Store(name, Tensor.From<long>(new TensorShape(values.Length), values));

    public void Floats(string name, params float[] values) => Store(name, Tensor.From<float>(new TensorShape(values.Length), values));

    public void Scalar(string name, float value) => Store(name, Tensor.Scalar(value));

    public void Scalars()
    {
        Scalar("low", -0.4f);
        Scalar("high", 0.5f);
    }

    /// <summary>A 1x1 convolution with bias: something to train in front of an operator without parameters.</summary>
    public string Pointwise(string name, string input, int inputs, int outputs) =>
        Node("Conv", [input, Weights($"{name}.w", outputs, inputs, 1, 1), Weights($"{name}.b", outputs)], ("kernel_shape", new long[] { 1, 1 }));

    /// <summary>Puts a trained 1x1 convolution before the first node and flattens <paramref name="output"/>.</summary>
    public Graph Prefixed(string output)
    {
        int channels = _graph.Inputs[0].Dimensions![1].Size!.Value;
        string front = Pointwise("front", "input", channels, channels);
        Node node = _graph.Nodes[^1];
        _graph.Nodes.RemoveAt(_graph.Nodes.Count - 1);
        _graph.Nodes[0].Inputs[0] = front;
        _graph.Nodes.Insert(0, node);
        return Flattened(output);
    }

    public Graph Flattened(string output) => Ended(Node("Flatten", [output], ("axis", 1L)));

    public Graph Ended(string output)
    {
        _graph.Outputs.Add(new ValueInfo(output, ElementType.Float32, null));
        return _graph;
    }

    private string Store(string name, Tensor value)
    {
        _graph.Initializers.Add(name, value);
        return name;
    }
}
