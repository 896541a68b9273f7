using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Four rows of bytes, one per channel, become one row of four bytes per pixel.</summary>
internal static unsafe class QuadInterleaving
{
    /// <summary>Interleaves, every byte exclusive-or <paramref name="flip"/>.</summary>
    /// <remarks>The last vector of a row overlaps the one before it: the same bytes are written twice.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(byte* a, byte* b, byte* c, byte* d, byte flip, uint* target, int count)
    {
        Vector128<byte> sign = Vector128.Create(flip);
        if (count >= 16)
        {
            for (int i = 0; i < count; i += 16)
            {
                int at = Math.Min(i, count - 16);
                Vector128<byte> va = Vector128.Load(a + at) ^ sign, vb = Vector128.Load(b + at) ^ sign;
                Vector128<byte> vc = Vector128.Load(c + at) ^ sign, vd = Vector128.Load(d + at) ^ sign;
                Vector128<ushort> abLow = Sse2.UnpackLow(va, vb).AsUInt16(), abHigh = Sse2.UnpackHigh(va, vb).AsUInt16();
                Vector128<ushort> cdLow = Sse2.UnpackLow(vc, vd).AsUInt16(), cdHigh = Sse2.UnpackHigh(vc, vd).AsUInt16();
                Sse2.UnpackLow(abLow, cdLow).AsUInt32().Store(target + at);
                Sse2.UnpackHigh(abLow, cdLow).AsUInt32().Store(target + at + 4);
                Sse2.UnpackLow(abHigh, cdHigh).AsUInt32().Store(target + at + 8);
                Sse2.UnpackHigh(abHigh, cdHigh).AsUInt32().Store(target + at + 12);
            }

            return;
        }

        if (count >= 8)
        {
            for (int i = 0; i < count; i += 8)
            {
                int at = Math.Min(i, count - 8);
                Vector128<ushort> ab = Sse2.UnpackLow(LoadHalf(a + at) ^ sign, LoadHalf(b + at) ^ sign).AsUInt16();
                Vector128<ushort> cd = Sse2.UnpackLow(LoadHalf(c + at) ^ sign, LoadHalf(d + at) ^ sign).AsUInt16();
                Sse2.UnpackLow(ab, cd).AsUInt32().Store(target + at);
                Sse2.UnpackHigh(ab, cd).AsUInt32().Store(target + at + 4);
            }

            return;
        }

        uint signs = flip * 0x01010101u;
        for (int i = 0; i < count; i++) target[i] = (a[i] | ((uint)b[i] << 8) | ((uint)c[i] << 16) | ((uint)d[i] << 24)) ^ signs;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LoadHalf(byte* source) => Vector128.CreateScalarUnsafe(*(long*)source).AsByte();
}
