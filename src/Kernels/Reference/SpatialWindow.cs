namespace CoInference.Kernels.Reference;

/// <summary>How ONNX derives the padding of a convolution or pooling window.</summary>
public enum AutoPadding
{
    /// <summary>The padding is given.</summary>
    NotSet,

    /// <summary>No padding.</summary>
    Valid,

    /// <summary>Output size is input size over stride, rounded up; an odd padding has its larger half at the end.</summary>
    SameUpper,

    /// <summary>As <see cref="SameUpper"/>, with the larger half at the beginning.</summary>
    SameLower,
}

/// <summary>
/// A window that slides over the spatial axes of an [N, C, D1, D2, ...] tensor: kernel size, step, distance between
/// taps and padding of each axis, with the padding already resolved for one input size.
/// </summary>
public sealed class SpatialWindow
{
    private SpatialWindow(int[] kernel, int[] strides, int[] dilations, int[] padsBegin, int[] padsEnd, int[] input, int[] output)
    {
        Kernel = kernel;
        Strides = strides;
        Dilations = dilations;
        PadsBegin = padsBegin;
        PadsEnd = padsEnd;
        Input = input;
        Output = output;
    }

    /// <summary>Number of spatial axes.</summary>
    public int Rank => Kernel.Length;

    /// <summary>Taps per axis.</summary>
    public int[] Kernel { get; }

    /// <summary>Step between outputs per axis.</summary>
    public int[] Strides { get; }

    /// <summary>Distance between taps per axis.</summary>
    public int[] Dilations { get; }

    /// <summary>Padding before the first element of each axis.</summary>
    public int[] PadsBegin { get; }

    /// <summary>Padding after the last element of each axis.</summary>
    public int[] PadsEnd { get; }

    /// <summary>Input size per axis.</summary>
    public int[] Input { get; }

    /// <summary>Output size per axis.</summary>
    public int[] Output { get; }

    /// <summary>Resolves a window for one input size.</summary>
    /// <param name="input">Input size per spatial axis.</param>
    /// <param name="kernel">Taps per axis.</param>
    /// <param name="strides">Steps; empty means 1.</param>
    /// <param name="dilations">Tap distances; empty means 1.</param>
    /// <param name="pads">Begin paddings of all axes, then end paddings of all axes; empty means 0. Ignored unless <paramref name="autoPadding"/> is NotSet.</param>
    /// <param name="autoPadding">How the padding is found.</param>
    /// <param name="ceiling">Whether a partial last window counts, as long as it does not start in the end padding.</param>
    /// <exception cref="ArgumentException">A list has the wrong length, a value is out of range, or the window is larger than the padded input.</exception>
    public static SpatialWindow Create(
        ReadOnlySpan<int> input,
        ReadOnlySpan<int> kernel,
        ReadOnlySpan<long> strides = default,
        ReadOnlySpan<long> dilations = default,
        ReadOnlySpan<long> pads = default,
        AutoPadding autoPadding = AutoPadding.NotSet,
        bool ceiling = false)
    {
        int rank = input.Length;
        if (kernel.Length != rank) throw new ArgumentException($"The kernel has {kernel.Length} axes, the input has {rank} spatial axes.");
        int[] steps = PerAxis(strides, rank, 1, 1, "strides");
        int[] distances = PerAxis(dilations, rank, 1, 1, "dilations");
        int[] padding = autoPadding == AutoPadding.NotSet ? PerAxis(pads, 2 * rank, 0, 0, "pads") : new int[2 * rank];
        var output = new int[rank];
        for (int axis = 0; axis < rank; axis++)
        {
            if (kernel[axis] < 1) throw new ArgumentException($"The kernel size of spatial axis {axis} is {kernel[axis]}, expected at least 1.");
            long extent = ((long)(kernel[axis] - 1) * distances[axis]) + 1;
            if (autoPadding is AutoPadding.SameUpper or AutoPadding.SameLower)
            {
                output[axis] = (input[axis] + steps[axis] - 1) / steps[axis];
                long total = Math.Max(0, ((long)(output[axis] - 1) * steps[axis]) + extent - input[axis]);
                if (total > int.MaxValue) throw new ArgumentException($"The window of spatial axis {axis} spans {extent} elements.");
                int smaller = (int)(total / 2);
                padding[axis] = autoPadding == AutoPadding.SameUpper ? smaller : (int)total - smaller;
                padding[rank + axis] = (int)total - padding[axis];
                continue;
            }

            long room = (long)input[axis] + padding[axis] + padding[rank + axis] - extent;
            if (room < 0)
                throw new ArgumentException($"The window of spatial axis {axis} spans {extent} elements, the padded input has only {room + extent}.");
            long count = (ceiling ? (room + steps[axis] - 1) / steps[axis] : room / steps[axis]) + 1;
            if (ceiling && (count - 1) * steps[axis] >= (long)input[axis] + padding[axis]) count--;
            output[axis] = checked((int)count);
        }

        return new SpatialWindow(kernel.ToArray(), steps, distances, padding[..rank], padding[rank..], input.ToArray(), output);
    }

    /// <summary>
    /// The taps of one axis that fall inside the input for one output position: taps first to last, exclusive.
    /// </summary>
    internal (int First, int Last) InsideTaps(int axis, int position)
    {
        long start = ((long)position * Strides[axis]) - PadsBegin[axis];
        return TapsBetween(axis, start, 0, Input[axis]);
    }

    /// <summary>As <see cref="InsideTaps"/> for the padded input, in which padding counts as inside.</summary>
    internal (int First, int Last) PaddedTaps(int axis, int position)
    {
        long start = ((long)position * Strides[axis]) - PadsBegin[axis];
        return TapsBetween(axis, start, -(long)PadsBegin[axis], (long)Input[axis] + PadsEnd[axis]);
    }

    private (int First, int Last) TapsBetween(int axis, long start, long low, long high)
    {
        int dilation = Dilations[axis];
        long first = start >= low ? 0 : (low - start + dilation - 1) / dilation;
        long last = high <= start ? 0 : (high - start + dilation - 1) / dilation;
        last = Math.Min(last, Kernel[axis]);
        return ((int)Math.Min(first, last), (int)last);
    }

    private static int[] PerAxis(ReadOnlySpan<long> values, int count, int absent, int least, string what)
    {
        var result = new int[count];
        if (values.IsEmpty)
        {
            Array.Fill(result, absent);
            return result;
        }

        if (values.Length != count) throw new ArgumentException($"{what} has {values.Length} values, expected {count}.");
        for (int i = 0; i < count; i++)
        {
            if (values[i] < least || values[i] > int.MaxValue)
                throw new ArgumentException($"{what}[{i}] is {values[i]}, expected {least} to {int.MaxValue}.");
            result[i] = (int)values[i];
        }

        return result;
    }
}
