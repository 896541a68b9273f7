using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Products of matrices that no layer with constant weights stands for.</summary>
internal static class ProductLowering
{
    public static Operation? MatMul(NodeView view)
    {
        if (!view.IsFloat || view.Input(0) is not { Shape: { Rank: > 1, Count: > 0 } a } left || view.Input(1) is not { Shape: { Rank: > 1, Count: > 0 } b } right) return null;
        TensorShape result = view.Output.Shape;
        if (!IsRepeated(a, result) || !IsRepeated(b, result)) return null;
        (int rows, int columns, int depth) = (a[-2], b[-1], a[-1]);
        (int count, int countA, int countB) = (result.Count / (rows * columns), a.Count / (rows * depth), b.Count / (depth * columns));
        // A stack of As with one B is one A of more rows.
        GemmShape shape = countB == 1 && countA == count
            ? new GemmShape(count * rows, columns, depth)
            : new GemmShape(rows, columns, depth, Count: count, CountA: countA, CountB: countB);
        return Product(view, shape, GemmEpilogue.None, left, right);
    }

    public static Operation? Gemm(NodeView view)
    {
        if (!view.IsFloat || view.Input(0) is not { Shape: { Rank: 2, Count: > 0 } a } left || view.Input(1) is not { Shape: { Rank: 2, Count: > 0 } b } right) return null;
        bool transposeA = view.Node.Int("transA", 0) != 0, transposeB = view.Node.Int("transB", 0) != 0;
        (int rows, int depth) = transposeA ? (a[1], a[0]) : (a[0], a[1]);
        int columns = b[transposeB ? 0 : 1];
        if (BiasOf(view.Input(2)?.Shape, rows, columns) is not { } bias) return null;
        var epilogue = new GemmEpilogue(view.Node.Float("alpha", 1), view.Node.Float("beta", 1), bias);
        Operation product = Product(view, new GemmShape(rows, columns, depth, transposeA, transposeB), epilogue, left, right);
        if (bias != GemmBias.None) product.Inputs.Add(view.Input(2)!);
        return product;
    }

    private static ProductOperation Product(NodeView view, GemmShape shape, GemmEpilogue epilogue, PlanValue left, PlanValue right)
    {
        var operation = new ProductOperation(view.Node.Name, view.Node.OpType, shape, epilogue);
        operation.Inputs.AddRange([left, right]);
        return operation;
    }

    /// <summary>Whether the stack of an operand, leading axes of one aside, is the last axes of the result's: then it is gone through again and again.</summary>
    private static bool IsRepeated(TensorShape operand, TensorShape result)
    {
        int axis = 0;
        while (axis < operand.Rank - 2 && operand[axis] == 1) axis++;
        return operand.Dimensions[axis..^2].SequenceEqual(result.Dimensions[(result.Rank - operand.Rank + axis)..^2]);
    }

    /// <summary>What kind of bias a shape is; null for one that is spread in another way.</summary>
    private static GemmBias? BiasOf(TensorShape? shape, int rows, int columns)
    {
        if (shape is not { } given) return GemmBias.None;
        int height = given.Rank > 1 ? given[-2] : 1, width = given.Rank > 0 ? given[-1] : 1;
        if (given.Count != height * width) return null;
        return (height == rows, width == columns, height) switch
        {
            (true, true, _) => GemmBias.Matrix,
            (_, true, 1) => GemmBias.PerColumn,
            (true, _, _) when width == 1 => GemmBias.PerRow,
            _ => null,
        };
    }
}
