using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Multidirectional broadcasting as ONNX and NumPy define it: shapes align at the last axis, 1 stretches.</summary>
public static class Broadcasting
{
    /// <summary>The shape that both shapes broadcast to.</summary>
    /// <exception cref="ArgumentException">The shapes do not broadcast.</exception>
    public static TensorShape Combine(TensorShape left, TensorShape right)
    {
        int rank = Math.Max(left.Rank, right.Rank);
        var result = new int[rank];
        for (int axis = 1; axis <= rank; axis++)
        {
            int a = axis <= left.Rank ? left[-axis] : 1;
            int b = axis <= right.Rank ? right[-axis] : 1;
            if (a != b && a != 1 && b != 1) throw new ArgumentException($"Shapes {left} and {right} do not broadcast.");
            result[rank - axis] = a == 1 ? b : a;
        }

        return new TensorShape(result);
    }

    /// <summary>Element strides with which a tensor of <paramref name="shape"/> is read as if it had shape <paramref name="target"/>.</summary>
    /// <exception cref="ArgumentException">The shape does not broadcast to the target.</exception>
    public static int[] Strides(TensorShape shape, TensorShape target)
    {
        if (shape.Rank > target.Rank) throw new ArgumentException($"Shape {shape} does not broadcast to {target}.");
        int[] own = shape.Strides();
        var strides = new int[target.Rank];
        for (int axis = 1; axis <= shape.Rank; axis++)
        {
            if (shape[-axis] == 1) continue;
            if (shape[-axis] != target[-axis]) throw new ArgumentException($"Shape {shape} does not broadcast to {target}.");
            strides[^axis] = own[^axis];
        }

        return strides;
    }

    /// <summary>Copies a tensor so that it has shape <paramref name="target"/>.</summary>
    /// <exception cref="ArgumentException">The shape does not broadcast to the target.</exception>
    public static Tensor Expand(Tensor tensor, TensorShape target) => tensor.Shape == target
        ? tensor
        : StridedCopy.Read(tensor, 0, Strides(tensor.Shape, target), target);

    /// <summary>Calls <paramref name="row"/> for each run along the last axis of <paramref name="target"/>, with the offsets of its first elements.</summary>
    internal static void ForEachRow(TensorShape target, int[] leftStrides, int[] rightStrides, RowAction row)
    {
        if (target.Count == 0) return;
        int length = target.Rank == 0 ? 1 : target[-1];
        int rows = target.Count / length;
        for (int r = 0; r < rows; r++)
        {
            int left = 0;
            int right = 0;
            for (int axis = target.Rank - 2, rest = r; axis >= 0; axis--)
            {
                int index = rest % target[axis];
                rest /= target[axis];
                left += index * leftStrides[axis];
                right += index * rightStrides[axis];
            }

            row(r * length, left, right, length);
        }
    }

    /// <summary>One run along the last axis.</summary>
    internal delegate void RowAction(int target, int left, int right, int length);
}
