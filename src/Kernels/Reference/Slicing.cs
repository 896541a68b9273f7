using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Regular selections of elements along axes.</summary>
public static class Slicing
{
    /// <summary>One axis of a slice, with bounds resolved: <paramref name="Count"/> indices from <paramref name="Start"/> in steps of <paramref name="Step"/>.</summary>
    /// <param name="Start">First index.</param>
    /// <param name="Step">Distance between indices; may be negative, never 0.</param>
    /// <param name="Count">Number of indices.</param>
    public readonly record struct Range(int Start, int Step, int Count);

    /// <summary>Resolves ONNX slice parameters: negative positions count from the end, positions beyond an axis are clamped.</summary>
    /// <param name="shape">Shape of the tensor to slice.</param>
    /// <param name="starts">First positions.</param>
    /// <param name="ends">Positions after the last.</param>
    /// <param name="axes">The axes meant; null means the first ones.</param>
    /// <param name="steps">Steps; null means 1.</param>
    /// <returns>One range per axis of the shape.</returns>
    /// <exception cref="ArgumentException">The lists have different lengths, an axis is out of range or given twice, or a step is 0.</exception>
    public static Range[] Resolve(TensorShape shape, long[] starts, long[] ends, long[]? axes, long[]? steps)
    {
        if (starts.Length != ends.Length || (axes is not null && axes.Length != starts.Length) || (steps is not null && steps.Length != starts.Length))
            throw new ArgumentException($"starts ({starts.Length}), ends ({ends.Length}), axes ({axes?.Length}) and steps ({steps?.Length}) need the same length.");
        var ranges = new Range[shape.Rank];
        for (int axis = 0; axis < ranges.Length; axis++) ranges[axis] = new Range(0, 1, shape[axis]);
        var seen = new bool[shape.Rank];
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = Axes.Resolve(axes?[i] ?? i, shape.Rank);
            if (seen[axis]) throw new ArgumentException($"Axis {axis} is sliced twice.");
            seen[axis] = true;
            ranges[axis] = Resolve(shape[axis], starts[i], ends[i], steps?[i] ?? 1);
        }

        return ranges;
    }

    /// <summary>Shape of <see cref="Slice"/>.</summary>
    public static TensorShape Shape(ReadOnlySpan<Range> ranges)
    {
        var sizes = new int[ranges.Length];
        for (int axis = 0; axis < sizes.Length; axis++) sizes[axis] = ranges[axis].Count;
        return new TensorShape(sizes);
    }

    /// <summary>Copies the selected elements.</summary>
    /// <param name="tensor">The source.</param>
    /// <param name="ranges">One range per axis.</param>
    public static Tensor Slice(Tensor tensor, ReadOnlySpan<Range> ranges)
    {
        int[] strides = tensor.Shape.Strides();
        int offset = 0;
        TensorShape shape = Shape(ranges);
        for (int axis = 0; axis < strides.Length; axis++)
        {
            if (shape.Count > 0) offset += ranges[axis].Start * strides[axis];

            // A single index takes no step, and the step of a hostile file times a stride may overflow.
            strides[axis] = ranges[axis].Count <= 1 ? 0 : strides[axis] * ranges[axis].Step;
        }

        return StridedCopy.Read(tensor, offset, strides, shape);
    }

    private static Range Resolve(int size, long start, long end, long step)
    {
        if (step == 0) throw new ArgumentException("A slice step is 0.");
        if (size == 0) return new Range(0, 1, 0);
        long first = Math.Clamp(start < 0 ? start + size : start, 0, step > 0 ? size : size - 1);
        long last = Math.Clamp(end < 0 ? end + size : end, step > 0 ? 0 : -1, size);
        if (step > 0 ? last <= first : last >= first) return new Range(0, 1, 0);
        long span = step > 0 ? last - first - 1 : first - last - 1;
        long count = step == long.MinValue ? 1 : (span / Math.Abs(step)) + 1;
        return new Range((int)first, count == 1 ? 1 : (int)step, (int)count);
    }
}
