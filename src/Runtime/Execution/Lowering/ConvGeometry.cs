using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>Reads the window attributes that Conv and the pools share.</summary>
internal static class ConvGeometry
{
    /// <summary>The shape of a 1D or 2D convolution node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="input">[N, C, W] or [N, C, H, W].</param>
    /// <param name="weights">[OutChannels, C / groups, taps...].</param>
    /// <exception cref="InvalidDataException">The attributes or shapes contradict each other.</exception>
    public static ConvShape Of(Node node, TensorShape input, TensorShape weights)
    {
        if (weights.Rank != input.Rank)
            throw new InvalidDataException($"{node}: weights of shape {weights} do not fit an input of shape {input}.");
        int groups = (int)node.Int("group", 1);
        if (weights[1] * (long)groups != input[1])
            throw new InvalidDataException($"{node}: weights of shape {weights} with {groups} groups need {weights[1] * (long)groups} input channels, the input has {input[1]}.");
        ConvShape window = Window(node, input, weights.Dimensions[2..]);
        return window with { OutChannels = weights[0], Groups = groups };
    }

    /// <summary>Input size, kernel, strides, padding and dilation of a 1D or 2D window, with one output channel per input channel.</summary>
    /// <exception cref="InvalidDataException">An attribute has the wrong length or an unknown value.</exception>
    public static ConvShape Window(Node node, TensorShape input, ReadOnlySpan<int> kernel)
    {
        int axes = input.Rank - 2;
        if (kernel.Length != axes) throw new InvalidDataException($"{node}: a kernel of {kernel.Length} dimensions does not fit an input of shape {input}.");
        long[] strides = List(node, "strides", axes, 1);
        long[] dilations = List(node, "dilations", axes, 1);
        long[] pads = List(node, "pads", 2 * axes, 0);
        var before = new int[2];
        var after = new int[2];
        string autoPad = node.String("auto_pad", "NOTSET");
        for (int axis = 0; axis < axes; axis++)
        {
            int at = axis + 2 - axes;
            if (autoPad is "NOTSET") (before[at], after[at]) = (checked((int)pads[axis]), checked((int)pads[axis + axes]));
            else if (autoPad is "SAME_UPPER" or "SAME_LOWER")
            {
                long size = input[axis + 2];
                long outputs = (size + strides[axis] - 1) / strides[axis];
                long total = Math.Max(0, ((outputs - 1) * strides[axis]) + ((kernel[axis] - 1) * dilations[axis]) + 1 - size);
                long small = total / 2;
                (before[at], after[at]) = autoPad == "SAME_UPPER" ? ((int)small, (int)(total - small)) : ((int)(total - small), (int)small);
            }
            else if (autoPad is not "VALID") throw new InvalidDataException($"{node}: auto_pad is '{autoPad}', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID.");
        }

        return new ConvShape
        {
            Batch = input[0],
            InChannels = input[1],
            OutChannels = input[1],
            InHeight = axes == 2 ? input[2] : 1,
            InWidth = input[-1],
            KernelHeight = axes == 2 ? kernel[0] : 1,
            KernelWidth = kernel[^1],
            StrideY = axes == 2 ? checked((int)strides[0]) : 1,
            StrideX = checked((int)strides[^1]),
            DilationY = axes == 2 ? checked((int)dilations[0]) : 1,
            DilationX = checked((int)dilations[^1]),
            PadTop = before[0],
            PadLeft = before[1],
            PadBottom = after[0],
            PadRight = after[1],
        };
    }

    private static long[] List(Node node, string name, int length, long absent)
    {
        if (node.Ints(name) is not { } list)
        {
            var filled = new long[length];
            Array.Fill(filled, absent);
            return filled;
        }

        if (list.Length != length) throw new InvalidDataException($"{node}: attribute '{name}' has {list.Length} values, expected {length}.");
        return list;
    }
}
