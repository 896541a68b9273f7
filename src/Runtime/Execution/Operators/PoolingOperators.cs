using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Pooling over windows and over whole images.</summary>
internal static class PoolingOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "MaxPool",
            Shapes = context => [ShapeOf(context), ShapeOf(context)],
            Run = context =>
            {
                (Tensor values, Tensor indices) = Pooling.Max(context.Tensor(0), WindowOf(context), context.Node.Int("storage_order", 0) != 0);
                return [values, indices];
            },
            Type = (context, output) => output == 0 ? context.Spec(0).Type : ElementType.Int64,
        },
        new()
        {
            Name = "AveragePool",
            Shapes = context => [ShapeOf(context)],
            Run = context => [Pooling.Average(context.Tensor(0), WindowOf(context), context.Node.Int("count_include_pad", 0) != 0)],
        },
        Global("GlobalAveragePool", maximum: false),
        Global("GlobalMaxPool", maximum: true),
    ];

    private static OperatorRow Global(string name, bool maximum) => new()
    {
        Name = name,
        Shapes = context => [Pooling.GlobalShape(context.Shape(0))],
        Run = context => [Pooling.Global(context.Tensor(0), maximum)],
    };

    private static SpatialWindow WindowOf(NodeContext context) => NodeWindows.Pooling(context.Node, context.Shape(0));

    private static TensorShape ShapeOf(NodeContext context) => Pooling.OutputShape(context.Shape(0), WindowOf(context));
}
