using CoInference.Kernels.Simd.Layout;

namespace CoInference.Runtime.Execution;

/// <summary>Operators that move whole channels or thin out pixels.</summary>
internal static class ChannelLowering
{
    public static Operation? Concat(NodeView view)
    {
        if (view.Output.Image is not { } image || Axis(view, (int)view.Node.Int("axis", 1)) != 1) return null;
        if (view.Inputs.Any(input => input?.Image is null)) return null;
        var sources = new List<int>();
        var channels = new List<int>();
        for (int i = 0; i < view.Inputs.Length; i++)
        {
            for (int c = 0; c < view.Inputs[i]!.Image!.Value.Channels; c++)
            {
                sources.Add(i);
                channels.Add(c);
            }
        }

        var operation = new ChannelGatherOperation(view.Node.Name, "Concat", [.. sources], [.. channels], PixelGrid.All(image.Height, image.Width));
        foreach (PlanValue? input in view.Inputs) operation.Inputs.Add(input!);
        return operation;
    }

    public static Operation? Gather(NodeView view)
    {
        if (view.Input(0)?.Image is not { } image || view.Input(1) is not { Constant: not null, Shape.Rank: 1 } || Axis(view, (int)view.Node.Int("axis", 0)) != 1) return null;
        if (view.ConstantInts(1) is not { } indices) return null;
        int[] channels = Array.ConvertAll(indices, index => index < 0 ? index + image.Channels : index);
        if (Array.Exists(channels, channel => (uint)channel >= (uint)image.Channels)) return null;
        return Single(view, channels, PixelGrid.All(image.Height, image.Width));
    }

    public static Operation? Slice(NodeView view)
    {
        if (view.Input(0)?.Image is not { } image || view.Output.Image is not { } result) return null;
        int rank = view.Output.Shape.Rank;
        int[]? starts = view.Opset < 10 ? Attribute(view, "starts") : view.ConstantInts(1);
        int[]? axes = view.Opset < 10 ? Attribute(view, "axes") : view.ConstantInts(3);
        int[]? steps = view.Opset < 10 ? null : view.ConstantInts(4);
        if (starts is null || (axes is null && view.Input(3) is not null) || (steps is null && view.Input(4) is not null)) return null;
        var first = new int[rank];
        var step = new int[rank];
        Array.Fill(step, 1);
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = axes is null ? i : axes[i] < 0 ? axes[i] + rank : axes[i];
            int size = view.Input(0)!.Shape[axis];
            step[axis] = steps?[i] ?? 1;
            if (step[axis] < 1) return null;
            first[axis] = Math.Clamp(starts[i] < 0 ? (int)Math.Max(0, (long)starts[i] + size) : starts[i], 0, size);
        }

        if (image.Batch != result.Batch) return null;
        int[] channels = [.. Enumerable.Range(0, result.Channels).Select(c => first[1] + (c * step[1]))];
        int lastAxis = rank - 1;
        return Single(view, channels, new PixelGrid(
            image.Height,
            image.Width,
            rank == 4 ? first[2] : 0,
            rank == 4 ? step[2] : 1,
            result.Height,
            rank > 2 ? first[lastAxis] : 0,
            rank > 2 ? step[lastAxis] : 1,
            result.Width));
    }

    public static Operation? Pad(NodeView view)
    {
        if (view.Input(0)?.Image is not { } image || view.Node.String("mode", "constant") != "constant" || view.Input(3) is not null) return null;
        float? value = view.Opset < 11 ? view.Node.Float("value", 0) : view.Scalar(2, 0);
        int[]? pads = view.Opset < 11 ? Attribute(view, "pads") : view.ConstantInts(1);
        int rank = view.Output.Shape.Rank;
        if (value != 0 || pads is null || pads.Length != 2 * rank || pads[1] < 0 || pads[rank + 1] < 0) return null;
        for (int axis = 0; axis < rank; axis++)
        {
            if (axis != 1 && (pads[axis] != 0 || pads[axis + rank] != 0)) return null;
        }

        int total = pads[1] + image.Channels + pads[rank + 1];
        int[] channels = [.. Enumerable.Range(0, total).Select(c => c - pads[1] is var at && at >= 0 && at < image.Channels ? at : -1)];
        return Single(view, channels, PixelGrid.All(image.Height, image.Width));
    }

    private static ChannelGatherOperation? Single(NodeView view, int[] channels, PixelGrid grid)
    {
        if (!view.IsFloat) return null;
        int[] sources = Array.ConvertAll(channels, channel => channel < 0 ? -1 : 0);
        var operation = new ChannelGatherOperation(view.Node.Name, view.Node.OpType, sources, channels, grid);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    private static int Axis(NodeView view, int axis) => axis < 0 ? axis + view.Output.Shape.Rank : axis;

    private static int[]? Attribute(NodeView view, string name) =>
        view.Node.Ints(name) is { } values ? [.. values.Select(value => (int)Math.Clamp(value, int.MinValue, int.MaxValue))] : null;
}
