using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>
/// Grows small random networks of the patterns that fusion, layout choice and memory planning must get right:
/// residual sums before and after activations, shared values, concatenation, depthwise layers, odd channel counts,
/// strided shortcuts with padded channels, pools, squeeze-and-excitation, normalization before layers, channel shuffles,
/// several outputs.
/// </summary>
internal sealed class RandomGraph
{
    private readonly Random _random;
    private readonly Graph _graph = new() { Name = "random", Opset = 13 };
    private readonly List<(string Name, int Channels, int Height, int Width)> _images = [];
    private int _next;

    private RandomGraph(int seed, int batch)
    {
        _random = new Random(seed);
        (int channels, int size) = (_random.Next(1, 9), _random.Next(5, 15));
        Input = new TensorShape(batch, channels, size, size + _random.Next(3));
        _graph.Inputs.Add(new ValueInfo("input", ElementType.Float32, [new Dimension(null, "N"), new Dimension(channels), new Dimension(size), new Dimension(Input[3])]));
        _images.Add(("input", channels, size, Input[3]));
    }

    private TensorShape Input { get; }

    /// <summary>A graph and an input for it.</summary>
    public static (Graph Graph, Tensor Input) Create(int seed, int batch)
    {
        var builder = new RandomGraph(seed, batch);
        int nodes = builder._random.Next(4, 14);
        for (int i = 0; i < nodes; i++) builder.Grow();
        builder.Finish();
        var input = new Tensor(ElementType.Float32, builder.Input);
        foreach (ref float value in input.Values<float>()) value = builder.Value();
        return (builder._graph, input);
    }

    private void Grow()
    {
        switch (_random.Next(16))
        {
            case 0: case 1: case 2: case 3: Convolution(Pick()); break;
            case 4: Residual(Pick()); break;
            case 5: Residual(Pick()); break;
            case 6: Activation(Pick()); break;
            case 7: Depthwise(Pick()); break;
            case 8: Pool(Pick()); break;
            case 9: Concat(Pick()); break;
            case 10: Shortcut(Pick()); break;
            case 11: Excite(Pick()); break;
            case 12: Select(Pick()); break;
            case 13: Normalize(Pick()); break;
            case 14: Shuffle(Pick()); break;
            default: Scale(Pick()); break;
        }
    }

    // Recent values more often than old ones, so that networks get deep.
    private (string Name, int Channels, int Height, int Width) Pick() =>
        _random.Next(3) > 0 ? _images[^1] : _images[_random.Next(_images.Count)];

    private (string Name, int Channels, int Height, int Width) Convolution((string Name, int Channels, int Height, int Width) x)
    {
        int kernel = x.Height >= 3 && x.Width >= 3 && _random.Next(2) == 0 ? 3 : 1;
        int stride = _random.Next(4) == 0 && x.Height > 4 ? 2 : 1;
        int pad = kernel == 3 && _random.Next(4) > 0 ? 1 : 0;
        int outputs = _random.Next(3) == 0 ? 16 : _random.Next(1, 40);
        (string, int, int, int) y = Layer(x, outputs, kernel, stride, pad, 1);
        return _random.Next(2) == 0 ? Activation(y) : y;
    }

    private void Depthwise((string Name, int Channels, int Height, int Width) x)
    {
        if (x.Height < 3 || x.Width < 3) return;
        Activation(Layer(x, x.Channels, 3, _random.Next(1, 3), 1, x.Channels));
    }

    private void Residual((string Name, int Channels, int Height, int Width) x)
    {
        (string Name, int Channels, int Height, int Width) first = Activation(Layer(x, _random.Next(1, 24), 1, 1, 0, 1));
        (string Name, int Channels, int Height, int Width) second = Layer(first, x.Channels, 1, 1, 0, 1);
        bool projected = _random.Next(3) == 0;
        string shortcut = projected ? Layer(x, x.Channels, 1, 1, 0, 1).Name : x.Name;
        string[] operands = _random.Next(2) == 0 ? [second.Name, shortcut] : [shortcut, second.Name];
        (string, int, int, int) sum = Emit("Add", operands, x.Channels, x.Height, x.Width);
        if (_random.Next(3) > 0) Activation(sum);
    }

    private (string Name, int Channels, int Height, int Width) Activation((string Name, int Channels, int Height, int Width) x)
    {
        switch (_random.Next(8))
        {
            case 0: return Emit("Clip", [x.Name, Constant([], -0.5f), Constant([], 1.5f)], x.Channels, x.Height, x.Width);
            case 1: return Emit("Sigmoid", [x.Name], x.Channels, x.Height, x.Width);
            case 2: return Emit("HardSigmoid", [x.Name], x.Channels, x.Height, x.Width);
            case 3: return Emit("LeakyRelu", [x.Name], x.Channels, x.Height, x.Width);
            case 4: return Emit("Clip", [x.Name, Constant([], 0.25f), ""], x.Channels, x.Height, x.Width);
            default: return Emit("Relu", [x.Name], x.Channels, x.Height, x.Width);
        }
    }

    private void Pool((string Name, int Channels, int Height, int Width) x)
    {
        if (x.Height < 3 || x.Width < 3) return;
        bool isMax = _random.Next(2) == 0;
        int pad = _random.Next(2);
        (string Name, int Channels, int Height, int Width) y =
            Emit(isMax ? "MaxPool" : "AveragePool", [x.Name], x.Channels, ((x.Height + (2 * pad) - 3) / 2) + 1, ((x.Width + (2 * pad) - 3) / 2) + 1);
        Node node = _graph.Nodes[^1];
        node.Attributes["kernel_shape"] = new long[] { 3, 3 };
        node.Attributes["strides"] = new long[] { 2, 2 };
        node.Attributes["pads"] = new long[] { pad, pad, pad, pad };
        if (!isMax) node.Attributes["count_include_pad"] = (long)_random.Next(2);
    }

    private void Concat((string Name, int Channels, int Height, int Width) x)
    {
        (string Name, int Channels, int Height, int Width) y = Layer(x, _random.Next(1, 20), 1, 1, 0, 1);
        string[] names = _random.Next(2) == 0 ? [x.Name, y.Name] : [y.Name, x.Name, y.Name];
        Emit("Concat", names, names.Length == 2 ? x.Channels + y.Channels : x.Channels + (2 * y.Channels), x.Height, x.Width);
        _graph.Nodes[^1].Attributes["axis"] = 1L;
    }

    private void Shortcut((string Name, int Channels, int Height, int Width) x)
    {
        (string Name, int Channels, int Height, int Width) thin = Emit(
            "Slice", [x.Name, Integers(0, 0), Integers(int.MaxValue, int.MaxValue), Integers(2, 3), Integers(2, 2)], x.Channels, (x.Height + 1) / 2, (x.Width + 1) / 2);
        int before = _random.Next(9);
        int after = _random.Next(9);
        Emit("Pad", [thin.Name, Integers(0, before, 0, 0, 0, after, 0, 0)], before + x.Channels + after, thin.Height, thin.Width);
    }

    private void Excite((string Name, int Channels, int Height, int Width) x)
    {
        (string Name, int Channels, int Height, int Width) mean = Emit("GlobalAveragePool", [x.Name], x.Channels, 1, 1);
        (string Name, int Channels, int Height, int Width) gate = Layer(mean, x.Channels, 1, 1, 0, 1);
        gate = Emit("Sigmoid", [gate.Name], x.Channels, 1, 1);
        Emit("Mul", _random.Next(2) == 0 ? [x.Name, gate.Name] : [gate.Name, x.Name], x.Channels, x.Height, x.Width);
    }

    private void Select((string Name, int Channels, int Height, int Width) x)
    {
        int[] channels = [.. Enumerable.Range(0, x.Channels).Where(_ => _random.Next(3) > 0)];
        if (channels.Length == 0) return;
        Emit("Gather", [x.Name, Integers(channels)], channels.Length, x.Height, x.Width);
        _graph.Nodes[^1].Attributes["axis"] = 1L;
    }

    private void Normalize((string Name, int Channels, int Height, int Width) x)
    {
        float[] variance = [.. Values(x.Channels).Select(value => 0.5f + Math.Abs(value))];
        (string, int, int, int) y = Emit(
            "BatchNormalization",
            [x.Name, Constant([x.Channels], Values(x.Channels)), Constant([x.Channels], Values(x.Channels)), Constant([x.Channels], Values(x.Channels)), Constant([x.Channels], variance)],
            x.Channels,
            x.Height,
            x.Width);
        if (_random.Next(2) == 0) Activation(y);
    }

    private void Shuffle((string Name, int Channels, int Height, int Width) x)
    {
        int groups = x.Channels % 3 == 0 ? 3 : x.Channels % 2 == 0 ? 2 : 1;
        string split = Node("Reshape", [x.Name, Integers(0, groups, x.Channels / groups, x.Height, x.Width)]);
        string turned = Node("Transpose", [split]);
        _graph.Nodes[^1].Attributes["perm"] = new long[] { 0, 2, 1, 3, 4 };
        Emit("Reshape", [turned, Integers(0, x.Channels, x.Height, x.Width)], x.Channels, x.Height, x.Width);
    }

    private void Scale((string Name, int Channels, int Height, int Width) x)
    {
        string[] ops = ["Add", "Mul", "Sub", "Div"];
        bool perChannel = _random.Next(2) == 0;
        var constant = new float[perChannel ? x.Channels : 1];
        for (int c = 0; c < constant.Length; c++) constant[c] = 1 + Math.Abs(Value());
        string name = Constant(perChannel ? [x.Channels, 1, 1] : [], constant);
        Emit(ops[_random.Next(4)], _random.Next(2) == 0 ? [x.Name, name] : [name, x.Name], x.Channels, x.Height, x.Width);
        // Division by an activation could be by zero.
        if (_graph.Nodes[^1] is { OpType: "Div" } node && node.Inputs[0] == name) node.OpType = "Mul";
    }

    private void Finish()
    {
        (string Name, int Channels, int Height, int Width) last = _images[^1];
        Output(last.Name, last.Channels, last.Height, last.Width);
        if (_random.Next(2) == 0)
        {
            (string Name, int Channels, int Height, int Width) other = _images[_random.Next(_images.Count)];
            if (_graph.Outputs.TrueForAll(output => output.Name != other.Name) && other.Name != "input") Output(other.Name, other.Channels, other.Height, other.Width);
        }

        (string Name, int Channels, int Height, int Width) pooled = Emit("GlobalAveragePool", [last.Name], last.Channels, 1, 1);
        string flat = Node("Flatten", [pooled.Name]);
        string logits = Node("Gemm", [flat, Constant([7, last.Channels], Values(7 * last.Channels)), Constant([7], Values(7))]);
        _graph.Nodes[^1].Attributes["transB"] = 1L;
        string probabilities = Node("Softmax", [logits]);
        _graph.Outputs.Add(new ValueInfo(probabilities, ElementType.Float32, [new Dimension(null, "N"), new Dimension(7)]));
    }

    private (string Name, int Channels, int Height, int Width) Layer(
        (string Name, int Channels, int Height, int Width) x, int outputs, int kernel, int stride, int pad, int groups)
    {
        int taps = x.Channels / groups * kernel * kernel;
        float[] weights = Values(outputs * taps);
        for (int i = 0; i < weights.Length; i++) weights[i] /= MathF.Sqrt(taps);
        if (_random.Next(4) == 0)
        {
            for (int i = 0; i < weights.Length; i++) weights[i] = _random.Next(10) > 0 ? 0 : weights[i];
        }

        var inputs = new List<string> { x.Name, Constant([outputs, x.Channels / groups, kernel, kernel], weights) };
        if (_random.Next(2) == 0) inputs.Add(Constant([outputs], Values(outputs)));
        int Size(int size) => ((size + (2 * pad) - kernel) / stride) + 1;
        (string, int, int, int) y = Emit("Conv", [.. inputs], outputs, Size(x.Height), Size(x.Width));
        Node node = _graph.Nodes[^1];
        node.Attributes["strides"] = new long[] { stride, stride };
        node.Attributes["pads"] = new long[] { pad, pad, pad, pad };
        node.Attributes["group"] = (long)groups;
        return y;
    }

    private (string Name, int Channels, int Height, int Width) Emit(string op, string[] inputs, int channels, int height, int width)
    {
        (string, int, int, int) image = (Node(op, inputs), channels, height, width);
        _images.Add(image);
        return image;
    }

    private string Node(string op, string[] inputs)
    {
        string output = $"v{_next++}";
        var node = new Node { Name = $"{op}_{output}", OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add(output);
        _graph.Nodes.Add(node);
        return output;
    }

    private void Output(string name, int channels, int height, int width) => _graph.Outputs.Add(
        new ValueInfo(name, ElementType.Float32, [new Dimension(null, "N"), new Dimension(channels), new Dimension(height), new Dimension(width)]));

    private string Constant(int[] shape, params float[] values)
    {
        string name = $"c{_next++}";
        _graph.Initializers[name] = Tensor.From<float>(new TensorShape(shape), values);
        return name;
    }

    private string Integers(params int[] values)
    {
        string name = $"c{_next++}";
        _graph.Initializers[name] = Tensor.From<long>(new TensorShape(values.Length), [.. values.Select(value => (long)value)]);
        return name;
    }

    private float[] Values(int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = Value();
        return values;
    }

    private float Value() => (float)((_random.NextDouble() * 2) - 1);
}
