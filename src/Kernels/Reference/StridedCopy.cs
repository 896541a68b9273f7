using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Copies elements of any type through a strided view: the core of slicing, transposing and expanding.</summary>
internal static class StridedCopy
{
    /// <summary>A new tensor of shape <paramref name="shape"/> whose element i comes from offset + sum of index times stride.</summary>
    /// <param name="source">Where elements come from.</param>
    /// <param name="offset">Source index of the first element.</param>
    /// <param name="strides">Source step per axis of <paramref name="shape"/>; may be 0 or negative.</param>
    /// <param name="shape">Shape of the result.</param>
    public static Tensor Read(Tensor source, int offset, ReadOnlySpan<int> strides, TensorShape shape)
    {
        var target = new Tensor(source.Type, shape);
        if (shape.Count == 0) return target;
        switch (source.Type.SizeInBytes())
        {
            case 1: Run(source.Bytes, target.Bytes, offset, strides, shape); break;
            case 2: Run(As<ushort>(source), As<ushort>(target), offset, strides, shape); break;
            case 4: Run(As<uint>(source), As<uint>(target), offset, strides, shape); break;
            default: Run(As<ulong>(source), As<ulong>(target), offset, strides, shape); break;
        }

        return target;
    }

    private static Span<T> As<T>(Tensor tensor)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.Bytes);

    private static void Run<T>(ReadOnlySpan<T> source, Span<T> target, int offset, ReadOnlySpan<int> strides, TensorShape shape)
        where T : unmanaged
    {
        if (shape.Rank == 0)
        {
            target[0] = source[offset];
            return;
        }

        int length = shape[-1];
        int step = strides[^1];
        Span<int> index = stackalloc int[shape.Rank];
        int from = offset;
        for (int to = 0; to < target.Length; to += length)
        {
            for (int i = 0; i < length; i++) target[to + i] = source[from + (i * step)];
            for (int axis = shape.Rank - 2; axis >= 0; axis--)
            {
                from += strides[axis];
                if (++index[axis] < shape[axis]) break;
                from -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
    }
}
