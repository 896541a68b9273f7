using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>Smallest and largest of many values in one pass.</summary>
public static unsafe class ValueRange
{
    /// <summary>The range of the values; infinities of the wrong sign when there are none. Values must not be NaN.</summary>
    public static (float Minimum, float Maximum) Find(ReadOnlySpan<float> values)
    {
        fixed (float* source = values)
        {
            if (Vector512.IsHardwareAccelerated) return Find<Simd512, Vector512<float>>(source, values.Length);
            if (Vector256.IsHardwareAccelerated) return Find<Simd256, Vector256<float>>(source, values.Length);
            if (Vector128.IsHardwareAccelerated) return Find<Simd128, Vector128<float>>(source, values.Length);
            return Find<SimdScalar, float>(source, values.Length);
        }
    }

    // Four pairs of accumulators hide the latency of a comparison.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Minimum, float Maximum) Find<TSimd, TVector>(float* source, int count)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector low0 = TSimd.Broadcast(float.PositiveInfinity), low1 = low0, low2 = low0, low3 = low0;
        TVector high0 = TSimd.Broadcast(float.NegativeInfinity), high1 = high0, high2 = high0, high3 = high0;
        int i = 0;
        for (; i <= count - (4 * TSimd.Lanes); i += 4 * TSimd.Lanes)
        {
            TVector x0 = TSimd.Load(source + i), x1 = TSimd.Load(source + i + TSimd.Lanes);
            TVector x2 = TSimd.Load(source + i + (2 * TSimd.Lanes)), x3 = TSimd.Load(source + i + (3 * TSimd.Lanes));
            (low0, high0) = (TSimd.AtMost(low0, x0), TSimd.AtLeast(high0, x0));
            (low1, high1) = (TSimd.AtMost(low1, x1), TSimd.AtLeast(high1, x1));
            (low2, high2) = (TSimd.AtMost(low2, x2), TSimd.AtLeast(high2, x2));
            (low3, high3) = (TSimd.AtMost(low3, x3), TSimd.AtLeast(high3, x3));
        }

        // Copies, because a vector whose address is taken lives in memory.
        TVector low = TSimd.AtMost(TSimd.AtMost(low0, low1), TSimd.AtMost(low2, low3));
        TVector high = TSimd.AtLeast(TSimd.AtLeast(high0, high1), TSimd.AtLeast(high2, high3));
        float minimum = float.PositiveInfinity, maximum = float.NegativeInfinity;
        foreach (float value in new ReadOnlySpan<float>(&low, TSimd.Lanes)) minimum = MathF.Min(minimum, value);
        foreach (float value in new ReadOnlySpan<float>(&high, TSimd.Lanes)) maximum = MathF.Max(maximum, value);
        foreach (float value in new ReadOnlySpan<float>(source + i, count - i)) (minimum, maximum) = (MathF.Min(minimum, value), MathF.Max(maximum, value));
        return (minimum, maximum);
    }
}
