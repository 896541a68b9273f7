using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Operators that move elements: joining, cutting, permuting, padding, gathering.</summary>
internal static class SelectionOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "Concat",
            SameType = ..,
            Shapes = context => [Concatenation.Shape(context.Shapes(), context.Node.Int("axis", 1))],
            Run = context => [Concatenation.Concat(context.Tensors(), context.Node.Int("axis", 1))],
        },
        new()
        {
            Name = "Split",
            Shapes = context => Concatenation.SplitShapes(context.Shape(0), context.Node.Int("axis", 0), SplitSizes(context)),
            Run = context => Concatenation.Split(context.Tensor(0), context.Node.Int("axis", 0), SplitSizes(context)),
            ShapeInputs = [1],
        },
        new()
        {
            Name = "Slice",
            Shapes = context => [Slicing.Shape(Ranges(context))],
            Run = context => [Slicing.Slice(context.Tensor(0), Ranges(context))],
            ShapeInputs = [1, 2, 3, 4],
        },
        new()
        {
            Name = "Transpose",
            Shapes = context => [Transposition.Shape(context.Shape(0), Permutation(context))],
            Run = context => [Transposition.Transpose(context.Tensor(0), Permutation(context))],
        },
        new()
        {
            Name = "Pad",
            Shapes = context => [Padding.Shape(context.Shape(0), Pads(context))],
            Run = Pad,
            ShapeInputs = [1, 3],
        },
        new()
        {
            Name = "Gather",
            Shapes = context => [Gathering.Shape(context.Shape(0), context.Shape(1), context.Node.Int("axis", 0))],
            Run = context => [Gathering.Gather(context.Tensor(0), context.Tensor(1), context.Node.Int("axis", 0))],
        },
    ];

    private static long[] SplitSizes(NodeContext context)
    {
        if (context.Ints("split", 1) is { } given) return given;
        int size = context.Shape(0)[Axes.Resolve(context.Node.Int("axis", 0), context.Shape(0).Rank)];
        long parts = context.Node.Int("num_outputs", context.Node.Outputs.Count);
        if (parts < 1 || parts > context.Node.Outputs.Count) throw context.Invalid($"it splits into {parts} parts and names {context.Node.Outputs.Count} outputs.");

        // The last part is smaller when the axis does not divide evenly, which operator set 18 allows.
        long part = (size + parts - 1) / parts;
        if (context.Opset < 18 && size % parts != 0) throw context.Invalid($"{size} elements do not split evenly into {parts} parts.");
        var sizes = new long[parts];
        for (long i = 0, left = size; i < parts; i++, left -= part) sizes[i] = Math.Clamp(left, 0, part);
        return sizes;
    }

    private static Slicing.Range[] Ranges(NodeContext context)
    {
        long[] starts = context.Ints("starts", 1) ?? throw context.Invalid("it names no starts.");
        long[] ends = context.Ints("ends", 2) ?? throw context.Invalid("it names no ends.");
        return Slicing.Resolve(context.Shape(0), starts, ends, context.Ints("axes", 3), context.Has(4) ? context.IntsOf(4) : null);
    }

    private static int[] Permutation(NodeContext context)
    {
        int rank = context.Shape(0).Rank;
        if (context.Node.Ints("perm") is not { } given) return Enumerable.Range(0, rank).Reverse().ToArray();
        return given.Select(axis => Axes.Resolve(axis, rank)).ToArray();
    }

    private static Tensor[] Pad(NodeContext context)
    {
        Tensor value = context.Tensor(0);
        PaddingMode mode = context.Node.String("mode", "constant") switch
        {
            "constant" => PaddingMode.Constant,
            "edge" => PaddingMode.Edge,
            "reflect" => PaddingMode.Reflect,
            "wrap" => PaddingMode.Wrap,
            var other => throw context.Invalid($"mode '{other}' is not constant, edge, reflect or wrap."),
        };

        // The constant became an input in operator set 11.
        Tensor? constant = context.Opset < 11 ? Casting.Cast(Tensor.Scalar(context.Node.Float("value", 0)), value.Type) : context.OptionalTensor(2);
        return [Padding.Pad(value, Pads(context), mode, constant)];
    }

    private static long[] Pads(NodeContext context)
    {
        long[] given = context.Ints("pads", 1) ?? throw context.Invalid("it names no pads.");
        if (!context.Has(3)) return given;
        int rank = context.Shape(0).Rank;
        long[] axes = context.IntsOf(3);
        Axes.Mark(axes, rank);
        if (given.Length != 2 * axes.Length) throw context.Invalid($"{given.Length} pads do not fit {axes.Length} axes.");
        var pads = new long[2 * rank];
        for (int i = 0; i < axes.Length; i++)
        {
            int axis = Axes.Resolve(axes[i], rank);
            pads[axis] = given[i];
            pads[rank + axis] = given[axes.Length + i];
        }

        return pads;
    }
}
