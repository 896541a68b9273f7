using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Training.Bottlenecks;

/// <summary>
/// Puts a learned bottleneck into a network. The result is an ordinary network: its value <see cref="Code"/> is a legal cut,
/// so splitting, plans, bundles and search work on it as on any other; encoder and decoder are nodes of the two halves.
/// </summary>
/// <remarks>
/// For training the code also goes through QuantizeLinear and DequantizeLinear, which <see cref="TrainingNetwork"/> trains
/// straight through; <see cref="WithoutQuantizer"/> takes them out, because the codec between the halves does that work. The
/// normalizations keep the code within its range: without one it drifts beyond the clamp, where no gradient brings it back.
/// </remarks>
public static class Bottleneck
{
    /// <summary>Name of the value that crosses.</summary>
    public const string Code = "bottleneck.code";

    private const string Encoder = "bottleneck.encoder", Encoded = "bottleneck.encoded", Normalized = "bottleneck.normalized", Quantized = "bottleneck.quantized", Restored = "bottleneck.restored";
    private const string Repeated = "bottleneck.repeated", Decoder = "bottleneck.decoder", Decoded = "bottleneck.decoded", Restandardized = "bottleneck.standardized", Result = "bottleneck.feature";

    /// <summary>Calibration images that the linear bottleneck is fitted to, when there are as many.</summary>
    public const int FittedImages = 64;

    /// <summary>Clip with bounds as inputs, and Resize as it is used here.</summary>
    private const int MinOpset = 11;

    /// <summary>A network with a bottleneck and its quantizer, ready to be trained: the best linear one for the calibration images.</summary>
    /// <param name="graph">A simplified network.</param>
    /// <param name="spec">The bottleneck.</param>
    /// <param name="calibration">Training images, labels not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="seed">Seed of the fit.</param>
    /// <exception cref="ArgumentException">The network has no such cut, a bottleneck already, or an operator set that is too old; or the bottleneck does not fit.</exception>
    public static Graph Insert(Graph graph, BottleneckSpec spec, ImageSet calibration, Preprocessing preprocessing, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(spec);
        if (graph.Opset < MinOpset) throw new ArgumentException($"The network is of operator set {graph.Opset}; a bottleneck needs {MinOpset} or later.");
        if (graph.Nodes.Exists(node => node.Outputs.Contains(Code))) throw new ArgumentException("The network has a bottleneck already.");
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(graph);
        Cut cut = cuts.FirstOrDefault(candidate => candidate.Value == spec.Cut)
            ?? throw new ArgumentException($"'{spec.Cut}' is not a legal cut of the network; '{cuts[0].Value}' to '{cuts[^1].Value}' has {cuts.Count}.");
        spec.Validate(cut);
        Graph result = graph.Clone();
        int producer = result.Nodes.FindIndex(node => node.Outputs.Contains(spec.Cut));
        bool isRectified = result.Nodes[producer].OpType == "Relu";
        Redirect(result, spec.Cut, Result);

        ImageSet fitted = calibration.Take(FittedImages);
        var fit = new BottleneckFit(spec, BundleCompiler.Features(GraphSplitter.Split(graph, cut).Device, cut.Shape, fitted, preprocessing), cut.Shape, new SplitMix64(seed));
        int features = cut.Shape[1];
        Add(result, Encoder, fit.Encoder, new TensorShape(spec.Channels, features, spec.Kernel, spec.Kernel));
        Add(result, Decoder, fit.Decoder, new TensorShape(features, spec.Channels, spec.Kernel, spec.Kernel));
        result.Initializers.Add("bottleneck.low", Tensor.Scalar(0f));
        result.Initializers.Add("bottleneck.high", Tensor.Scalar(1f));
        result.Initializers.Add("bottleneck.scales", Tensor.From<float>(new TensorShape(4), [1, 1, spec.Stride, spec.Stride]));
        result.Nodes.InsertRange(producer + 1, Nodes(spec, isRectified));
        GraphSimplifier.RemoveDeadNodes(result);
        result.Metadata[CodeRange.MetadataKey] = new CodeRange(Code, 0, 1).ToString();
        return WithQuantizer(result, spec.Bits);
    }

    /// <summary>A copy with the quantizer that stands in for the codec, as training needs it.</summary>
    /// <param name="network">A network of <see cref="WithoutQuantizer"/>, pruned or not.</param>
    /// <param name="bits">Bits per value of the code.</param>
    /// <exception cref="ArgumentException">The network has no code.</exception>
    public static Graph WithQuantizer(Graph network, int bits)
    {
        ArgumentNullException.ThrowIfNull(network);
        Graph result = network.Clone();
        int producer = result.Nodes.FindIndex(node => node.Outputs.Contains(Code));
        if (producer < 0) throw new ArgumentException($"The network has no value '{Code}': it was not made with a bottleneck.", nameof(network));
        Redirect(result, Code, Restored);
        result.Initializers.Add("bottleneck.step", Tensor.Scalar(1f / ((1 << bits) - 1)));
        result.Initializers.Add("bottleneck.zero", Tensor.Scalar<byte>(0));
        result.Nodes.InsertRange(producer + 1,
        [
            Node("bottleneck.quantize", "QuantizeLinear", [Code, "bottleneck.step", "bottleneck.zero"], Quantized),
            Node("bottleneck.dequantize", "DequantizeLinear", [Quantized, "bottleneck.step", "bottleneck.zero"], Restored),
        ]);
        return result;
    }

    /// <summary>The network to deploy: simplified, without the quantizer that stood in for the codec.</summary>
    /// <param name="trained">A network of <see cref="Insert"/>, trained or not.</param>
    public static Graph WithoutQuantizer(Graph trained)
    {
        ArgumentNullException.ThrowIfNull(trained);
        Graph result = trained.Clone();
        result.Nodes.RemoveAll(node => node.Outputs.Contains(Quantized) || node.Outputs.Contains(Restored));
        Redirect(result, Restored, Code);
        return GraphSimplifier.Simplify(result);
    }

    /// <summary>Cuts a network at its code and calibrates the codec between the halves.</summary>
    /// <param name="network">A network of <see cref="WithoutQuantizer"/>.</param>
    /// <param name="bits">Bits per value of the code.</param>
    /// <param name="calibration">Training images, labels not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <exception cref="ArgumentException">The network has no code.</exception>
    public static (Graph Device, FeatureCodec Codec, Graph Edge) Split(Graph network, int bits, ImageSet calibration, Preprocessing preprocessing)
    {
        Cut cut = CutFinder.FindAll(network).FirstOrDefault(candidate => candidate.Value == Code)
            ?? throw new ArgumentException($"The network has no value '{Code}': it was not made with a bottleneck.", nameof(network));
        (Graph device, Graph edge) = GraphSplitter.Split(network, cut);
        var decision = new CodecDecision(cut.Shape[1], cut.Shape[1], bits, EntropyCoded: true);
        float[] features = BundleCompiler.Features(device, cut.Shape, calibration, preprocessing);
        return (device, FeatureCodec.Calibrate(features, cut.Shape, decision, new CodecOptions { Given = CodeRange.Of(network, Code) }), edge);
    }

    /// <summary>Lets all readers of a value read another one.</summary>
    private static void Redirect(Graph graph, string from, string to)
    {
        foreach (Node reader in graph.Nodes)
        {
            for (int i = 0; i < reader.Inputs.Count; i++)
            {
                if (reader.Inputs[i] == from) reader.Inputs[i] = to;
            }
        }
    }

    private static IEnumerable<Node> Nodes(BottleneckSpec spec, bool isRectified)
    {
        yield return Convolution(Encoder, spec.Cut, Encoded, spec.Kernel, spec.Stride);
        yield return Normalization(Encoder, Encoded, Normalized);
        yield return Node("bottleneck.clamp", "Clip", [Normalized, "bottleneck.low", "bottleneck.high"], Code);
        if (spec.Stride > 1)
        {
            Node repeat = Node("bottleneck.repeat", "Resize", [Code, "", "bottleneck.scales"], Repeated);
            repeat.Attributes.Add("mode", "nearest");
            repeat.Attributes.Add("coordinate_transformation_mode", "asymmetric");
            repeat.Attributes.Add("nearest_mode", "floor");
            yield return repeat;
        }

        yield return Convolution(Decoder, spec.Stride > 1 ? Repeated : Code, Decoded, spec.Kernel, 1);
        yield return Normalization(Decoder, Decoded, isRectified ? Restandardized : Result);
        if (isRectified) yield return Node("bottleneck.relu", "Relu", [Restandardized], Result);
    }

    private static Node Node(string name, string op, string[] inputs, string output)
    {
        var node = new Node { Name = name, OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add(output);
        return node;
    }

    private static Node Convolution(string name, string input, string output, int kernel, int stride)
    {
        Node node = Node(name, "Conv", [input, $"{name}.weight"], output);
        long pad = kernel / 2;
        node.Attributes.Add("kernel_shape", new long[] { kernel, kernel });
        node.Attributes.Add("pads", new[] { pad, pad, pad, pad });
        node.Attributes.Add("strides", new long[] { stride, stride });
        return node;
    }

    private static Node Normalization(string name, string input, string output) =>
        Node($"{name}.norm", "BatchNormalization", [input, $"{name}.scale", $"{name}.shift", $"{name}.mean", $"{name}.variance"], output);

    private static void Add(Graph graph, string name, FittedConvolution fitted, TensorShape shape)
    {
        var channels = new TensorShape(shape[0]);
        graph.Initializers.Add($"{name}.weight", Tensor.From<float>(shape, fitted.Weights));
        graph.Initializers.Add($"{name}.scale", Tensor.From<float>(channels, fitted.Scale));
        graph.Initializers.Add($"{name}.shift", Tensor.From<float>(channels, fitted.Shift));
        graph.Initializers.Add($"{name}.mean", Tensor.From<float>(channels, fitted.Means));
        graph.Initializers.Add($"{name}.variance", Tensor.From<float>(channels, fitted.Variances));
    }
}
