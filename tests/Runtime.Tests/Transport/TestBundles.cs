using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Small real bundles: a two-convolution network with random weights, cut after its first activation.</summary>
internal static class TestBundles
{
    public const int Channels = 3, Side = 12, Classes = 10, FeatureChannels = 8;

    /// <summary>Device half, codec and edge half.</summary>
    public static Bundle Split(int bits = 4, int keptChannels = 6, bool entropyCoded = true)
    {
        Graph device = DeviceGraph();
        var shape = new TensorShape(1, FeatureChannels, Side, Side);
        var decision = new CodecDecision(keptChannels, FeatureChannels, bits, entropyCoded);
        ImageSet images = Images(32, seed: 5);
        var features = new float[images.Count * shape.Count];
        var input = new float[images.ImageBytes];
        using (var session = Session.Create(device))
        {
            for (int i = 0; i < images.Count; i++)
            {
                Preprocessing.ImageNet.Apply(images.Image(i), Channels, input);
                session.Run(input, features.AsSpan(i * shape.Count, shape.Count));
            }
        }

        FeatureCodec codec = FeatureCodec.Calibrate(features, shape, decision);
        return Bundle.Create(PlanFor("feature", decision), device, EdgeGraph(), codec, Preprocessing.ImageNet);
    }

    /// <summary>The whole network on the edge; the image crosses.</summary>
    public static Bundle EdgeOnly(InputCoding coding) =>
        Bundle.Create(PlanFor("image", null) with { InputCoding = coding }, null, WholeGraph(), null, Preprocessing.ImageNet);

    /// <summary>The whole network on the device.</summary>
    public static Bundle DeviceOnly() => Bundle.Create(PlanFor("logits", null), WholeGraph(), null, null, Preprocessing.ImageNet);

    /// <summary>Smooth random images, so that PNG has something to compress.</summary>
    public static ImageSet Images(int count, int seed)
    {
        var random = new Random(seed);
        var pixels = new byte[count * Channels * Side * Side];
        for (int plane = 0; plane < count * Channels; plane++)
        {
            double x = random.NextDouble() * 10, y = random.NextDouble() * 10, level = random.Next(60, 200);
            for (int p = 0; p < Side * Side; p++)
                pixels[(plane * Side * Side) + p] = (byte)Math.Clamp(level + (x * (p % Side)) - (y * (p / Side)), 0, 255);
        }

        return new ImageSet(Channels, Side, Side, Classes, pixels, [.. Enumerable.Range(0, count).Select(_ => random.Next(Classes))]);
    }

    public static Graph DeviceGraph()
    {
        Graph graph = New("device", "image", Channels, "feature", [1, FeatureChannels, Side, Side]);
        AddDeviceNodes(graph);
        return graph;
    }

    public static Graph EdgeGraph()
    {
        Graph graph = New("edge", "feature", FeatureChannels, "logits", [1, Classes]);
        AddEdgeNodes(graph);
        return graph;
    }

    public static Graph WholeGraph()
    {
        Graph graph = New("whole", "image", Channels, "logits", [1, Classes]);
        AddDeviceNodes(graph);
        AddEdgeNodes(graph);
        return graph;
    }

    public static Plan PlanFor(string cut, CodecDecision? codec) => new()
    {
        ModelHash = new string('c', 64),
        Cut = cut,
        Groups = [],
        Codec = codec,
        Predicted = new LatencyBreakdown(0.1, 0.01, 1, 0.01, 0.1),
        PayloadBytes = 500,
        ValidationAccuracy = 0.5,
        Link = new LinkSpec(10, 1),
    };

    private static Graph New(string name, string input, int channels, string output, int[] outputShape)
    {
        var graph = new Graph { Name = name };
        graph.Inputs.Add(new ValueInfo(input, ElementType.Float32, [new(1), new(channels), new(Side), new(Side)]));
        graph.Outputs.Add(new ValueInfo(output, ElementType.Float32, [.. outputShape.Select(size => new Dimension(size))]));
        return graph;
    }

    private static void AddDeviceNodes(Graph graph)
    {
        AddConv(graph, "conv1", "image", "conv1.out", Channels, seed: 1);
        AddNode(graph, "Relu", "relu1", ["conv1.out"], "feature");
    }

    private static void AddEdgeNodes(Graph graph)
    {
        AddConv(graph, "conv2", "feature", "conv2.out", FeatureChannels, seed: 2);
        AddNode(graph, "Relu", "relu2", ["conv2.out"], "relu2.out");
        AddNode(graph, "GlobalAveragePool", "pool", ["relu2.out"], "pool.out");
        AddNode(graph, "Flatten", "flatten", ["pool.out"], "flat");
        graph.Initializers["fc.weight"] = RandomTensor(new TensorShape(FeatureChannels, Classes), 3);
        graph.Initializers["fc.bias"] = RandomTensor(new TensorShape(Classes), 4);
        AddNode(graph, "Gemm", "fc", ["flat", "fc.weight", "fc.bias"], "logits");
    }

    private static void AddConv(Graph graph, string name, string input, string output, int channels, int seed)
    {
        graph.Initializers[$"{name}.weight"] = RandomTensor(new TensorShape(FeatureChannels, channels, 3, 3), seed);
        graph.Initializers[$"{name}.bias"] = RandomTensor(new TensorShape(FeatureChannels), seed + 100);
        Node node = AddNode(graph, "Conv", name, [input, $"{name}.weight", $"{name}.bias"], output);
        node.Attributes["pads"] = new long[] { 1, 1, 1, 1 };
        node.Attributes["kernel_shape"] = new long[] { 3, 3 };
    }

    private static Node AddNode(Graph graph, string op, string name, string[] inputs, string output)
    {
        var node = new Node { Name = name, OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add(output);
        graph.Nodes.Add(node);
        return node;
    }

    private static Tensor RandomTensor(TensorShape shape, int seed)
    {
        var random = new Random(seed);
        return Tensor.From<float>(shape, [.. Enumerable.Range(0, shape.Count).Select(_ => (float)(random.NextDouble() - 0.5))]);
    }
}
