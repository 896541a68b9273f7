using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.IntegerNetworks;

/// <summary>
/// Post-training quantization of a network's convolutions to 8-bit integers: activations by ranges from calibration images, weights
/// symmetric with a scale per output channel, biases in 32 bits. The result is plain ONNX (QLinearConv between QuantizeLinear and
/// DequantizeLinear) and runs in other runtimes, too.
/// </summary>
/// <remarks>
/// After Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018), without the
/// training. A Relu or Clip from 0 behind a convolution needs no node of its own: the bytes cannot fall below its zero. All
/// other operators stay in floats.
/// </remarks>
public static class NetworkQuantizer
{
    /// <summary>First operator set with all the operators in the form that is written.</summary>
    public const int MinOpset = 13;

    private const int WeightLimit = sbyte.MaxValue;

    // Leaves room for the sum of the products: see IntegerConv.MaximumTaps.
    private const double BiasLimit = 1 << 29;

    /// <summary>Quantizes.</summary>
    /// <param name="canonical">The simplified network: one image in, one vector of scores out, both in floats.</param>
    /// <param name="calibration">Training images; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="cancellation">Stops the calibration.</param>
    /// <exception cref="NotSupportedException">The network has no convolution to quantize, an operator that cannot be followed, or an older operator set than <see cref="MinOpset"/>.</exception>
    /// <exception cref="InvalidDataException">There are no images, or they do not fit the network.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Graph Quantize(Graph canonical, ImageSet calibration, Preprocessing preprocessing, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        ArgumentNullException.ThrowIfNull(preprocessing);
        BundleCompiler.CheckImages(canonical, calibration);
        if (canonical.Opset < MinOpset) throw new NotSupportedException($"Graph '{canonical.Name}' has operator set {canonical.Opset}; 8-bit layers are written for {MinOpset} and later.");
        Tensor images = BundleCompiler.Preprocess(calibration, preprocessing, calibration.Count);
        Dictionary<string, ByteScale> scales = ActivationRanges.Measure(canonical, images, cancellation);
        var rewriter = new Rewriter(canonical, scales);
        Graph quantized = rewriter.Run();
        return rewriter.Layers > 0 ? quantized : throw new NotSupportedException($"Graph '{canonical.Name}' has no convolution with constant weights to quantize.");
    }

    /// <summary>Rewrites the nodes in order. A value may be there as floats, as bytes, or as both; each form is made when the first node needs it.</summary>
    private sealed class Rewriter
    {
        private const string Suffix = ".u8";

        private readonly Graph _source;
        private readonly Graph _target;
        private readonly Dictionary<string, ByteScale> _scales;
        private readonly Dictionary<string, List<Node>> _consumers;
        private readonly HashSet<string> _outputs;
        private readonly HashSet<string> _asFloats = new(StringComparer.Ordinal);
        private readonly HashSet<string> _asBytes = new(StringComparer.Ordinal);
        private readonly HashSet<Node> _absorbed = [];

        public Rewriter(Graph source, Dictionary<string, ByteScale> scales)
        {
            (_source, _scales) = (source, scales);
            _consumers = source.Consumers();
            _outputs = [.. source.Outputs.Select(output => output.Name)];
            _target = source.Clone();
            _target.Nodes.Clear();
            _asFloats.UnionWith(source.Inputs.Select(input => input.Name));
        }

        public int Layers { get; private set; }

        public Graph Run()
        {
            foreach (Node node in _source.Nodes)
            {
                if (_absorbed.Contains(node)) continue;
                if (IsLayer(node)) AddLayer(node);
                else AddFloat(node);
            }

            foreach (string output in _outputs) RequireFloats(output);
            var used = new HashSet<string>(_target.Nodes.SelectMany(node => node.Inputs), StringComparer.Ordinal);
            foreach (string name in _target.Initializers.Keys.Where(name => !used.Contains(name)).ToArray()) _target.Initializers.Remove(name);
            return _target;
        }

        private bool IsLayer(Node node) =>
            node.OpType == "Conv" && node.Domain.Length == 0 && _scales.ContainsKey(node.Inputs[0]) && _scales.ContainsKey(node.Outputs[0])
            && Constant(node.Input(1)) is { Shape.Rank: 4 } && (node.Input(2) is null || Constant(node.Input(2)) is not null);

        private Tensor? Constant(string? name) => name is not null && _source.Initializers.TryGetValue(name, out Tensor? tensor) && tensor.Type == ElementType.Float32 ? tensor : null;

        private void AddLayer(Node node)
        {
            RequireBytes(node.Inputs[0]);
            string result = node.Outputs[0];
            if (Activation(result) is { } activation)
            {
                _absorbed.Add(activation);
                result = activation.Outputs[0];
            }

            ByteScale input = _scales[node.Inputs[0]], output = _scales[result];
            Tensor weights = Constant(node.Inputs[1])!;
            int channels = weights.Shape[0], taps = weights.Count / channels;
            var bytes = new Tensor(ElementType.Int8, weights.Shape);
            var weightScales = new Tensor(ElementType.Float32, new TensorShape(channels));
            var bias = new Tensor(ElementType.Int32, new TensorShape(channels));
            ReadOnlySpan<float> values = weights.Values<float>(), floatBias = node.Input(2) is { } name ? Constant(name)!.Values<float>() : [];
            for (int channel = 0; channel < channels; channel++)
            {
                float scale = Scale(values.Slice(channel * taps, taps));
                weightScales.Values<float>()[channel] = scale;
                for (int tap = channel * taps; tap < (channel + 1) * taps; tap++)
                    bytes.Values<sbyte>()[tap] = (sbyte)Math.Clamp(MathF.Round(values[tap] / scale), -WeightLimit, WeightLimit);
                if (!floatBias.IsEmpty) bias.Values<int>()[channel] = (int)Math.Clamp(Math.Round(floatBias[channel] / ((double)input.Scale * scale)), -BiasLimit, BiasLimit);
            }

            string own = node.Name;
            var layer = new Node { Name = own, OpType = "QLinearConv" };
            layer.Inputs.AddRange(
            [
                node.Inputs[0] + Suffix, .. Parameters(node.Inputs[0], input), Add($"{own}.weight", bytes), Add($"{own}.weight.scale", weightScales),
                Add($"{own}.weight.zero", new Tensor(ElementType.Int8, new TensorShape(channels))), .. Parameters(result, output), Add($"{own}.bias", bias),
            ]);
            layer.Outputs.Add(result + Suffix);
            foreach ((string key, object value) in node.Attributes) layer.Attributes.Add(key, value);
            _target.Nodes.Add(layer);
            _asBytes.Add(result);
            Layers++;
        }

        /// <summary>The Relu, or Clip from 0, that alone reads a value and that the range of bytes can stand for.</summary>
        private Node? Activation(string value)
        {
            if (_outputs.Contains(value) || !_consumers.TryGetValue(value, out List<Node>? readers) || readers is not [{ } reader]) return null;
            bool clamps = reader.OpType == "Relu" || (reader.OpType == "Clip" && Bound(reader, 1) is 0 && Bound(reader, 2) is { } high && high >= Highest(reader.Outputs[0]));
            return clamps && reader.Inputs[0] == value && _scales.ContainsKey(reader.Outputs[0]) ? reader : null;
        }

        private float Highest(string value) => _scales.TryGetValue(value, out ByteScale scale) ? scale.Scale * (byte.MaxValue - scale.ZeroPoint) * 0.9999f : float.PositiveInfinity;

        private float? Bound(Node node, int index) => Constant(node.Input(index)) is { Count: 1 } bound ? bound.Values<float>()[0] : null;

        private void AddFloat(Node node)
        {
            foreach (string input in node.Inputs) RequireFloats(input);
            _target.Nodes.Add(node.Clone());
            _asFloats.UnionWith(node.Outputs);
        }

        private void RequireFloats(string value)
        {
            if (_asFloats.Contains(value) || !_asBytes.Contains(value)) return;
            Convert("DequantizeLinear", value + Suffix, value, value);
            _asFloats.Add(value);
        }

        private void RequireBytes(string value)
        {
            if (!_asBytes.Add(value)) return;
            Convert("QuantizeLinear", value, value + Suffix, value);
        }

        private void Convert(string op, string from, string to, string value)
        {
            var node = new Node { Name = $"{value}.{op}", OpType = op };
            node.Inputs.AddRange([from, .. Parameters(value, _scales[value])]);
            node.Outputs.Add(to);
            _target.Nodes.Add(node);
        }

        private string[] Parameters(string value, ByteScale scale)
        {
            var step = new Tensor(ElementType.Float32, new TensorShape());
            step.Values<float>()[0] = scale.Scale;
            var zero = new Tensor(ElementType.UInt8, new TensorShape());
            zero.Values<byte>()[0] = scale.ZeroPoint;
            return [Add($"{value}.scale", step), Add($"{value}.zero", zero)];
        }

        private string Add(string name, Tensor tensor)
        {
            _target.Initializers[name] = tensor;
            return name;
        }

        private static float Scale(ReadOnlySpan<float> weights)
        {
            float largest = 0;
            foreach (float weight in weights) largest = Math.Max(largest, Math.Abs(weight));
            return largest > 0 ? largest / WeightLimit : 1;
        }
    }
}
