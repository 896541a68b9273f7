using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>Rebuilds dropped channels of a feature as affine combinations of the kept ones, pixel by pixel.</summary>
public static unsafe class ChannelMap
{
    /// <summary>
    /// target(d, p) = max(minimum(d), bias(d) + sum over k of weights(d, k) * source(k, p)), where the planes of sources and
    /// targets lie in one feature.
    /// </summary>
    /// <param name="feature">Channel-major feature that holds both the kept and the dropped planes.</param>
    /// <param name="pixels">Values per plane.</param>
    /// <param name="kept">Channel numbers of the sources.</param>
    /// <param name="dropped">Channel numbers of the targets.</param>
    /// <param name="weights">[dropped, kept].</param>
    /// <param name="bias">[dropped].</param>
    /// <param name="minimum">[dropped], lower bound of each target.</param>
    public static void Apply(float* feature, int pixels, ReadOnlySpan<int> kept, ReadOnlySpan<int> dropped, float* weights, float* bias, float* minimum)
    {
        switch (CpuFeatures.Widest)
        {
            case VectorWidth.Vector512 when pixels >= 16: Apply<Simd512, Vector512<float>>(feature, pixels, kept, dropped, weights, bias, minimum); break;
            case >= VectorWidth.Vector256 when pixels >= 8: Apply<Simd256, Vector256<float>>(feature, pixels, kept, dropped, weights, bias, minimum); break;
            case >= VectorWidth.Vector128 when pixels >= 4: Apply<Simd128, Vector128<float>>(feature, pixels, kept, dropped, weights, bias, minimum); break;
            default: Apply<SimdScalar, float>(feature, pixels, kept, dropped, weights, bias, minimum); break;
        }
    }

    // Needs at least one whole vector of pixels: the last vector overlaps the one before it.
    private static void Apply<TSimd, TVector>(
        float* feature, int pixels, ReadOnlySpan<int> kept, ReadOnlySpan<int> dropped, float* weights, float* bias, float* minimum)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        for (int start = 0; start < pixels; start += TSimd.Lanes)
        {
            float* source = feature + Math.Min(start, pixels - TSimd.Lanes);
            int d = 0;
            for (; d <= dropped.Length - 4; d += 4) Four<TSimd, TVector>(source, pixels, kept, dropped.Slice(d, 4), weights + ((nint)d * kept.Length), bias + d, minimum + d);
            for (; d < dropped.Length; d++) One<TSimd, TVector>(source, pixels, kept, dropped[d], weights + ((nint)d * kept.Length), bias[d], minimum[d]);
        }
    }

    // Four targets share each load of a source.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<TSimd, TVector>(
        float* source, nint pixels, ReadOnlySpan<int> kept, ReadOnlySpan<int> dropped, float* weights, float* bias, float* minimum)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector a = TSimd.Broadcast(bias[0]), b = TSimd.Broadcast(bias[1]), c = TSimd.Broadcast(bias[2]), d = TSimd.Broadcast(bias[3]);
        nint row = kept.Length;
        for (int k = 0; k < kept.Length; k++, weights++)
        {
            TVector x = TSimd.Load(source + (kept[k] * pixels));
            a = TSimd.MultiplyAdd(x, TSimd.Broadcast(weights[0]), a);
            b = TSimd.MultiplyAdd(x, TSimd.Broadcast(weights[row]), b);
            c = TSimd.MultiplyAdd(x, TSimd.Broadcast(weights[2 * row]), c);
            d = TSimd.MultiplyAdd(x, TSimd.Broadcast(weights[3 * row]), d);
        }

        TSimd.Store(source + (dropped[0] * pixels), TSimd.AtLeast(TSimd.Broadcast(minimum[0]), a));
        TSimd.Store(source + (dropped[1] * pixels), TSimd.AtLeast(TSimd.Broadcast(minimum[1]), b));
        TSimd.Store(source + (dropped[2] * pixels), TSimd.AtLeast(TSimd.Broadcast(minimum[2]), c));
        TSimd.Store(source + (dropped[3] * pixels), TSimd.AtLeast(TSimd.Broadcast(minimum[3]), d));
    }

    private static void One<TSimd, TVector>(float* source, nint pixels, ReadOnlySpan<int> kept, int dropped, float* weights, float bias, float minimum)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector sum = TSimd.Broadcast(bias);
        for (int k = 0; k < kept.Length; k++) sum = TSimd.MultiplyAdd(TSimd.Load(source + (kept[k] * pixels)), TSimd.Broadcast(weights[k]), sum);
        TSimd.Store(source + (dropped * pixels), TSimd.AtLeast(TSimd.Broadcast(minimum), sum));
    }
}
