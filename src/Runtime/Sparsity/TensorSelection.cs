using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>Copies chosen positions of tensor axes.</summary>
internal static class TensorSelection
{
    /// <summary>The sub-tensor at the given positions.</summary>
    /// <param name="source">Any tensor.</param>
    /// <param name="positions">For each axis the positions to copy, in order; null for all.</param>
    public static Tensor Select(Tensor source, int[]?[] positions)
    {
        var dimensions = new int[source.Shape.Rank];
        int last = -1;
        for (int axis = 0; axis < dimensions.Length; axis++)
        {
            dimensions[axis] = positions[axis]?.Length ?? source.Shape[axis];
            if (positions[axis] is not null) last = axis;
        }

        var target = new Tensor(source.Type, new TensorShape(dimensions));
        if (last < 0)
        {
            source.Bytes.CopyTo(target.Bytes);
            return target;
        }

        int run = source.Type.SizeInBytes();
        for (int axis = last + 1; axis < dimensions.Length; axis++) run *= dimensions[axis];
        Copy(source.Bytes, target.Bytes, source.Shape, positions, axis: 0, last, run);
        return target;
    }

    /// <summary>Copies everything below one index of the axes before <paramref name="axis"/>; returns the bytes written.</summary>
    private static int Copy(ReadOnlySpan<byte> source, Span<byte> target, TensorShape shape, int[]?[] positions, int axis, int last, int run)
    {
        int size = shape[axis], stride = source.Length / Math.Max(1, size), written = 0;
        int count = positions[axis]?.Length ?? size;
        for (int i = 0; i < count; i++)
        {
            int position = positions[axis] is { } chosen ? chosen[i] : i;
            ReadOnlySpan<byte> slice = source.Slice(position * stride, stride);
            if (axis == last)
            {
                slice.CopyTo(target[written..]);
                written += run;
            }
            else
            {
                written += Copy(slice, target[written..], shape, positions, axis + 1, last, run);
            }
        }

        return written;
    }
}
