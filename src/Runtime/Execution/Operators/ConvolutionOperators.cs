using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Convolutions: floating-point, integer and quantized.</summary>
internal static class ConvolutionOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "Conv",
            SameType = 0..3,
            TakesFloats = true,
            Shapes = context => [ShapeOf(context, 1, bias: 2)],
            Run = context => [Convolution.Run(
                context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), WindowOf(context, 1), NodeWindows.Groups(context.Node))],
        },
        new()
        {
            Name = "ConvInteger",
            Shapes = context => [ShapeOf(context, 1)],
            Run = context => [Convolution.RunInteger(
                context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), context.OptionalTensor(3), WindowOf(context, 1), NodeWindows.Groups(context.Node))],
            Type = (_, _) => ElementType.Int32,
        },
        new()
        {
            Name = "QLinearConv",
            Shapes = context => [ShapeOf(context, 3, bias: 8)],
            Run = context => [Convolution.RunQuantized(
                new QuantizedTensor(context.Tensor(0), context.Tensor(1), context.Tensor(2)),
                new QuantizedTensor(context.Tensor(3), context.Tensor(4), context.Tensor(5)),
                context.OptionalTensor(8),
                new QuantizedScale(context.Tensor(6), context.Tensor(7)),
                WindowOf(context, 3),
                NodeWindows.Groups(context.Node))],
            Type = (context, _) => context.Spec(7).Type,
        },
    ];

    private static SpatialWindow WindowOf(NodeContext context, int weights) =>
        NodeWindows.Convolution(context.Node, context.Shape(0), context.Shape(weights));

    private static TensorShape ShapeOf(NodeContext context, int weights, int? bias = null)
    {
        TensorShape shape = Convolution.OutputShape(context.Shape(0), context.Shape(weights), WindowOf(context, weights), NodeWindows.Groups(context.Node));
        if (bias is { } index && context.Has(index) && context.Shape(index) != new TensorShape(shape[1]))
            throw context.Invalid($"the bias has shape {context.Shape(index)}, expected [{shape[1]}].");
        return shape;
    }
}
