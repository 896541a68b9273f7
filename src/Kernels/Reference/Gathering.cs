using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Selection by a tensor of indices.</summary>
public static class Gathering
{
    /// <summary>Shape of <see cref="Gather"/>: the axis is replaced by the shape of the indices.</summary>
    /// <exception cref="ArgumentException">The axis is out of range.</exception>
    public static TensorShape Shape(TensorShape data, TensorShape indices, long axis)
    {
        int along = Axes.Resolve(axis, data.Rank);
        return new TensorShape([.. data.Dimensions[..along], .. indices.Dimensions, .. data.Dimensions[(along + 1)..]]);
    }

    /// <summary>Takes the slices that the indices name along an axis.</summary>
    /// <param name="data">The source.</param>
    /// <param name="indices">Int32 or Int64 indices in [-size, size) of the axis.</param>
    /// <param name="axis">Axis in [-rank, rank).</param>
    /// <exception cref="ArgumentException">An index or the axis is out of range, or the indices are no integers.</exception>
    public static Tensor Gather(Tensor data, Tensor indices, long axis)
    {
        if (indices.Type is not (ElementType.Int32 or ElementType.Int64)) throw new ArgumentException($"The indices are {indices.Type}, expected Int32 or Int64.");
        int along = Axes.Resolve(axis, data.Shape.Rank);
        var result = new Tensor(data.Type, Shape(data.Shape, indices.Shape, axis));
        ReadOnlySpan<long> picks = Casting.Cast(indices, ElementType.Int64).Values<long>();
        int size = data.Shape[along];
        int block = data.Shape.Strides()[along] * data.Type.SizeInBytes();
        foreach (long pick in picks)
        {
            if (pick < -size || pick >= size) throw new ArgumentException($"Index {pick} is out of range for axis {along} of {data.Shape}.");
        }

        if (result.Count == 0) return result;
        int outer = data.Bytes.Length / (size * block);
        int target = 0;
        for (int o = 0; o < outer; o++)
        {
            foreach (long pick in picks)
            {
                int from = ((o * size) + (int)(pick < 0 ? pick + size : pick)) * block;
                data.Bytes.Slice(from, block).CopyTo(result.Bytes[target..]);
                target += block;
            }
        }

        return result;
    }
}
