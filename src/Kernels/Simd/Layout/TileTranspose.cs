using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Layout;

/// <summary>Transposition of tiles in registers: the finest step of every change of layout.</summary>
internal static unsafe class TileTranspose
{
    /// <summary>Writes target[j][i] = source[i][j] for i, j below 4; strides are in floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run4(float* source, long sourceStride, float* target, long targetStride)
    {
        Vector128<float> row0 = Vector128.Load(source);
        Vector128<float> row1 = Vector128.Load(source + sourceStride);
        Vector128<float> row2 = Vector128.Load(source + (2 * sourceStride));
        Vector128<float> row3 = Vector128.Load(source + (3 * sourceStride));
        InRegisters(ref row0, ref row1, ref row2, ref row3);
        row0.Store(target);
        row1.Store(target + targetStride);
        row2.Store(target + (2 * targetStride));
        row3.Store(target + (3 * targetStride));
    }

    /// <summary>
    /// Writes target[j][i] = source[i][j] for i, j below 16; needs AVX-512. Each of the 32 cache lines is touched once,
    /// which matters where a power of two lies between them and they share a set of the cache.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run16(float* source, nint sourceStride, float* target, nint targetStride)
    {
        // Quarter q of register gj is column 4q + j of rows 4g to 4g + 3.
        FourRows(source, sourceStride, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
        FourRows(source + (4 * sourceStride), sourceStride, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
        FourRows(source + (8 * sourceStride), sourceStride, out Vector512<float> c0, out Vector512<float> c1, out Vector512<float> c2, out Vector512<float> c3);
        FourRows(source + (12 * sourceStride), sourceStride, out Vector512<float> d0, out Vector512<float> d1, out Vector512<float> d2, out Vector512<float> d3);
        FourColumns(a0, b0, c0, d0, target, 4 * targetStride);
        FourColumns(a1, b1, c1, d1, target + targetStride, 4 * targetStride);
        FourColumns(a2, b2, c2, d2, target + (2 * targetStride), 4 * targetStride);
        FourColumns(a3, b3, c3, d3, target + (3 * targetStride), 4 * targetStride);
    }

    /// <summary>Turns four rows into four columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InRegisters(ref Vector128<float> row0, ref Vector128<float> row1, ref Vector128<float> row2, ref Vector128<float> row3)
    {
        // Interleave rows 0 with 2 and 1 with 3, then the results with each other: columns come out in order.
        Vector128<float> low02 = Low(row0, row2);
        Vector128<float> high02 = High(row0, row2);
        Vector128<float> low13 = Low(row1, row3);
        Vector128<float> high13 = High(row1, row3);
        row0 = Low(low02, low13);
        row1 = High(low02, low13);
        row2 = Low(high02, high13);
        row3 = High(high02, high13);
    }

    /// <summary>Turns four rows into four columns in each quarter of 512-bit registers; needs AVX-512.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InQuarters(ref Vector512<float> row0, ref Vector512<float> row1, ref Vector512<float> row2, ref Vector512<float> row3)
    {
        Vector512<float> low02 = Avx512F.UnpackLow(row0, row2);
        Vector512<float> high02 = Avx512F.UnpackHigh(row0, row2);
        Vector512<float> low13 = Avx512F.UnpackLow(row1, row3);
        Vector512<float> high13 = Avx512F.UnpackHigh(row1, row3);
        row0 = Avx512F.UnpackLow(low02, low13);
        row1 = Avx512F.UnpackHigh(low02, low13);
        row2 = Avx512F.UnpackLow(high02, high13);
        row3 = Avx512F.UnpackHigh(high02, high13);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows(
        float* source, nint stride, out Vector512<float> row0, out Vector512<float> row1, out Vector512<float> row2, out Vector512<float> row3)
    {
        row0 = Vector512.Load(source);
        row1 = Vector512.Load(source + stride);
        row2 = Vector512.Load(source + (2 * stride));
        row3 = Vector512.Load(source + (3 * stride));
        InQuarters(ref row0, ref row1, ref row2, ref row3);
    }

    /// <summary>Stores, for each quarter, that quarter of all four registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourColumns(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target, nint stride)
    {
        const byte LowHalves = 0x44, HighHalves = 0xEE, EvenQuarters = 0x88, OddQuarters = 0xDD;
        Vector512<float> lowAb = Avx512F.Shuffle4x128(a, b, LowHalves), lowCd = Avx512F.Shuffle4x128(c, d, LowHalves);
        Vector512<float> highAb = Avx512F.Shuffle4x128(a, b, HighHalves), highCd = Avx512F.Shuffle4x128(c, d, HighHalves);
        Avx512F.Shuffle4x128(lowAb, lowCd, EvenQuarters).Store(target);
        Avx512F.Shuffle4x128(lowAb, lowCd, OddQuarters).Store(target + stride);
        Avx512F.Shuffle4x128(highAb, highCd, EvenQuarters).Store(target + (2 * stride));
        Avx512F.Shuffle4x128(highAb, highCd, OddQuarters).Store(target + (3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackLow(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipLow(a, b);
        return Vector128.Create(a[0], b[0], a[1], b[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackHigh(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipHigh(a, b);
        return Vector128.Create(a[2], b[2], a[3], b[3]);
    }
}
