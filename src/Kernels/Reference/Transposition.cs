using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Permutation of axes.</summary>
public static class Transposition
{
    /// <summary>Shape after <see cref="Transpose"/>.</summary>
    /// <exception cref="ArgumentException">The permutation does not list every axis once.</exception>
    public static TensorShape Shape(TensorShape shape, ReadOnlySpan<int> permutation)
    {
        if (permutation.Length != shape.Rank) throw new ArgumentException($"A permutation of {permutation.Length} axes does not fit shape {shape}.");
        var result = new int[shape.Rank];
        var seen = new bool[shape.Rank];
        for (int axis = 0; axis < result.Length; axis++)
        {
            int from = permutation[axis];
            if (from < 0 || from >= result.Length || seen[from])
                throw new ArgumentException($"[{string.Join(", ", permutation.ToArray())}] is no permutation of the axes of {shape}.");
            seen[from] = true;
            result[axis] = shape[from];
        }

        return new TensorShape(result);
    }

    /// <summary>Makes axis i of the result axis <paramref name="permutation"/>[i] of the source.</summary>
    /// <exception cref="ArgumentException">The permutation does not list every axis once.</exception>
    public static Tensor Transpose(Tensor tensor, ReadOnlySpan<int> permutation)
    {
        TensorShape shape = Shape(tensor.Shape, permutation);
        int[] strides = tensor.Shape.Strides();
        var permuted = new int[strides.Length];
        for (int axis = 0; axis < permuted.Length; axis++) permuted[axis] = strides[permutation[axis]];
        return StridedCopy.Read(tensor, 0, permuted, shape);
    }
}
