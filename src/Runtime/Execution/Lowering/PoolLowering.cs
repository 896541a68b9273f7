using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Pooling;

namespace CoInference.Runtime.Execution;

/// <summary>Pools and means over pixels.</summary>
internal static class PoolLowering
{
    public static Operation? Max(NodeView view) =>
        view.Node.Outputs.Count > 1 && view.Node.Outputs[1].Length > 0 ? null : Window(view, PoolFunction.Max);

    public static Operation? Average(NodeView view) =>
        Window(view, view.Node.Int("count_include_pad", 0) == 0 ? PoolFunction.Average : PoolFunction.AverageWithPadding);

    public static Operation? GlobalAverage(NodeView view) => Global(view, isMax: false);

    public static Operation? GlobalMax(NodeView view) => Global(view, isMax: true);

    public static Operation? ReduceMean(NodeView view) => Reduce(view, isMax: false);

    public static Operation? ReduceMax(NodeView view) => Reduce(view, isMax: true);

    private static PoolOperation? Window(NodeView view, PoolFunction function)
    {
        if (!view.IsFloat || view.Input(0)!.Shape.Rank is not (3 or 4) || view.Node.Ints("kernel_shape") is not { } kernel) return null;
        int[] taps = Array.ConvertAll(kernel, size => checked((int)size));
        ConvShape shape = ConvGeometry.Window(view.Node, view.Input(0)!.Shape, taps);
        if (view.Output.Image is not { } output) return null;
        var window = new PoolWindow(
            shape.InHeight,
            shape.InWidth,
            output.Height,
            output.Width,
            shape.KernelHeight,
            shape.KernelWidth,
            shape.StrideY,
            shape.StrideX,
            shape.PadTop,
            shape.PadLeft,
            shape.PadBottom,
            shape.PadRight,
            shape.DilationY,
            shape.DilationX);
        // A window that lies in the padding alone has a value only the reference kernel defines.
        if (!window.AlwaysCoversInput) return null;
        var operation = new PoolOperation(view.Node.Name, view.Node.OpType, function, window);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    private static GlobalPoolOperation? Global(NodeView view, bool isMax)
    {
        if (!view.IsFloat || view.Input(0)!.Shape.Rank is not (3 or 4)) return null;
        var operation = new GlobalPoolOperation(view.Node.Name, view.Node.OpType, isMax);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    /// <summary>A reduction over exactly the pixels of an image is a global pool.</summary>
    private static GlobalPoolOperation? Reduce(NodeView view, bool isMax)
    {
        if (!view.IsFloat || view.Input(0)!.Shape is not { Rank: 4 } shape) return null;
        int[]? axes = view.Node.Ints("axes") is { } attribute ? Array.ConvertAll(attribute, axis => (int)axis) : view.ConstantInts(1);
        if (axes is null || axes.Length != 2) return null;
        int[] from = [.. axes.Select(axis => axis < 0 ? axis + shape.Rank : axis).Order()];
        return from is [2, 3] ? Global(view, isMax) : null;
    }
}
