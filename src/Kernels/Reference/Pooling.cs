using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Pooling over the spatial axes of an [N, C, D1, D2, ...] tensor.</summary>
public static class Pooling
{
    /// <summary>Shape of a pooled tensor.</summary>
    /// <exception cref="ArgumentException">The input has no spatial axes.</exception>
    public static TensorShape OutputShape(TensorShape input, SpatialWindow window)
    {
        ArgumentNullException.ThrowIfNull(window);
        if (input.Rank < 3) throw new ArgumentException($"Input {input} has no spatial axes.");
        return new TensorShape([input[0], input[1], .. window.Output]);
    }

    /// <summary>Largest element of each window.</summary>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <param name="window">The window; padding never wins.</param>
    /// <param name="columnMajor">Whether the indices count the spatial axes column-major.</param>
    /// <returns>The maxima, and their Int64 indices in the flattened input.</returns>
    public static (Tensor Values, Tensor Indices) Max(Tensor input, SpatialWindow window, bool columnMajor = false)
    {
        TensorShape shape = OutputShape(input.Shape, window);
        double[] x = Doubles.Of(input);
        var y = new double[shape.Count];
        var indices = new Tensor(ElementType.Int64, shape);
        long[] columnStrides = ColumnMajorStrides(window.Input);
        int plane = PlaneOf(input.Shape);
        Visit(input.Shape, window, (channel, output, taps) =>
        {
            double best = double.NegativeInfinity;
            int bestAt = -1;
            foreach (int at in taps)
            {
                double value = x[(channel * plane) + at];
                if (bestAt >= 0 && !(value > best)) continue;
                best = value;
                bestAt = at;
            }

            y[output] = best;
            long index = bestAt < 0 || !columnMajor ? bestAt : ColumnMajor(bestAt, window.Input, columnStrides);
            indices.Values<long>()[output] = ((long)channel * plane) + index;
        });
        return (Doubles.Store(input.Type, shape, y), indices);
    }

    /// <summary>Mean of each window.</summary>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <param name="window">The window.</param>
    /// <param name="countPadding">Whether padding counts as zeros; else only elements of the input count.</param>
    public static Tensor Average(Tensor input, SpatialWindow window, bool countPadding)
    {
        TensorShape shape = OutputShape(input.Shape, window);
        double[] x = Doubles.Of(input);
        var y = new double[shape.Count];
        int plane = PlaneOf(input.Shape);
        int outPlane = PlaneOf(shape);
        Visit(input.Shape, window, (channel, output, taps) =>
        {
            double sum = 0;
            foreach (int at in taps) sum += x[(channel * plane) + at];
            long count = countPadding ? PaddedCount(window, output % outPlane) : taps.Length;
            y[output] = count == 0 ? 0 : sum / count;
        });
        return Doubles.Store(input.Type, shape, y);
    }

    /// <summary>Reduces all spatial axes to size 1.</summary>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <param name="maximum">Whether the largest element is taken, else the mean.</param>
    /// <exception cref="ArgumentException">The input has fewer than 2 axes.</exception>
    public static Tensor Global(Tensor input, bool maximum)
    {
        TensorShape shape = GlobalShape(input.Shape);
        double[] x = Doubles.Of(input);
        var y = new double[shape.Count];
        int plane = PlaneOf(input.Shape);
        for (int i = 0; i < y.Length && plane > 0; i++)
        {
            ReadOnlySpan<double> values = x.AsSpan(i * plane, plane);
            double result = maximum ? double.NegativeInfinity : 0;
            foreach (double value in values) result = maximum ? Math.Max(result, value) : result + value;
            y[i] = maximum ? result : result / plane;
        }

        return Doubles.Store(input.Type, shape, y);
    }

    /// <summary>Shape of <see cref="Global"/>.</summary>
    /// <exception cref="ArgumentException">The input has fewer than 2 axes.</exception>
    public static TensorShape GlobalShape(TensorShape input)
    {
        if (input.Rank < 2) throw new ArgumentException($"Input {input} has no channels.");
        int[] result = input.Dimensions.ToArray();
        Array.Fill(result, 1, 2, result.Length - 2);
        return new TensorShape(result);
    }

    private delegate void WindowVisitor(int channel, int output, ReadOnlySpan<int> taps);

    // Calls the visitor for each output with the plane indices of the taps inside the input, in row-major order.
    private static void Visit(TensorShape input, SpatialWindow window, WindowVisitor visitor)
    {
        int outPlane = 1;
        foreach (int size in window.Output) outPlane *= size;
        int[] strides = new TensorShape(window.Input).Strides();
        var taps = new List<int>();
        for (int position = 0; position < outPlane; position++)
        {
            taps.Clear();
            taps.Add(0);
            int rest = position;
            int outer = outPlane;
            for (int axis = 0; axis < window.Rank; axis++)
            {
                outer /= window.Output[axis];
                int at = rest / outer;
                rest %= outer;
                (int first, int last) = window.InsideTaps(axis, at);
                var next = new List<int>(taps.Count * (last - first));
                long start = ((long)at * window.Strides[axis]) - window.PadsBegin[axis];
                foreach (int basis in taps)
                {
                    for (int tap = first; tap < last; tap++) next.Add(basis + ((int)(start + ((long)tap * window.Dilations[axis])) * strides[axis]));
                }

                taps = next;
            }

            ReadOnlySpan<int> list = CollectionsMarshal.AsSpan(taps);
            for (int channel = 0; channel < input[0] * input[1]; channel++) visitor(channel, (channel * outPlane) + position, list);
        }
    }

    private static long PaddedCount(SpatialWindow window, int position)
    {
        long count = 1;
        for (int axis = window.Rank - 1; axis >= 0; axis--)
        {
            (int first, int last) = window.PaddedTaps(axis, position % window.Output[axis]);
            position /= window.Output[axis];
            count *= last - first;
        }

        return count;
    }

    private static long[] ColumnMajorStrides(int[] sizes)
    {
        var strides = new long[sizes.Length];
        long stride = 1;
        for (int axis = 0; axis < sizes.Length; axis++)
        {
            strides[axis] = stride;
            stride *= sizes[axis];
        }

        return strides;
    }

    private static long ColumnMajor(int rowMajor, int[] sizes, long[] strides)
    {
        long index = 0;
        for (int axis = sizes.Length - 1; axis >= 0; axis--)
        {
            index += rowMajor % sizes[axis] * strides[axis];
            rowMajor /= sizes[axis];
        }

        return index;
    }

    private static int PlaneOf(TensorShape shape)
    {
        int plane = 1;
        foreach (int size in shape.Dimensions[2..]) plane *= size;
        return plane;
    }
}
