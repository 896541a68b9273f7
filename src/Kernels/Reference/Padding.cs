using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>What padding is filled with.</summary>
public enum PaddingMode
{
    /// <summary>A constant.</summary>
    Constant,

    /// <summary>The nearest element.</summary>
    Edge,

    /// <summary>A mirror image that does not repeat the edge.</summary>
    Reflect,

    /// <summary>The opposite end, periodically.</summary>
    Wrap,
}

/// <summary>Adds elements around a tensor, or removes them where the padding is negative.</summary>
public static class Padding
{
    /// <summary>Shape of <see cref="Pad"/>.</summary>
    /// <param name="shape">Shape to pad.</param>
    /// <param name="pads">Elements before each axis, then elements after each axis.</param>
    /// <exception cref="ArgumentException">The list has the wrong length, or an axis would become negative or too large.</exception>
    public static TensorShape Shape(TensorShape shape, ReadOnlySpan<long> pads)
    {
        if (pads.Length != 2 * shape.Rank) throw new ArgumentException($"pads has {pads.Length} values, expected {2 * shape.Rank}.");
        var result = new int[shape.Rank];
        for (int axis = 0; axis < result.Length; axis++)
        {
            (long before, long after) = (pads[axis], pads[shape.Rank + axis]);
            if (Math.Max(Math.Abs((decimal)before), Math.Abs((decimal)after)) > int.MaxValue || shape[axis] + before + after is < 0 or > int.MaxValue)
                throw new ArgumentException($"Axis {axis} of {shape} cannot be padded by {before} and {after}.");
            result[axis] = (int)(shape[axis] + before + after);
        }

        return new TensorShape(result);
    }

    /// <summary>Pads a tensor.</summary>
    /// <param name="tensor">The source.</param>
    /// <param name="pads">Elements before each axis, then elements after each axis; negative removes.</param>
    /// <param name="mode">What the padding is filled with.</param>
    /// <param name="constant">One element of the tensor's type for <see cref="PaddingMode.Constant"/>; null means 0.</param>
    /// <exception cref="ArgumentException">The pads do not fit, or an empty axis has nothing to repeat.</exception>
    public static Tensor Pad(Tensor tensor, ReadOnlySpan<long> pads, PaddingMode mode, Tensor? constant)
    {
        var result = new Tensor(tensor.Type, Shape(tensor.Shape, pads));
        if (constant is not null && (constant.Type != tensor.Type || constant.Count != 1))
            throw new ArgumentException($"The padding value is {constant}, expected one {tensor.Type}.");
        if (result.Count == 0) return result;
        int[][] sources = new int[tensor.Shape.Rank][];
        for (int axis = 0; axis < sources.Length; axis++)
        {
            int size = tensor.Shape[axis];
            sources[axis] = new int[result.Shape[axis]];
            for (int i = 0; i < sources[axis].Length; i++) sources[axis][i] = SourceOf(i - pads[axis], size, mode);
        }

        switch (tensor.Type.SizeInBytes())
        {
            case 1: Run<byte>(tensor, result, sources, constant); break;
            case 2: Run<ushort>(tensor, result, sources, constant); break;
            case 4: Run<uint>(tensor, result, sources, constant); break;
            default: Run<ulong>(tensor, result, sources, constant); break;
        }

        return result;
    }

    // The index that fills a position, or -1 for the constant.
    private static int SourceOf(long position, int size, PaddingMode mode)
    {
        if (position >= 0 && position < size) return (int)position;
        if (mode == PaddingMode.Constant) return -1;
        if (size == 0) throw new ArgumentException("An empty axis has no elements to repeat as padding.");
        if (mode == PaddingMode.Edge) return position < 0 ? 0 : size - 1;
        long period = mode == PaddingMode.Wrap ? size : Math.Max(1, 2L * (size - 1));
        long phase = ((position % period) + period) % period;
        return (int)(phase < size ? phase : period - phase);
    }

    private static void Run<T>(Tensor tensor, Tensor result, int[][] sources, Tensor? constant)
        where T : unmanaged
    {
        ReadOnlySpan<T> source = MemoryMarshal.Cast<byte, T>(tensor.Bytes);
        Span<T> target = MemoryMarshal.Cast<byte, T>(result.Bytes);
        T filling = constant is null ? default : MemoryMarshal.Cast<byte, T>(constant.Bytes)[0];
        int[] strides = tensor.Shape.Strides();
        for (int i = 0; i < target.Length; i++)
        {
            int from = 0;
            for (int axis = sources.Length - 1, rest = i; axis >= 0 && from >= 0; axis--)
            {
                int size = sources[axis].Length;
                int at = sources[axis][rest % size];
                rest /= size;
                from = at < 0 ? -1 : from + (at * strides[axis]);
            }

            target[i] = from < 0 ? filling : source[from];
        }
    }
}
