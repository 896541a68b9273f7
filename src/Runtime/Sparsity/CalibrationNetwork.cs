using System.Numerics.Tensors;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using Tensor = CoInference.Kernels.Tensors.Tensor;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Runs a network node by node over all calibration images, so that a layer can be looked at, or changed, right before
/// it runs. Common operators work on pixel-major values; any other goes through the interpreter.
/// </summary>
internal sealed class CalibrationNetwork
{
    private readonly Graph _graph;
    private readonly WorkerSet _workers;
    private readonly Dictionary<string, CalibrationActivation> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Tensor> _others = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _reads = new(StringComparer.Ordinal);

    /// <summary>Prepares a run.</summary>
    /// <param name="graph">The network, one input.</param>
    /// <param name="input">The calibration images; not changed.</param>
    /// <param name="workers">Threads that share the work.</param>
    public CalibrationNetwork(Graph graph, CalibrationActivation input, WorkerSet workers)
    {
        _graph = graph;
        _workers = workers;
        foreach (string read in graph.Nodes.SelectMany(node => node.Inputs)) _reads[read] = _reads.GetValueOrDefault(read) + 1;

        // The caller's images and the network's results are never overwritten in place.
        _reads[graph.Inputs[0].Name] = int.MaxValue;
        foreach (ValueInfo output in graph.Outputs) _reads[output.Name] = int.MaxValue;
        _values[graph.Inputs[0].Name] = input;
    }

    /// <summary>The value of that name; null when it is not an image or vector of floats, or no longer needed.</summary>
    public CalibrationActivation? Value(string name) => _values.GetValueOrDefault(name);

    /// <summary>Runs all nodes.</summary>
    /// <param name="beforeLayer">Called with each layer and its input; may change the layer's matrix and bias.</param>
    /// <param name="afterNode">Called when a node's outputs are there.</param>
    /// <param name="cancellation">Checked before each node.</param>
    /// <exception cref="NotSupportedException">A node has no kernel.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Run(Action<Node, LayerWeights, CalibrationActivation>? beforeLayer, Action<Node>? afterNode, CancellationToken cancellation)
    {
        foreach (Node node in _graph.Nodes)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Value(node.Input(0) ?? "") is { } input && LayerWeights.Read(node, _graph, input.Shape) is { } layer)
            {
                beforeLayer?.Invoke(node, layer, input);
                _values[node.Outputs[0]] = RunLayer(layer, input, node);
            }
            else if (RunFast(node) is { } result)
            {
                _values[node.Outputs[0]] = result;
            }
            else
            {
                Interpret(node);
            }

            afterNode?.Invoke(node);
            foreach (string read in node.Inputs)
            {
                // A weight may have got a new name when its layer was changed; only activations are counted down.
                if (!_reads.TryGetValue(read, out int left) || left == int.MaxValue) continue;
                _reads[read] = left - 1;
                if (left > 1) continue;
                _values.Remove(read);
                _others.Remove(read);
            }
        }
    }

    private CalibrationActivation RunLayer(LayerWeights layer, CalibrationActivation input, Node node)
    {
        ConvShape shape = layer.Shape;
        TensorShape result = node.OpType != "Conv" ? new TensorShape(input.Images, shape.OutChannels)
            : input.Shape.Rank == 3 ? new TensorShape(input.Images, shape.OutChannels, shape.OutWidth)
            : new TensorShape(input.Images, shape.OutChannels, shape.OutHeight, shape.OutWidth);
        var output = new CalibrationActivation(result);
        LayerProduct.Run(layer, input, output, _workers);
        return output;
    }

    private CalibrationActivation? RunFast(Node node)
    {
        if (node.Inputs.Count == 0 || Value(node.Inputs[0]) is not { } x) return null;
        switch (node.OpType)
        {
            case "Relu":
            {
                CalibrationActivation target = Reuse(node, 0) ?? new CalibrationActivation(x.Shape);
                TensorPrimitives.Max(x.Values, 0f, target.Values);
                return target;
            }

            case "Clip" when Bound(node, 1, "min", float.NegativeInfinity) is { } low && Bound(node, 2, "max", float.PositiveInfinity) is { } high:
            {
                CalibrationActivation target = Reuse(node, 0) ?? new CalibrationActivation(x.Shape);
                TensorPrimitives.Max(x.Values, low, target.Values);
                TensorPrimitives.Min(target.Values, high, target.Values);
                return target;
            }

            case "Add" when Value(node.Inputs[1]) is { } y && x.Shape == y.Shape:
            {
                CalibrationActivation target = Reuse(node, 0) ?? Reuse(node, 1) ?? new CalibrationActivation(x.Shape);
                TensorPrimitives.Add(x.Values, y.Values, target.Values);
                return target;
            }

            case "Identity" or "Dropout":
                return Reuse(node, 0) ?? x.Copy();
            case "Flatten" when x.Height * x.Width == 1 && node.Int("axis", 1) == 1:
                return (Reuse(node, 0) ?? x.Copy()).View(new TensorShape(x.Images, x.Channels));
            case "GlobalAveragePool" when x.Shape.Rank == 4:
                return ChannelPooling.GlobalAverage(x);
            case "Slice" or "Pad" or "Gather" when x.Shape.Rank == 4:
                return PixelSelection.Of(node, _graph, x.Shape)?.Apply(x);
            case "Concat" when x.Shape.Rank == 4 && node.Int("axis", 1) == 1 && node.Inputs.All(name => Value(name)?.Shape.Rank == 4):
                return Concatenate(node);
            default:
                return null;
        }
    }

    private CalibrationActivation Concatenate(Node node)
    {
        CalibrationActivation[] parts = node.Inputs.Select(name => _values[name]).ToArray();
        int channels = parts.Sum(part => part.Channels), offset = 0;
        var result = new CalibrationActivation(new TensorShape(parts[0].Images, channels, parts[0].Height, parts[0].Width));
        foreach (CalibrationActivation part in parts)
        {
            for (int pixel = 0; pixel < part.Pixels; pixel++)
            {
                part.Values.AsSpan(pixel * part.Channels, part.Channels).CopyTo(result.Values.AsSpan((pixel * channels) + offset));
            }

            offset += part.Channels;
        }

        return result;
    }

    private void Interpret(Node node)
    {
        var single = new Graph { Opset = _graph.Opset };
        var inputs = new List<Tensor>();
        foreach (string name in node.Inputs.Where(name => name.Length > 0).Distinct())
        {
            if (_graph.Initializers.TryGetValue(name, out Tensor? constant))
            {
                single.Initializers[name] = constant;
                continue;
            }

            Tensor tensor = Value(name)?.ToTensor() ?? _others[name];
            single.Inputs.Add(new ValueInfo(name, tensor.Type, tensor.Shape.Dimensions.ToArray().Select(size => new Dimension(size)).ToArray()));
            inputs.Add(tensor);
        }

        string[] outputs = node.Outputs.Where(name => name.Length > 0).ToArray();
        single.Nodes.Add(node);
        foreach (string name in outputs) single.Outputs.Add(new ValueInfo(name, ElementType.Float32, null));
        IReadOnlyList<Tensor> results = Interpreter.Run(single, inputs);
        for (int i = 0; i < outputs.Length; i++)
        {
            if (results[i] is { Type: ElementType.Float32, Shape.Rank: >= 2 and <= 4 } image) _values[outputs[i]] = CalibrationActivation.FromTensor(image);
            else _others[outputs[i]] = results[i];
        }
    }

    /// <summary>The input's memory for the result, when this node is the last to read it.</summary>
    private CalibrationActivation? Reuse(Node node, int index) => _reads[node.Inputs[index]] == 1 ? Value(node.Inputs[index]) : null;

    private float? Bound(Node node, int index, string attribute, float absent) =>
        node.Input(index) is not { } name ? node.Float(attribute, absent)
        : _graph.Initializers.TryGetValue(name, out Tensor? bound) && bound.Type == ElementType.Float32 ? bound.Values<float>()[0] : null;
}
