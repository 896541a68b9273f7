using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Sums as <see cref="DotTiles"/> leaves them, [pixel][output], become planes, as integers or as floats.</summary>
internal static unsafe class SumTransposition
{
    /// <summary>Stores the sums of a block of outputs.</summary>
    /// <param name="sums">[pixel][output].</param>
    /// <param name="target">First pixel of the first output.</param>
    /// <param name="plane">Values between the same pixel of neighbouring outputs.</param>
    /// <param name="outputs">Outputs to store.</param>
    /// <param name="pixels">Pixels to store.</param>
    /// <param name="storesFloats">Whether each sum is stored as the nearest float32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(int* sums, int* target, nint plane, int outputs, int pixels, bool storesFloats)
    {
        for (int channel = 0; channel < outputs; channel += 8)
        {
            int count = Math.Min(8, outputs - channel);
            if (count == 8 && pixels >= 8)
            {
                for (int i = 0; i < pixels; i += 8)
                {
                    int at = Math.Min(i, pixels - 8);
                    Transpose8(sums + (at * DotTiles.Outputs) + channel, target + (channel * plane) + at, plane, storesFloats);
                }

                continue;
            }

            for (int pixel = 0; pixel < pixels; pixel++)
            {
                for (int c = channel; c < channel + count; c++)
                {
                    int sum = sums[(pixel * DotTiles.Outputs) + c];
                    if (storesFloats) ((float*)target)[(c * plane) + pixel] = sum;
                    else target[(c * plane) + pixel] = sum;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose8(int* from, int* to, nint plane, bool storesFloats)
    {
        Vector256<int> r0 = Vector256.Load(from), r1 = Vector256.Load(from + 16), r2 = Vector256.Load(from + 32), r3 = Vector256.Load(from + 48);
        Vector256<int> r4 = Vector256.Load(from + 64), r5 = Vector256.Load(from + 80), r6 = Vector256.Load(from + 96), r7 = Vector256.Load(from + 112);
        Vector256<long> s0 = Avx2.UnpackLow(r0, r1).AsInt64(), s1 = Avx2.UnpackHigh(r0, r1).AsInt64();
        Vector256<long> s2 = Avx2.UnpackLow(r2, r3).AsInt64(), s3 = Avx2.UnpackHigh(r2, r3).AsInt64();
        Vector256<long> s4 = Avx2.UnpackLow(r4, r5).AsInt64(), s5 = Avx2.UnpackHigh(r4, r5).AsInt64();
        Vector256<long> s6 = Avx2.UnpackLow(r6, r7).AsInt64(), s7 = Avx2.UnpackHigh(r6, r7).AsInt64();
        Vector256<int> t0 = Avx2.UnpackLow(s0, s2).AsInt32(), t1 = Avx2.UnpackHigh(s0, s2).AsInt32();
        Vector256<int> t2 = Avx2.UnpackLow(s1, s3).AsInt32(), t3 = Avx2.UnpackHigh(s1, s3).AsInt32();
        Vector256<int> t4 = Avx2.UnpackLow(s4, s6).AsInt32(), t5 = Avx2.UnpackHigh(s4, s6).AsInt32();
        Vector256<int> t6 = Avx2.UnpackLow(s5, s7).AsInt32(), t7 = Avx2.UnpackHigh(s5, s7).AsInt32();
        Store(to, Avx2.Permute2x128(t0, t4, 0x20), storesFloats);
        Store(to + plane, Avx2.Permute2x128(t1, t5, 0x20), storesFloats);
        Store(to + (2 * plane), Avx2.Permute2x128(t2, t6, 0x20), storesFloats);
        Store(to + (3 * plane), Avx2.Permute2x128(t3, t7, 0x20), storesFloats);
        Store(to + (4 * plane), Avx2.Permute2x128(t0, t4, 0x31), storesFloats);
        Store(to + (5 * plane), Avx2.Permute2x128(t1, t5, 0x31), storesFloats);
        Store(to + (6 * plane), Avx2.Permute2x128(t2, t6, 0x31), storesFloats);
        Store(to + (7 * plane), Avx2.Permute2x128(t3, t7, 0x31), storesFloats);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(int* target, Vector256<int> sums, bool storesFloats) =>
        (storesFloats ? Vector256.ConvertToSingle(sums).AsInt32() : sums).Store(target);
}
