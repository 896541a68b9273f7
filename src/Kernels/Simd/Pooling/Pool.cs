using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Pooling;

/// <summary>What a pool does with the values under its window.</summary>
public enum PoolFunction
{
    /// <summary>Largest value; padding does not take part.</summary>
    Max,

    /// <summary>Mean of the values inside the input.</summary>
    Average,

    /// <summary>Mean of the values inside the input and its padding of zeros.</summary>
    AverageWithPadding,
}

/// <summary>Pools over sliding windows, in channel blocks or row-major planes.</summary>
public static unsafe class Pool
{
    /// <summary>Pools some planes. A plane is [height, width, block].</summary>
    /// <param name="function">The function.</param>
    /// <param name="window">The window; every position must cover at least one pixel of the input.</param>
    /// <param name="block">Floats per pixel: 1, 4, 8 or 16.</param>
    /// <param name="source">First plane of the input.</param>
    /// <param name="target">First plane of the output.</param>
    /// <param name="firstPlane">First plane to pool.</param>
    /// <param name="endPlane">Plane after the last to pool.</param>
    /// <exception cref="ArgumentOutOfRangeException">The block is not one of the listed.</exception>
    public static void Run(PoolFunction function, PoolWindow window, int block, float* source, float* target, int firstPlane, int endPlane)
    {
        switch (block)
        {
            case 16: Run<Simd512, Vector512<float>>(function, window, source, target, firstPlane, endPlane); break;
            case 8: Run<Simd256, Vector256<float>>(function, window, source, target, firstPlane, endPlane); break;
            case 4: Run<Simd128, Vector128<float>>(function, window, source, target, firstPlane, endPlane); break;
            case 1: Run<SimdScalar, float>(function, window, source, target, firstPlane, endPlane); break;
            default: throw new ArgumentOutOfRangeException(nameof(block), block, "Expected 1, 4, 8 or 16.");
        }
    }

    private static void Run<TSimd, TVector>(PoolFunction function, PoolWindow window, float* source, float* target, int firstPlane, int endPlane)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        long inPlane = (long)window.InHeight * window.InWidth * TSimd.Lanes;
        long outPlane = (long)window.OutHeight * window.OutWidth * TSimd.Lanes;
        for (int plane = firstPlane; plane < endPlane; plane++)
        {
            for (int y = 0; y < window.OutHeight; y++)
            {
                Taps rows = window.Rows(y);
                float* input = source + (plane * inPlane) + ((long)rows.Start * window.InWidth * TSimd.Lanes);
                float* output = target + (plane * outPlane) + ((long)y * window.OutWidth * TSimd.Lanes);
                if (function == PoolFunction.Max) MaxRow<TSimd, TVector>(window, rows, input, output);
                else AverageRow<TSimd, TVector>(window, rows, function == PoolFunction.AverageWithPadding, input, output);
            }
        }
    }

    private static void MaxRow<TSimd, TVector>(PoolWindow window, Taps rows, float* input, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        long rowStep = (long)window.DilationY * window.InWidth * TSimd.Lanes;
        int tapStep = window.DilationX * TSimd.Lanes;
        for (int x = 0; x < window.OutWidth; x++)
        {
            Taps columns = window.Columns(x);
            TVector best = TSimd.Broadcast(float.NegativeInfinity);
            float* row = input + ((long)columns.Start * TSimd.Lanes);
            for (int ky = 0; ky < rows.Count; ky++, row += rowStep)
            {
                float* tap = row;
                for (int kx = 0; kx < columns.Count; kx++, tap += tapStep) best = TSimd.AtLeast(best, TSimd.Load(tap));
            }

            TSimd.Store(output + ((long)x * TSimd.Lanes), best);
        }
    }

    private static void AverageRow<TSimd, TVector>(PoolWindow window, Taps rows, bool withPadding, float* input, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        long rowStep = (long)window.DilationY * window.InWidth * TSimd.Lanes;
        int tapStep = window.DilationX * TSimd.Lanes;
        for (int x = 0; x < window.OutWidth; x++)
        {
            Taps columns = window.Columns(x);
            TVector sum = TSimd.Zero;
            float* row = input + ((long)columns.Start * TSimd.Lanes);
            for (int ky = 0; ky < rows.Count; ky++, row += rowStep)
            {
                float* tap = row;
                for (int kx = 0; kx < columns.Count; kx++, tap += tapStep) sum = TSimd.Add(sum, TSimd.Load(tap));
            }

            int count = withPadding ? rows.CountWithPadding * columns.CountWithPadding : rows.Count * columns.Count;
            TSimd.Store(output + ((long)x * TSimd.Lanes), TSimd.Multiply(sum, TSimd.Broadcast(1f / count)));
        }
    }
}
