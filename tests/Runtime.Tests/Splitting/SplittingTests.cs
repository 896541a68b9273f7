using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Tests.Sparsity;

namespace CoInference.Runtime.Tests.Splitting;

public class SplittingTests
{
    [SkippableFact]
    public void EveryLegalCutReproducesTheNetworkExactly()
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", "resnet20.onnx")));
        Tensor image = NetworkBuilder.RandomImages(seed: 7, 1, 3, 32, 32);
        float[] whole = NetworkBuilder.Run(graph, image);

        // Input, first activation, the end of each of 9 blocks, the pooled vector, output.
        Assert.Equal(13, CutFinder.Find(graph).Count);
        foreach (Cut cut in CutFinder.FindAll(graph))
        {
            (Graph device, Graph edge) = GraphSplitter.Split(graph, cut);
            Assert.Equal(device.Outputs[0], edge.Inputs[0]);
            Tensor feature = Interpreter.Run(Reload(device), [image])[0];
            Assert.Equal(cut.Shape, feature.Shape);
            Assert.Equal(cut.RawBytes, feature.Bytes.Length);

            // The halves run the same reference kernels on the same numbers in the same order: nothing may differ.
            Assert.Equal(whole, NetworkBuilder.Run(Reload(edge), feature));
            Assert.Equal(graph.Nodes.Count, device.Nodes.Count + edge.Nodes.Count);
            Assert.Equal(cut.Position, device.Nodes.Count);
        }
    }

    [SkippableTheory]
    [InlineData("resnet56.onnx", 31)]
    [InlineData("mobilenetv2_dequant_fp32.onnx", 20)]
    public void EveryLegalCutRunsInSessions(string file, int searchedAtLeast)
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", file)));
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(graph);
        Assert.InRange(CutFinder.Find(graph).Count, searchedAtLeast, cuts.Count);
        Tensor image = NetworkBuilder.RandomImages(seed: 8, cuts[0].Shape.Dimensions.ToArray());
        var whole = new float[cuts[^1].Shape.Count];
        using (Session session = Session.Create(graph)) session.Run(image.Values<float>(), whole);
        foreach (Cut cut in cuts)
        {
            (Graph device, Graph edge) = GraphSplitter.Split(graph, cut);
            using Session first = Session.Create(Reload(device)), second = Session.Create(Reload(edge));
            float[] feature = new float[cut.Shape.Count], logits = new float[whole.Length];
            first.Run(image.Values<float>(), feature);
            second.Run(feature, logits);

            // A cut may separate what a session fuses or change a kernel, so single-precision sums may run in another order.
            Assert.InRange(NetworkBuilder.RelativeError(whole, logits), 0, 1e-5);
        }
    }

    [SkippableFact]
    public void MobileNetHasACutAtEveryBlockEndAndAfterEveryActivation()
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", "mobilenetv2_dequant_fp32.onnx")));
        IReadOnlyList<Cut> cuts = CutFinder.Find(graph);
        Assert.Equal(CutKind.Input, cuts[0].Kind);
        Assert.Equal(3 * 224 * 224 * 4, cuts[0].RawBytes);
        Assert.Equal(CutKind.Output, cuts[^1].Kind);
        var producers = graph.Producers();
        foreach (Cut cut in cuts.Where(cut => cut.Kind == CutKind.Interior))
        {
            (Graph device, Graph edge) = GraphSplitter.Split(graph, cut);
            Assert.Equal(graph.Nodes.Count, device.Nodes.Count + edge.Nodes.Count);
            Assert.Equal("N", device.Outputs[0].Dimensions![0].Symbol);
            Assert.Equal(cut.Shape.Dimensions[1..].ToArray(), device.Outputs[0].Dimensions!.Skip(1).Select(dimension => dimension.Size!.Value));
            if (producers[cut.Value].OpType == "Conv") Assert.DoesNotContain(graph.Consumers()[cut.Value], node => node.OpType == "Clip");
        }
    }

    [Fact]
    public void AValueInsideAResidualBlockIsNotACut()
    {
        var builder = new NetworkBuilder(seed: 1, 1, 3, 8, 8);
        string stem = builder.Relu(builder.Conv("x", 3, 8));
        string inner = builder.Relu(builder.Conv(stem, 8, 8));
        string sum = builder.Relu(builder.Sum(builder.Conv(inner, 8, 8), stem));
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(sum)), 8, 4));

        Assert.Equal(["x", stem, sum], CutFinder.Find(graph).Take(3).Select(cut => cut.Value));
        Assert.DoesNotContain(CutFinder.FindAll(graph), cut => cut.Value == inner);
        var illegal = new Cut(inner, new TensorShape(1, 8, 8, 8), 2048, 4, CutKind.Interior);
        Assert.Contains("not a legal cut", Assert.Throws<ArgumentException>(() => GraphSplitter.Split(graph, illegal)).Message, StringComparison.Ordinal);
        var unknown = illegal with { Value = "nowhere" };
        Assert.Contains("no value 'nowhere'", Assert.Throws<ArgumentException>(() => GraphSplitter.Split(graph, unknown)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CutsBeforeActivationsAndAfterViewsAreDominated()
    {
        var builder = new NetworkBuilder(seed: 2, 1, 3, 8, 8);
        string conv = builder.Conv("x", 3, 8);
        string relu = builder.Relu(conv);
        string flat = builder.Flatten(relu);
        Graph graph = builder.Finish(builder.Gemm(flat, 8 * 8 * 8, 4));

        Assert.Equal(["x", conv, relu, flat, graph.Outputs[0].Name], CutFinder.FindAll(graph).Select(cut => cut.Value));
        Assert.Equal(["x", relu, graph.Outputs[0].Name], CutFinder.Find(graph).Select(cut => cut.Value));
    }

    [Fact]
    public void InputAndOutputCutsLeaveOneHalfEmpty()
    {
        var builder = new NetworkBuilder(seed: 3, 1, 3, 8, 8);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.Conv("x", 3, 4)), 256, 4));
        IReadOnlyList<Cut> cuts = CutFinder.Find(graph);

        (Graph device, Graph edge) = GraphSplitter.Split(graph, cuts[0]);
        Assert.Empty(device.Nodes);
        Assert.Equal(graph.Nodes.Count, edge.Nodes.Count);
        (device, edge) = GraphSplitter.Split(graph, cuts[^1]);
        Assert.Equal(graph.Nodes.Count, device.Nodes.Count);
        Assert.Empty(edge.Nodes);
        Assert.Equal(edge.Inputs[0].Name, edge.Outputs[0].Name);
    }

    [Fact]
    public void SeveralOutputsAreRefused()
    {
        var builder = new NetworkBuilder(seed: 4, 1, 3, 8, 8);
        string first = builder.Conv("x", 3, 4);
        builder.Finish(builder.Relu(first));
        Graph graph = builder.Finish(first);
        Assert.Contains("1 inputs and 2 outputs", Assert.Throws<NotSupportedException>(() => CutFinder.Find(graph)).Message, StringComparison.Ordinal);
    }

    private static Graph Reload(Graph graph) => OnnxModel.Parse(OnnxModel.Serialize(graph));
}
