using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Reductions along axes.</summary>
internal static class ReductionOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        Reduce("ReduceSum", ReductionKind.Sum),
        Reduce("ReduceMean", ReductionKind.Mean),
        Reduce("ReduceMax", ReductionKind.Max),
        Reduce("ReduceMin", ReductionKind.Min),
        Reduce("ReduceProd", ReductionKind.Product),
        Reduce("ReduceSumSquare", ReductionKind.SumSquare),
        Reduce("ReduceL2", ReductionKind.L2),
        ArgExtreme("ArgMax", smallest: false),
        ArgExtreme("ArgMin", smallest: true),
    ];

    private static OperatorRow Reduce(string name, ReductionKind kind) => new()
    {
        Name = name,
        Shapes = context => [Reduction.Shape(context.Shape(0), ReducedAxes(context), KeepAxes(context))],
        Run = context => [Reduction.Reduce(context.Tensor(0), ReducedAxes(context), KeepAxes(context), kind)],
        ShapeInputs = [1],
    };

    private static OperatorRow ArgExtreme(string name, bool smallest) => new()
    {
        Name = name,
        Shapes = context => [Reduction.Shape(context.Shape(0), Axes.Mark([context.Node.Int("axis", 0)], context.Shape(0).Rank), KeepAxes(context))],
        Run = context => [Reduction.ArgExtreme(
            context.Tensor(0), context.Node.Int("axis", 0), KeepAxes(context), smallest, context.Node.Int("select_last_index", 0) != 0)],
        Type = (_, _) => ElementType.Int64,
    };

    private static bool KeepAxes(NodeContext context) => context.Node.Int("keepdims", 1) != 0;

    private static bool[] ReducedAxes(NodeContext context)
    {
        long[] axes = context.Ints("axes", 1) ?? [];
        int rank = context.Shape(0).Rank;
        if (axes.Length > 0) return Axes.Mark(axes, rank);
        var all = new bool[rank];
        Array.Fill(all, context.Node.Int("noop_with_empty_axes", 0) == 0);
        return all;
    }
}
