using System.Numerics.Tensors;

namespace CoInference.Kernels.Simd.Elementwise;

/// <summary>Softmax and its logarithm over rows of adjacent values; source and target may be the same memory.</summary>
public static class Softmax
{
    /// <summary>Computes y = exp(x - max x) / sum of the same, over one row.</summary>
    /// <exception cref="ArgumentException">The target is shorter than the row.</exception>
    public static void Run(ReadOnlySpan<float> x, Span<float> y)
    {
        if (x.IsEmpty) return;
        TensorPrimitives.Subtract(x, TensorPrimitives.Max(x), y);
        Span<float> row = y[..x.Length];
        TensorPrimitives.Exp(row, row);
        TensorPrimitives.Divide(row, TensorPrimitives.Sum(row), row);
    }

    /// <summary>Computes y = x - max x - log of the sum of exp(x - max x), over one row.</summary>
    /// <exception cref="ArgumentException">The target is shorter than the row.</exception>
    public static void RunLog(ReadOnlySpan<float> x, Span<float> y)
    {
        if (x.IsEmpty) return;
        float maximum = TensorPrimitives.Max(x);
        double sum = 0;
        foreach (float value in x) sum += Math.Exp(value - maximum);
        TensorPrimitives.Subtract(x, (float)(maximum + Math.Log(sum)), y);
    }
}
