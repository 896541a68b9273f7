using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Joining tensors along an axis and cutting them apart.</summary>
public static class Concatenation
{
    /// <summary>Shape of <see cref="Concat"/>.</summary>
    /// <param name="shapes">Shapes that differ only along the axis.</param>
    /// <param name="axis">Axis in [-rank, rank).</param>
    /// <exception cref="ArgumentException">No shapes, or they differ along another axis.</exception>
    public static TensorShape Shape(ReadOnlySpan<TensorShape> shapes, long axis)
    {
        if (shapes.IsEmpty) throw new ArgumentException("There is nothing to concatenate.");
        int along = Axes.Resolve(axis, shapes[0].Rank);
        int[] result = shapes[0].Dimensions.ToArray();
        long size = 0;
        foreach (TensorShape shape in shapes)
        {
            if (shape.Rank != result.Length) throw new ArgumentException($"Shapes {shapes[0]} and {shape} do not concatenate: the ranks differ.");
            for (int i = 0; i < result.Length; i++)
            {
                if (i != along && shape[i] != result[i]) throw new ArgumentException($"Shapes {shapes[0]} and {shape} do not concatenate along axis {along}.");
            }

            size += shape[along];
        }

        if (size > int.MaxValue) throw new ArgumentException($"The concatenated axis has {size} elements.");
        result[along] = (int)size;
        return new TensorShape(result);
    }

    /// <summary>Joins tensors of one element type along an axis.</summary>
    /// <exception cref="ArgumentException">No tensors, or their types or shapes do not fit.</exception>
    public static Tensor Concat(IReadOnlyList<Tensor> tensors, long axis)
    {
        var shape = Shape(tensors.Select(tensor => tensor.Shape).ToArray(), axis);
        foreach (Tensor tensor in tensors)
        {
            if (tensor.Type != tensors[0].Type) throw new ArgumentException($"{tensors[0].Type} and {tensor.Type} do not concatenate.");
        }

        var result = new Tensor(tensors[0].Type, shape);
        if (shape.Count == 0) return result;
        int along = Axes.Resolve(axis, shape.Rank);
        int inner = shape.Strides()[along] * result.Type.SizeInBytes();
        int target = 0;
        foreach (Tensor tensor in tensors)
        {
            int block = tensor.Shape[along] * inner;
            for (int from = 0, to = target; block > 0 && from < tensor.Bytes.Length; from += block, to += shape[along] * inner)
                tensor.Bytes.Slice(from, block).CopyTo(result.Bytes[to..]);
            target += block;
        }

        return result;
    }

    /// <summary>Cuts a tensor into pieces of the given sizes along an axis.</summary>
    /// <exception cref="ArgumentException">The sizes are negative or do not add up to the axis.</exception>
    public static Tensor[] Split(Tensor tensor, long axis, ReadOnlySpan<long> sizes)
    {
        TensorShape[] shapes = SplitShapes(tensor.Shape, axis, sizes);
        int along = Axes.Resolve(axis, tensor.Shape.Rank);
        int[] strides = tensor.Shape.Strides();
        var pieces = new Tensor[shapes.Length];
        int start = 0;
        for (int i = 0; i < pieces.Length; i++)
        {
            pieces[i] = StridedCopy.Read(tensor, start * strides[along], strides, shapes[i]);
            start += shapes[i][along];
        }

        return pieces;
    }

    /// <summary>Shapes of <see cref="Split"/>.</summary>
    /// <exception cref="ArgumentException">The sizes are negative or do not add up to the axis.</exception>
    public static TensorShape[] SplitShapes(TensorShape shape, long axis, ReadOnlySpan<long> sizes)
    {
        int along = Axes.Resolve(axis, shape.Rank);
        long left = shape[along];
        var shapes = new TensorShape[sizes.Length];
        for (int i = 0; i < shapes.Length; i++)
        {
            if (sizes[i] < 0 || sizes[i] > left) throw new ArgumentException($"Sizes [{string.Join(", ", sizes.ToArray())}] do not divide axis {along} of {shape}.");
            left -= sizes[i];
            int[] dimensions = shape.Dimensions.ToArray();
            dimensions[along] = (int)sizes[i];
            shapes[i] = new TensorShape(dimensions);
        }

        return left == 0 ? shapes : throw new ArgumentException($"Sizes [{string.Join(", ", sizes.ToArray())}] do not add up to axis {along} of {shape}.");
    }
}
