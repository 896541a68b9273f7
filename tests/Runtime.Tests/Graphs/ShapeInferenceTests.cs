using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Tests.Onnx;

namespace CoInference.Runtime.Tests.Graphs;

public class ShapeInferenceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Every_inferred_shape_is_the_shape_computed(int batch)
    {
        foreach (Graph graph in SmallModels.All())
        {
            IReadOnlyDictionary<string, ValueSpec> specs = ShapeInference.Infer(graph, batch: batch);
            string[] names = graph.Nodes.SelectMany(node => node.Outputs).Where(name => name.Length > 0).ToArray();
            var inputs = graph.Inputs.Select(input => new Tensor(input.Type, specs[input.Name].Shape!.Value)).ToArray();
            Dictionary<string, Tensor> values = Interpreter.RunAll(graph, inputs, names);
            foreach (string name in names)
            {
                Assert.Equal(values[name].Type, specs[name].Type);
                Assert.Equal(values[name].Shape, specs[name].Shape);
            }
        }
    }

    [Fact]
    public void A_target_computed_from_the_batch_is_known()
    {
        Graph graph = SmallModels.ShapeChain();
        ValueSpec target = ShapeInference.Infer(graph, batch: 5)["target"];
        Assert.Equal([5L, 24L], target.Value!.Values<long>().ToArray());
    }

    [Fact]
    public void A_shape_that_depends_on_data_is_not_known()
    {
        var b = new SmallModels.Builder(13, ("x", [4]));
        b.Add("Cast", ["x"], ["target"], ("to", 7L));
        b.Add("ConstantOfShape", ["target"], ["y"]);
        b.Add("Relu", ["y"], ["z"]);
        IReadOnlyDictionary<string, ValueSpec> specs = ShapeInference.Infer(b.Build("z"));
        Assert.Null(specs["z"].Shape);
        Assert.Equal(ElementType.Float32, specs["z"].Type);
    }

    [Fact]
    public void Symbolic_dimensions_other_than_the_batch_need_a_given_shape()
    {
        var b = new SmallModels.Builder(13, ("x", [null, 3, null, null]));
        b.Add("Conv", ["x", b.Weights(4, 3, 3, 3)], ["y"], ("strides", new long[] { 2, 2 }));
        Graph graph = b.Build("y");
        Assert.Null(ShapeInference.Infer(graph)["y"].Shape);
        var given = new Dictionary<string, TensorShape> { ["x"] = new(2, 3, 9, 11) };
        Assert.Equal(new TensorShape(2, 4, 4, 5), ShapeInference.Infer(graph, given)["y"].Shape);
    }

    [Fact]
    public void Given_shapes_are_checked()
    {
        Graph graph = SmallModels.ConvNet();
        Assert.Throws<ArgumentException>(() => ShapeInference.Infer(graph, new Dictionary<string, TensorShape> { ["x"] = new(1, 4, 8, 8) }));
        Assert.Throws<ArgumentException>(() => ShapeInference.Infer(graph, new Dictionary<string, TensorShape> { ["other"] = new(1) }));
    }

    [Theory]
    [InlineData("Conv", "Node Conv 'Conv_0': Weights [4, 5, 3, 3] in 1 groups read 5 input channels")]
    [InlineData("Add", "Node Add 'Add_0': Shapes [1, 3, 8, 8] and [4, 5, 3, 3] do not broadcast")]
    [InlineData("MatMul", "Node MatMul 'MatMul_0': A matrix product of [1, 3, 8, 8] and [4, 5, 3, 3] is not defined")]
    [InlineData("MaxPool", "Node MaxPool 'MaxPool_0' lacks attribute 'kernel_shape'")]
    public void A_misfit_names_the_node_and_what_was_expected(string opType, string message)
    {
        var b = new SmallModels.Builder(13, ("x", [1, 3, 8, 8]));
        b.Add(opType, ["x", b.Weights(4, 5, 3, 3)], ["y"]);
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => ShapeInference.Infer(b.Build("y")));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("resnet20")]
    [InlineData("resnet_4b")]
    [InlineData("mobilenetv2_int8")]
    [InlineData("mobilenetv2_dequant_fp32")]
    public void Real_networks_resolve_completely(string model)
    {
        Graph graph = OnnxModel.Load(TestData.Require("models", $"{model}.onnx"));
        foreach (Graph form in new[] { graph, GraphSimplifier.Simplify(graph) })
            Assert.All(ShapeInference.Infer(form).Values, spec => Assert.NotNull(spec.Shape));
    }
}
