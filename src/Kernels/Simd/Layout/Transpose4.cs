using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Layout;

/// <summary>Transposition of a 4 x 4 tile in registers: the finest step of every change of layout.</summary>
internal static unsafe class Transpose4
{
    /// <summary>Writes target[j][i] = source[i][j] for i, j below 4; strides are in floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(float* source, long sourceStride, float* target, long targetStride)
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
    public static void InQuarters(ref Vector512<float> row0, ref Vector512<float> row1, ref Vector512<float> row2, ref Vector512<float> row3)
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
