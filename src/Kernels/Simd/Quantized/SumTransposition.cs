using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Layout;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Sums as micro-kernels leave them, [pixel][output], become planes. Sums are 32 bits of either type.</summary>
internal static unsafe class SumTransposition
{
    /// <summary>Stores the sums of a block of outputs.</summary>
    /// <param name="sums">[pixel][output].</param>
    /// <param name="stride">Sums between neighbouring pixels.</param>
    /// <param name="target">First pixel of the first output.</param>
    /// <param name="plane">Values between the same pixel of neighbouring outputs.</param>
    /// <param name="outputs">Outputs to store.</param>
    /// <param name="pixels">Pixels to store.</param>
    /// <remarks>The last tile of a row of pixels overlaps the one before it: the same sums are written twice.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(int* sums, int stride, int* target, nint plane, int outputs, int pixels)
    {
        int channel = 0;
        if (Avx512F.IsSupported && pixels >= 16)
        {
            for (; channel <= outputs - 16; channel += 16)
            {
                for (int i = 0; i < pixels; i += 16)
                {
                    int at = Math.Min(i, pixels - 16);
                    TileTranspose.Run16((float*)sums + ((nint)at * stride) + channel, stride, (float*)target + (channel * plane) + at, plane);
                }
            }
        }

        for (; channel < outputs; channel += 8)
        {
            int count = Math.Min(8, outputs - channel);
            if (count == 8 && pixels >= 8)
            {
                for (int i = 0; i < pixels; i += 8)
                {
                    int at = Math.Min(i, pixels - 8);
                    Transpose8(sums + (at * stride) + channel, stride, target + (channel * plane) + at, plane);
                }

                continue;
            }

            for (int pixel = 0; pixel < pixels; pixel++)
            {
                for (int c = channel; c < channel + count; c++) target[(c * plane) + pixel] = sums[(pixel * stride) + c];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose8(int* from, nint stride, int* to, nint plane)
    {
        Vector256<int> r0 = Vector256.Load(from), r1 = Vector256.Load(from + stride), r2 = Vector256.Load(from + (2 * stride)), r3 = Vector256.Load(from + (3 * stride));
        Vector256<int> r4 = Vector256.Load(from + (4 * stride)), r5 = Vector256.Load(from + (5 * stride)), r6 = Vector256.Load(from + (6 * stride)), r7 = Vector256.Load(from + (7 * stride));
        Vector256<long> s0 = Avx2.UnpackLow(r0, r1).AsInt64(), s1 = Avx2.UnpackHigh(r0, r1).AsInt64();
        Vector256<long> s2 = Avx2.UnpackLow(r2, r3).AsInt64(), s3 = Avx2.UnpackHigh(r2, r3).AsInt64();
        Vector256<long> s4 = Avx2.UnpackLow(r4, r5).AsInt64(), s5 = Avx2.UnpackHigh(r4, r5).AsInt64();
        Vector256<long> s6 = Avx2.UnpackLow(r6, r7).AsInt64(), s7 = Avx2.UnpackHigh(r6, r7).AsInt64();
        Vector256<int> t0 = Avx2.UnpackLow(s0, s2).AsInt32(), t1 = Avx2.UnpackHigh(s0, s2).AsInt32();
        Vector256<int> t2 = Avx2.UnpackLow(s1, s3).AsInt32(), t3 = Avx2.UnpackHigh(s1, s3).AsInt32();
        Vector256<int> t4 = Avx2.UnpackLow(s4, s6).AsInt32(), t5 = Avx2.UnpackHigh(s4, s6).AsInt32();
        Vector256<int> t6 = Avx2.UnpackLow(s5, s7).AsInt32(), t7 = Avx2.UnpackHigh(s5, s7).AsInt32();
        Avx2.Permute2x128(t0, t4, 0x20).Store(to);
        Avx2.Permute2x128(t1, t5, 0x20).Store(to + plane);
        Avx2.Permute2x128(t2, t6, 0x20).Store(to + (2 * plane));
        Avx2.Permute2x128(t3, t7, 0x20).Store(to + (3 * plane));
        Avx2.Permute2x128(t0, t4, 0x31).Store(to + (4 * plane));
        Avx2.Permute2x128(t1, t5, 0x31).Store(to + (5 * plane));
        Avx2.Permute2x128(t2, t6, 0x31).Store(to + (6 * plane));
        Avx2.Permute2x128(t3, t7, 0x31).Store(to + (7 * plane));
    }
}
