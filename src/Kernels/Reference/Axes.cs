namespace CoInference.Kernels.Reference;

/// <summary>Axis numbers as ONNX writes them: negative ones count from the end.</summary>
public static class Axes
{
    /// <summary>The axis as a number from 0.</summary>
    /// <param name="axis">An axis in [-rank, rank).</param>
    /// <param name="rank">Number of axes.</param>
    /// <exception cref="ArgumentException">The axis is out of range.</exception>
    public static int Resolve(long axis, int rank)
    {
        if (axis < -rank || axis >= rank) throw new ArgumentException($"Axis {axis} is out of range for a tensor with {rank} axes.");
        return (int)(axis < 0 ? axis + rank : axis);
    }

    /// <summary>Marks the listed axes.</summary>
    /// <param name="axes">Axes in [-rank, rank).</param>
    /// <param name="rank">Number of axes.</param>
    /// <exception cref="ArgumentException">An axis is out of range or listed twice.</exception>
    public static bool[] Mark(ReadOnlySpan<long> axes, int rank)
    {
        var marked = new bool[rank];
        foreach (long axis in axes)
        {
            int resolved = Resolve(axis, rank);
            if (marked[resolved]) throw new ArgumentException($"Axis {axis} is listed twice.");
            marked[resolved] = true;
        }

        return marked;
    }
}
