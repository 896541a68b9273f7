using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Rows of bytes, one per channel, become one row of 32-bit cells, one per pixel.</summary>
internal static unsafe class CellInterleaving
{
    /// <summary>Two channels: widens to 16 bits, subtracts the zero point and interleaves.</summary>
    /// <param name="even">Row of the first channel.</param>
    /// <param name="odd">Row of the second channel.</param>
    /// <param name="stride">Bytes between the pixels that are taken.</param>
    /// <param name="isSigned">Whether the bytes are signed.</param>
    /// <param name="zeroPoint">Subtracted from every value.</param>
    /// <param name="target">Receives the pairs.</param>
    /// <param name="count">How many.</param>
    /// <remarks>The last vector of a row overlaps the one before it: the same cells are written twice.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pairs(byte* even, byte* odd, int stride, bool isSigned, short zeroPoint, int* target, int count)
    {
        if (stride == 1 && count >= 16)
        {
            Vector256<short> zero = Vector256.Create(zeroPoint);
            for (int i = 0; i < count; i += 16)
            {
                int at = Math.Min(i, count - 16);
                Vector256<short> a = Widen(even + at, isSigned) - zero, b = Widen(odd + at, isSigned) - zero;
                Vector256<int> low = Avx2.UnpackLow(a, b).AsInt32(), high = Avx2.UnpackHigh(a, b).AsInt32();
                Avx2.Permute2x128(low, high, 0x20).Store(target + at);
                Avx2.Permute2x128(low, high, 0x31).Store(target + at + 8);
            }

            return;
        }

        for (int i = 0; i < count; i++)
        {
            int a = isSigned ? (sbyte)even[i * stride] : even[i * stride], b = isSigned ? (sbyte)odd[i * stride] : odd[i * stride];
            target[i] = ((a - zeroPoint) & 0xFFFF) | ((b - zeroPoint) << 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Widen(byte* source, bool isSigned)
    {
        Vector128<byte> bytes = Vector128.Load(source);
        return isSigned ? Avx2.ConvertToVector256Int16(bytes.AsSByte()) : Avx2.ConvertToVector256Int16(bytes);
    }

    /// <summary>Four channels: flips the sign bit of signed bytes, which makes them unsigned and 128 more, and interleaves.</summary>
    /// <remarks>The last vector of a row overlaps the one before it: the same bytes are written twice.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Quads(byte* a, byte* b, byte* c, byte* d, int stride, bool isSigned, uint* target, int count)
    {
        byte flip = isSigned ? (byte)0x80 : (byte)0;
        Vector128<byte> sign = Vector128.Create(flip);
        if (stride == 1 && count >= 16)
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

        if (stride == 1 && count >= 8)
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
        for (int i = 0, at = 0; i < count; i++, at += stride) target[i] = (a[at] | ((uint)b[at] << 8) | ((uint)c[at] << 16) | ((uint)d[at] << 24)) ^ signs;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LoadHalf(byte* source) => Vector128.CreateScalarUnsafe(*(long*)source).AsByte();
}
