using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
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
/// straight through; <see cref="WithoutQuantizer"/> takes them out, because the codec between the halves does that work.
/// </remarks>
public static class Bottleneck
{
    /// <summary>Name of the value that crosses.</summary>
    public const string Code = "bottleneck.code";

    private const string Encoder = "bottleneck.encoder", Encoded = "bottleneck.encoded", Normalized = "bottleneck.normalized", Quantized = "bottleneck.quantized", Restored = "bottleneck.restored";
    private const string Decoder = "bottleneck.decoder", Decoded = "bottleneck.decoded", Restandardized = "bottleneck.standardized", Result = "bottleneck.feature";

    /// <summary>Calibration images that place the code within its range before training, when there are as many.</summary>
    public const int PlacedImages = 64;

    /// <summary>
    /// Mean and deviation of a channel of the code before training: most of it inside [0, 1]. The normalization keeps it
    /// there: without one, the code drifts beyond the clamp, where no gradient brings it back.
    /// </summary>
    private const float Mean = 0.5f, Deviation = 0.25f;

    /// <summary>A network with an untrained bottleneck and its quantizer.</summary>
    /// <param name="graph">A simplified network.</param>
    /// <param name="spec">The bottleneck.</param>
    /// <param name="calibration">Training images, labels not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <exception cref="ArgumentException">The network has no such cut, or the bottleneck does not fit it.</exception>
    public static Graph Insert(Graph graph, BottleneckSpec spec, ImageSet calibration, Preprocessing preprocessing, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(spec);
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(graph);
        Cut cut = cuts.FirstOrDefault(candidate => candidate.Value == spec.Cut)
            ?? throw new ArgumentException($"'{spec.Cut}' is not a legal cut of the network; '{cuts[0].Value}' to '{cuts[^1].Value}' has {cuts.Count}.");
        spec.Validate(cut);
        Graph result = graph.Clone();
        int producer = result.Nodes.FindIndex(node => node.Outputs.Contains(spec.Cut));
        bool isRectified = result.Nodes[producer].OpType == "Relu";
        foreach (Node reader in result.Nodes)
        {
            for (int i = 0; i < reader.Inputs.Count; i++)
            {
                if (reader.Inputs[i] == spec.Cut) reader.Inputs[i] = Result;
            }
        }

        var random = new SplitMix64(seed);
        int features = cut.Shape[1];
        Tensor encoder = Weights(ref random, spec.Channels, features, spec.Kernel);
        result.Initializers.Add($"{Encoder}.weight", encoder);
        (float[] means, float[] variances) = Moments(graph, cut, encoder, spec, calibration, preprocessing);
        AddNormalization(result, Encoder, means, variances, Deviation, Mean);
        result.Initializers.Add("bottleneck.low", Tensor.Scalar(0f));
        result.Initializers.Add("bottleneck.high", Tensor.Scalar(1f));
        result.Initializers.Add("bottleneck.step", Tensor.Scalar(1f / (spec.Levels - 1)));
        result.Initializers.Add("bottleneck.zero", Tensor.Scalar<byte>(0));
        var nodes = new List<Node>
        {
            Convolution(Encoder, spec.Cut, Encoded, spec.Kernel, spec.Stride),
            Normalization(Encoder, Encoded, Normalized),
            Node("bottleneck.clamp", "Clip", [Normalized, "bottleneck.low", "bottleneck.high"], Code),
            Node("bottleneck.quantize", "QuantizeLinear", [Code, "bottleneck.step", "bottleneck.zero"], Quantized),
            Node("bottleneck.dequantize", "DequantizeLinear", [Quantized, "bottleneck.step", "bottleneck.zero"], Restored),
        };
        string code = Restored;
        if (spec.Stride > 1)
        {
            result.Initializers.Add("bottleneck.scales", Tensor.From<float>(new TensorShape(4), [1, 1, spec.Stride, spec.Stride]));
            Node repeat = Node("bottleneck.repeat", "Resize", [code, "", "bottleneck.scales"], code = "bottleneck.repeated");
            repeat.Attributes.Add("mode", "nearest");
            repeat.Attributes.Add("coordinate_transformation_mode", "asymmetric");
            repeat.Attributes.Add("nearest_mode", "floor");
            nodes.Add(repeat);
        }

        result.Initializers.Add($"{Decoder}.weight", Weights(ref random, features, spec.Channels, spec.Kernel));
        AddNormalization(result, Decoder, new float[features], [.. Enumerable.Repeat(1f, features)], 1, 0);
        nodes.Add(Convolution(Decoder, code, Decoded, spec.Kernel, 1));
        nodes.Add(Normalization(Decoder, Decoded, isRectified ? Restandardized : Result));
        if (isRectified) nodes.Add(Node("bottleneck.relu", "Relu", [Restandardized], Result));
        result.Nodes.InsertRange(producer + 1, nodes);
        result.Opset = Math.Max(result.Opset, 13);
        result.Metadata[CodeRange.MetadataKey] = new CodeRange(Code, 0, 1).ToString();
        return result;
    }

    /// <summary>The network to deploy: simplified, without the quantizer that stood in for the codec.</summary>
    /// <param name="trained">A network of <see cref="Insert"/>, trained or not.</param>
    public static Graph WithoutQuantizer(Graph trained)
    {
        ArgumentNullException.ThrowIfNull(trained);
        Graph result = trained.Clone();
        result.Nodes.RemoveAll(node => node.Outputs.Contains(Quantized) || node.Outputs.Contains(Restored));
        foreach (Node node in result.Nodes)
        {
            for (int i = 0; i < node.Inputs.Count; i++)
            {
                if (node.Inputs[i] == Restored) node.Inputs[i] = Code;
            }
        }

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
        float[] features = BundleCompiler.Features(device, cut.Shape, calibration, preprocessing, precise: false);
        return (device, FeatureCodec.Calibrate(features, cut.Shape, decision, new CodecOptions { Given = CodeRange.Of(network, Code) }), edge);
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

    /// <summary>Weights of variance 2 / fan-in (He et al. 2015).</summary>
    private static Tensor Weights(ref SplitMix64 random, int outputs, int inputs, int kernel)
    {
        var tensor = new Tensor(ElementType.Float32, new TensorShape(outputs, inputs, kernel, kernel));
        double deviation = Math.Sqrt(2.0 / (inputs * kernel * kernel));
        foreach (ref float weight in tensor.Values<float>()) weight = (float)deviation * random.Bell();
        return tensor;
    }

    private static Node Normalization(string name, string input, string output) =>
        Node($"{name}.norm", "BatchNormalization", [input, $"{name}.scale", $"{name}.shift", $"{name}.mean", $"{name}.variance"], output);

    private static void AddNormalization(Graph graph, string name, float[] means, float[] variances, float scale, float shift)
    {
        var shape = new TensorShape(means.Length);
        graph.Initializers.Add($"{name}.scale", Tensor.From<float>(shape, [.. Enumerable.Repeat(scale, means.Length)]));
        graph.Initializers.Add($"{name}.shift", Tensor.From<float>(shape, [.. Enumerable.Repeat(shift, means.Length)]));
        graph.Initializers.Add($"{name}.mean", Tensor.From<float>(shape, means));
        graph.Initializers.Add($"{name}.variance", Tensor.From<float>(shape, variances));
    }

    /// <summary>Mean and variance of each channel of the untrained code before its normalization.</summary>
    private static (float[] Means, float[] Variances) Moments(
        Graph graph, Cut cut, Tensor encoder, BottleneckSpec spec, ImageSet calibration, Preprocessing preprocessing)
    {
        Graph device = GraphSplitter.Split(graph, cut).Device;
        device.Initializers.Add($"{Encoder}.weight", encoder);
        device.Nodes.Add(Convolution(Encoder, spec.Cut, Encoded, spec.Kernel, spec.Stride));
        device.Outputs.Clear();
        device.Outputs.Add(new ValueInfo(Encoded, ElementType.Float32, null));
        using Session session = Session.Create(device);
        int pixels = cut.Shape[2] / spec.Stride * (cut.Shape[3] / spec.Stride), images = Math.Min(PlacedImages, calibration.Count);
        var input = new float[calibration.ImageBytes];
        var code = new float[spec.Channels * pixels];
        double[] sums = new double[spec.Channels], squares = new double[spec.Channels];
        for (int image = 0; image < images; image++)
        {
            preprocessing.Apply(calibration.Image(image), calibration.Channels, input);
            session.Run(input, code);
            for (int i = 0; i < code.Length; i++)
            {
                sums[i / pixels] += code[i];
                squares[i / pixels] += (double)code[i] * code[i];
            }
        }

        double count = (double)images * pixels;
        double[] means = Array.ConvertAll(sums, sum => sum / count);
        return (Array.ConvertAll(means, mean => (float)mean), [.. squares.Zip(means, (square, mean) => (float)Math.Max(0, (square / count) - (mean * mean)))]);
    }
}
