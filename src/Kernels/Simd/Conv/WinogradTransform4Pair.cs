using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Transform = CoInference.Kernels.Simd.Conv.WinogradTransform4<
    CoInference.Kernels.Simd.Vectors.Simd512,
    System.Runtime.Intrinsics.Vector512<float>,
    CoInference.Kernels.Simd.Conv.TwoPatches>;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>The transforms of F(4 x 4, 3 x 3) on two patches of 8 channels at a time.</summary>
/// <remarks>
/// Two neighbouring patches read ten columns of the image, five vectors of two pixels each. The transform of columns runs on
/// these as they lie; only its results are rearranged, so that each vector holds one column of either patch.
/// </remarks>
internal readonly unsafe struct WinogradTransform4Pair : IWinogradTransform<Vector512<float>>
{
    private const float InverseRoot2 = 0.70710678118654752f;
    private const float Root2 = 1.41421356237309505f;

    /// <summary>Selects the lower half of either operand.</summary>
    private const byte Lower = 0x44;

    /// <summary>Selects the upper half of either operand.</summary>
    private const byte Upper = 0xEE;

    /// <inheritdoc/>
    public static int OutputSize => Transform.OutputSize;

    /// <inheritdoc/>
    public static ReadOnlySpan<double> Points => Transform.Points;

    /// <inheritdoc/>
    public static double ErrorUnits => Transform.ErrorUnits;

    /// <inheritdoc/>
    public static double PatchCycles => Transform.PatchCycles;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Input(WinogradPatches* patches)
    {
        float* row0 = patches->Pixels;
        float* target = patches->Elements;
        nint step = patches->RowStep;
        nint plane = patches->PlaneStep;
        for (int count = patches->Count; count > 0; count -= 2)
        {
            float* row1 = row0 + step;
            float* row2 = row1 + step;
            float* row3 = row2 + step;
            float* row4 = row3 + step;
            float* row5 = row4 + step;
            Vector512<float> b0 = Vector512.Load(row2), d0 = Vector512.Load(row4);
            Vector512<float> b1 = Vector512.Load(row2 + 16), d1 = Vector512.Load(row4 + 16);
            Vector512<float> b2 = Vector512.Load(row2 + 32), d2 = Vector512.Load(row4 + 32);
            Vector512<float> b3 = Vector512.Load(row2 + 48), d3 = Vector512.Load(row4 + 48);
            Vector512<float> b4 = Vector512.Load(row2 + 64), d4 = Vector512.Load(row4 + 64);
            StoreRow(
                target,
                plane,
                Outer(Vector512.Load(row0), b0, d0),
                Outer(Vector512.Load(row0 + 16), b1, d1),
                Outer(Vector512.Load(row0 + 32), b2, d2),
                Outer(Vector512.Load(row0 + 48), b3, d3),
                Outer(Vector512.Load(row0 + 64), b4, d4));

            Vector512<float> a0 = Vector512.Load(row1), c0 = Vector512.Load(row3);
            Vector512<float> a1 = Vector512.Load(row1 + 16), c1 = Vector512.Load(row3 + 16);
            Vector512<float> a2 = Vector512.Load(row1 + 32), c2 = Vector512.Load(row3 + 32);
            Vector512<float> a3 = Vector512.Load(row1 + 48), c3 = Vector512.Load(row3 + 48);
            Vector512<float> a4 = Vector512.Load(row1 + 64), c4 = Vector512.Load(row3 + 64);
            StoreRow(
                target + (30 * plane),
                plane,
                Outer(a0, c0, Vector512.Load(row5)),
                Outer(a1, c1, Vector512.Load(row5 + 16)),
                Outer(a2, c2, Vector512.Load(row5 + 32)),
                Outer(a3, c3, Vector512.Load(row5 + 48)),
                Outer(a4, c4, Vector512.Load(row5 + 64)));

            StoreRows(
                target + (6 * plane), plane, InverseRoot2, Inner(-2f, b0, d0), Inner(-2f, a0, c0), Inner(-2f, b1, d1), Inner(-2f, a1, c1),
                Inner(-2f, b2, d2), Inner(-2f, a2, c2), Inner(-2f, b3, d3), Inner(-2f, a3, c3), Inner(-2f, b4, d4), Inner(-2f, a4, c4));
            StoreRows(
                target + (18 * plane), plane, Root2, Inner(-0.5f, b0, d0), Inner(-0.5f, a0, c0), Inner(-0.5f, b1, d1), Inner(-0.5f, a1, c1),
                Inner(-0.5f, b2, d2), Inner(-0.5f, a2, c2), Inner(-0.5f, b3, d3), Inner(-0.5f, a3, c3), Inner(-0.5f, b4, d4), Inner(-0.5f, a4, c4));

            row0 += 2 * OutputSize * TwoPatches.Channels;
            target += 2 * TwoPatches.Channels;
        }
    }

    /// <inheritdoc/>
    public static void Output(WinogradPatches* patches) => Transform.Output(patches);

    /// <summary>A column's part of the first or last row of the transform.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Outer(Vector512<float> first, Vector512<float> middle, Vector512<float> last) =>
        Vector512.FusedMultiplyAdd(Vector512.Create(-2.5f), middle, first + last);

    /// <summary>The even or odd part that two of the inner rows share.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Inner(float factor, Vector512<float> first, Vector512<float> second) =>
        Vector512.FusedMultiplyAdd(Vector512.Create(factor), first, second);

    /// <summary>The two rows of a pair of points, from the even and odd parts of five vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRows(
        float* target, nint plane, float point, Vector512<float> e0, Vector512<float> o0, Vector512<float> e1, Vector512<float> o1,
        Vector512<float> e2, Vector512<float> o2, Vector512<float> e3, Vector512<float> o3, Vector512<float> e4, Vector512<float> o4)
    {
        StoreRow(target, plane, Inner(point, o0, e0), Inner(point, o1, e1), Inner(point, o2, e2), Inner(point, o3, e3), Inner(point, o4, e4));
        StoreRow(
            target + (6 * plane), plane, Inner(-point, o0, e0), Inner(-point, o1, e1), Inner(-point, o2, e2), Inner(-point, o3, e3), Inner(-point, o4, e4));
    }

    /// <summary>Rearranges ten columns into six of either patch and transforms the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(
        float* target, nint plane, Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, Vector512<float> v4)
    {
        Vector512<float> c0 = Avx512F.Shuffle4x128(v0, v2, Lower), c1 = Avx512F.Shuffle4x128(v0, v2, Upper);
        Vector512<float> c2 = Avx512F.Shuffle4x128(v1, v3, Lower), c3 = Avx512F.Shuffle4x128(v1, v3, Upper);
        Vector512<float> c4 = Avx512F.Shuffle4x128(v2, v4, Lower), c5 = Avx512F.Shuffle4x128(v2, v4, Upper);
        Outer(c0, c2, c4).Store(target);
        Outer(c1, c3, c5).Store(target + (5 * plane));
        Vector512<float> even = Inner(-2f, c2, c4), odd = Inner(-2f, c1, c3);
        Inner(InverseRoot2, odd, even).Store(target + plane);
        Inner(-InverseRoot2, odd, even).Store(target + (2 * plane));
        even = Inner(-0.5f, c2, c4);
        odd = Inner(-0.5f, c1, c3);
        Inner(Root2, odd, even).Store(target + (3 * plane));
        Inner(-Root2, odd, even).Store(target + (4 * plane));
    }
}
