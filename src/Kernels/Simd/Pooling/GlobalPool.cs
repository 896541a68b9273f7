using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Pooling;

/// <summary>Pools over all pixels of a plane.</summary>
public static unsafe class GlobalPool
{
    /// <summary>Mean or maximum of some planes. A plane is [pixels, block].</summary>
    /// <param name="isMax">Whether to take the maximum, else the mean.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="block">Floats per pixel: 1, 4, 8 or 16.</param>
    /// <param name="source">First plane of the input.</param>
    /// <param name="target">Receives block floats per plane.</param>
    /// <param name="planes">Planes to pool.</param>
    /// <exception cref="ArgumentOutOfRangeException">The block is not one of the listed.</exception>
    public static void Run(bool isMax, int pixels, int block, float* source, float* target, int planes)
    {
        switch (block)
        {
            case 16: Run<Simd512, Vector512<float>>(isMax, pixels, source, target, planes); break;
            case 8: Run<Simd256, Vector256<float>>(isMax, pixels, source, target, planes); break;
            case 4: Run<Simd128, Vector128<float>>(isMax, pixels, source, target, planes); break;
            case 1: RunPlanar(isMax, pixels, source, target, planes); break;
            default: throw new ArgumentOutOfRangeException(nameof(block), block, "Expected 1, 4, 8 or 16.");
        }
    }

    private static void RunPlanar(bool isMax, int pixels, float* source, float* target, int planes)
    {
        for (int plane = 0; plane < planes; plane++)
        {
            var values = new ReadOnlySpan<float>(source + ((long)plane * pixels), pixels);
            target[plane] = isMax ? TensorPrimitives.Max(values) : TensorPrimitives.Sum(values) / pixels;
        }
    }

    private static void Run<TSimd, TVector>(bool isMax, int pixels, float* source, float* target, int planes)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        for (int plane = 0; plane < planes; plane++)
        {
            float* input = source + ((long)plane * pixels * TSimd.Lanes);
            TVector result = isMax ? Max<TSimd, TVector>(input, pixels)
                : TSimd.Multiply(Sum<TSimd, TVector>(input, pixels), TSimd.Broadcast(1f / pixels));
            TSimd.Store(target + ((long)plane * TSimd.Lanes), result);
        }
    }

    // Four sums hide the latency of an addition and keep rounding errors small over large planes.
    private static TVector Sum<TSimd, TVector>(float* input, int pixels)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
        int pixel = 0;
        for (; pixel <= pixels - 4; pixel += 4, input += 4 * TSimd.Lanes)
        {
            sum0 = TSimd.Add(sum0, TSimd.Load(input));
            sum1 = TSimd.Add(sum1, TSimd.Load(input + TSimd.Lanes));
            sum2 = TSimd.Add(sum2, TSimd.Load(input + (2 * TSimd.Lanes)));
            sum3 = TSimd.Add(sum3, TSimd.Load(input + (3 * TSimd.Lanes)));
        }

        for (; pixel < pixels; pixel++, input += TSimd.Lanes) sum0 = TSimd.Add(sum0, TSimd.Load(input));
        return TSimd.Add(TSimd.Add(sum0, sum1), TSimd.Add(sum2, sum3));
    }

    private static TVector Max<TSimd, TVector>(float* input, int pixels)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector best = TSimd.Broadcast(float.NegativeInfinity);
        for (int pixel = 0; pixel < pixels; pixel++, input += TSimd.Lanes) best = TSimd.AtLeast(best, TSimd.Load(input));
        return best;
    }
}
