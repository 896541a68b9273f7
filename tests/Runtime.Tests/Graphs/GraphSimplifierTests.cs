using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Tests.Onnx;

namespace CoInference.Runtime.Tests.Graphs;

public class GraphSimplifierTests
{
    // Folding rounds each weight once more: a few units in the last place of float32.
    private const float Tolerance = 1e-5f;

    [Fact]
    public void A_convolution_network_loses_everything_but_its_layers()
    {
        Graph simplified = GraphSimplifier.Simplify(SmallModels.ConvNet());
        Assert.Equal(
            ["Conv", "Relu", "Conv", "Clip", "Conv", "Add", "MaxPool", "GlobalAveragePool", "Flatten", "Gemm", "Softmax"],
            simplified.Nodes.Select(node => node.OpType));
        Node gemm = simplified.Nodes.Single(node => node.OpType == "Gemm");
        Assert.Equal(1L, gemm.Int("transB", 0));
        Assert.Equal(new TensorShape(5, 8), simplified.Initializers[gemm.Inputs[1]].Shape);
        Assert.Equal(new TensorShape(5), simplified.Initializers[gemm.Inputs[2]].Shape);
        Assert.All(simplified.Nodes.Where(node => node.OpType == "Conv"), conv => Assert.Equal(3, conv.Inputs.Count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void The_function_stays_the_same_at_every_batch(int batch)
    {
        foreach (Graph graph in SmallModels.All())
        {
            Graph simplified = GraphSimplifier.Simplify(graph);
            Tensor[] inputs = Inputs(graph, batch);
            IReadOnlyList<Tensor> expected = Interpreter.Run(graph, inputs);
            IReadOnlyList<Tensor> actual = Interpreter.Run(simplified, inputs);
            Assert.Equal(graph.Outputs, simplified.Outputs);
            for (int i = 0; i < expected.Count; i++) AssertClose(expected[i], actual[i]);
        }
    }

    [Fact]
    public void Simplifying_twice_changes_nothing_more()
    {
        foreach (Graph graph in SmallModels.All())
        {
            Graph once = GraphSimplifier.Simplify(graph);
            Assert.Equal(OnnxModel.Serialize(once), OnnxModel.Serialize(GraphSimplifier.Simplify(once)));
        }
    }

    [Fact]
    public void The_source_graph_is_not_changed()
    {
        foreach (Graph graph in SmallModels.All())
        {
            byte[] before = OnnxModel.Serialize(graph);
            GraphSimplifier.Simplify(graph);
            Assert.Equal(before, OnnxModel.Serialize(graph));
        }
    }

    [Fact]
    public void A_reshape_computed_from_the_batch_becomes_flatten()
    {
        Graph simplified = GraphSimplifier.Simplify(SmallModels.ShapeChain());
        Assert.Equal("Flatten", Assert.Single(simplified.Nodes).OpType);
        Assert.Empty(simplified.Initializers);
    }

    [Fact]
    public void A_reshape_that_splits_channels_keeps_the_batch_open()
    {
        var b = new SmallModels.Builder(13, ("x", [null, 6, 2, 2]));
        b.Add("Shape", ["x"], ["s"], ("end", 1L));
        b.Add("Concat", ["s", b.Ints(2, 3, 4)], ["target"], ("axis", 0L));
        b.Add("Reshape", ["x", "target"], ["r"]);
        b.Add("Transpose", ["r"], ["y"], ("perm", new long[] { 0, 2, 1, 3 }));
        Graph graph = b.Build("y");
        graph.Opset = 15;
        Graph simplified = GraphSimplifier.Simplify(graph);
        Assert.Equal(["Reshape", "Transpose"], simplified.Nodes.Select(node => node.OpType));
        Assert.Equal([-1L, 2, 3, 4], simplified.Initializers[simplified.Nodes[0].Inputs[1]].Values<long>().ToArray());
    }

    [Fact]
    public void Weights_read_twice_are_folded_into_a_copy()
    {
        var b = new SmallModels.Builder(13, ("x", [1, 2, 4, 4]));
        string weights = b.Weights(2, 2, 1, 1);
        b.Add("Conv", ["x", weights], ["a"]);
        b.Add("Mul", ["a", b.Weights(2, 1, 1)], ["b"]);
        b.Add("Conv", ["b", weights], ["y"]);
        Graph graph = b.Build("y");
        Graph simplified = GraphSimplifier.Simplify(graph);
        Assert.Equal(["Conv", "Conv"], simplified.Nodes.Select(node => node.OpType));
        Assert.NotEqual(simplified.Nodes[0].Inputs[1], simplified.Nodes[1].Inputs[1]);
        AssertClose(Interpreter.Run(graph, Inputs(graph, 1))[0], Interpreter.Run(simplified, Inputs(graph, 1))[0]);
    }

    [Theory]
    [InlineData("y")]
    [InlineData("n", "a")]
    public void A_value_that_is_read_elsewhere_or_an_output_is_not_folded_away(params string[] outputs)
    {
        var b = new SmallModels.Builder(13, ("x", [1, 2, 4, 4]));
        b.Add("Conv", ["x", b.Weights(2, 2, 1, 1)], ["a"]);
        b.Add("BatchNormalization", ["a", b.Positive(2), b.Weights(2), b.Weights(2), b.Positive(2)], ["n"]);
        b.Add("Add", ["a", "n"], ["y"]);
        Assert.Equal(["Conv", "BatchNormalization"], GraphSimplifier.Simplify(b.Build(outputs)).Nodes.Select(node => node.OpType).Take(2));
    }

    [Theory]
    [InlineData("Mul", 2, 4, 4)]
    [InlineData("Add", 1, 1, 4)]
    public void Constants_that_differ_within_a_channel_are_not_folded(string opType, int channels, int height, int width)
    {
        var b = new SmallModels.Builder(13, ("x", [1, 2, 4, 4]));
        b.Add("Conv", ["x", b.Weights(2, 2, 1, 1)], ["a"]);
        b.Add(opType, ["a", b.Weights(channels, height, width)], ["y"]);
        Assert.Equal(["Conv", opType], GraphSimplifier.Simplify(b.Build("y")).Nodes.Select(node => node.OpType));
    }

    [Fact]
    public void A_constant_that_widens_the_shape_is_not_folded()
    {
        var b = new SmallModels.Builder(13, ("x", [1, 2, 4, 4]));
        b.Add("Conv", ["x", b.Weights(1, 2, 1, 1)], ["a"]);
        b.Add("Add", ["a", b.Weights(1, 3, 1, 1)], ["y"]);
        Assert.Equal(["Conv", "Add"], GraphSimplifier.Simplify(b.Build("y")).Nodes.Select(node => node.OpType));
    }

    [Fact]
    public void A_network_fixed_at_one_batch_is_simplified_as_it_is()
    {
        var b = new SmallModels.Builder(13, ("x", [null, 6]));
        b.Add("Reshape", ["x", b.Ints(2, 3)], ["y"]);
        Graph simplified = GraphSimplifier.Simplify(b.Build("y"));
        Assert.Equal("Reshape", Assert.Single(simplified.Nodes).OpType);
    }

    [Fact]
    public void Gemm_factors_and_transposition_move_into_its_constants()
    {
        var b = new SmallModels.Builder(13, ("x", [null, 4]));
        b.Add("Gemm", ["x", b.Weights(4, 3), b.Scalar(2f)], ["y"], ("alpha", 0.5f), ("beta", 3f));
        Graph graph = b.Build("y");
        Graph simplified = GraphSimplifier.Simplify(graph);
        Node gemm = Assert.Single(simplified.Nodes);
        Assert.Equal(["transB"], gemm.Attributes.Keys);
        Assert.Equal([6f, 6f, 6f], simplified.Initializers[gemm.Inputs[2]].Values<float>().ToArray());
        AssertClose(Interpreter.Run(graph, Inputs(graph, 2))[0], Interpreter.Run(simplified, Inputs(graph, 2))[0]);
    }

    private static Tensor[] Inputs(Graph graph, int batch) => graph.Inputs.Select(input =>
    {
        var tensor = new Tensor(input.Type, new TensorShape(input.Dimensions!.Select(dimension => dimension.Size ?? batch).ToArray()));
        for (int i = 0; i < tensor.Count; i++) tensor.Values<float>()[i] = MathF.Sin(i);
        return tensor;
    }).ToArray();

    private static void AssertClose(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Type, actual.Type);
        Assert.Equal(expected.Shape, actual.Shape);
        if (expected.Type != ElementType.Float32)
        {
            Assert.True(expected.Bytes.SequenceEqual(actual.Bytes));
            return;
        }

        for (int i = 0; i < expected.Count; i++)
            Assert.InRange(actual.Values<float>()[i], expected.Values<float>()[i] - Tolerance, expected.Values<float>()[i] + Tolerance);
    }
}
