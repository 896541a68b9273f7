using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>Whole networks, run by the scalar reference, against outputs of ONNX Runtime.</summary>
public class GoldenModelTests
{
    // 1e-4 of the largest output: both sides round float32 sums in different orders, about 2e-5 apart at most.
    private const double Tolerance = 1e-4;

    [SkippableTheory]
    [InlineData("resnet20", 4)]
    [InlineData("resnet56", 1)]
    [InlineData("resnet8_cifar10", 4)]
    [InlineData("resnet_4b", 4)]
    public void Cifar_networks_match_before_and_after_simplification(string name, int images)
    {
        var model = new GoldenModel(name, images);
        Graph simplified = GraphSimplifier.Simplify(model.Graph);
        Assert.True(simplified.Nodes.Count <= model.Graph.Nodes.Count);
        Assert.DoesNotContain(simplified.Nodes, node => node.OpType is "BatchNormalization" or "Constant" or "Identity" or "Dropout");
        for (int image = 0; image < images; image++)
        {
            AssertMatches(model, model.Graph, image);
            AssertMatches(model, simplified, image);
        }
    }

    [SkippableTheory]
    [InlineData("mobilenetv2_dequant_fp32")]
    [InlineData("mobilenetv2_int8")]
    public void Mobilenet_matches(string name)
    {
        var model = new GoldenModel(name, 1);
        AssertMatches(model, GraphSimplifier.Simplify(model.Graph), 0);
    }

    private static void AssertMatches(GoldenModel model, Graph graph, int image)
    {
        Tensor input = Tensor.From<float>(new TensorShape(1, 3, model.Size, model.Size), model.Image(image));
        Tensor output = Interpreter.Run(graph, [input])[0];
        Assert.Equal(model.Classes, output.Count);
        Assert.InRange(model.RelativeError(image, output.Values<float>()), 0, Tolerance);
    }
}
