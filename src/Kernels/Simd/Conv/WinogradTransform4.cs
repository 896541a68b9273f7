using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>The transforms of F(4 x 4, 3 x 3): 36 products for 144, 4 times fewer.</summary>
/// <remarks>
/// The points 0, +-1/sqrt(2), +-sqrt(2) and infinity keep the elements of the matrices closer to 1 than 0, +-1, +-2 do, and
/// with them the rounding error. Rows of a pair +-p share their even and odd parts.
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TPatch">How patches fill a vector.</typeparam>
internal readonly unsafe struct WinogradTransform4<TSimd, TVector, TPatch> : IWinogradTransform<TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TPatch : IPatchVector<TVector>
{
    /// <inheritdoc/>
    public static int OutputSize => 4;

    /// <inheritdoc/>
    public static ReadOnlySpan<double> Points => [0, InverseRoot2, -InverseRoot2, Root2, -Root2];

    /// <inheritdoc/>
    public static double ErrorUnits => 24;

    /// <inheritdoc/>
    public static double PatchCycles => 150;

    private const float InverseRoot2 = 0.70710678118654752f;
    private const float Root2 = 1.41421356237309505f;
    private const float HalfInverseRoot2 = InverseRoot2 / 2;
    private const float DoubleRoot2 = 2 * Root2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Input(WinogradPatches* patches)
    {
        float* row0 = patches->Pixels;
        float* target = patches->Elements;
        nint step = patches->RowStep;
        nint plane = patches->PlaneStep;
        for (int count = patches->Count; count > 0; count -= TPatch.Patches)
        {
            float* row1 = row0 + step;
            float* row2 = row1 + step;
            float* row3 = row2 + step;
            float* row4 = row3 + step;
            float* row5 = row4 + step;
            {
                TVector c0 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2), TSimd.Add(Pixel(row0), Pixel(row4)));
                TVector c1 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2 + TPatch.Channels), TSimd.Add(Pixel(row0 + TPatch.Channels), Pixel(row4 + TPatch.Channels)));
                TVector c2 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2 + (2 * TPatch.Channels)), TSimd.Add(Pixel(row0 + (2 * TPatch.Channels)), Pixel(row4 + (2 * TPatch.Channels))));
                TVector c3 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2 + (3 * TPatch.Channels)), TSimd.Add(Pixel(row0 + (3 * TPatch.Channels)), Pixel(row4 + (3 * TPatch.Channels))));
                TVector c4 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2 + (4 * TPatch.Channels)), TSimd.Add(Pixel(row0 + (4 * TPatch.Channels)), Pixel(row4 + (4 * TPatch.Channels))));
                TVector c5 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row2 + (5 * TPatch.Channels)), TSimd.Add(Pixel(row0 + (5 * TPatch.Channels)), Pixel(row4 + (5 * TPatch.Channels))));
                StoreRow(target, plane, c0, c1, c2, c3, c4, c5);
            }

            {
                TVector e0 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2), Pixel(row4));
                TVector o0 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1), Pixel(row3));
                TVector p0 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o0, e0);
                TVector n0 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o0, e0);
                TVector e1 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2 + TPatch.Channels), Pixel(row4 + TPatch.Channels));
                TVector o1 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1 + TPatch.Channels), Pixel(row3 + TPatch.Channels));
                TVector p1 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o1, e1);
                TVector n1 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o1, e1);
                TVector e2 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2 + (2 * TPatch.Channels)), Pixel(row4 + (2 * TPatch.Channels)));
                TVector o2 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1 + (2 * TPatch.Channels)), Pixel(row3 + (2 * TPatch.Channels)));
                TVector p2 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o2, e2);
                TVector n2 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o2, e2);
                TVector e3 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2 + (3 * TPatch.Channels)), Pixel(row4 + (3 * TPatch.Channels)));
                TVector o3 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1 + (3 * TPatch.Channels)), Pixel(row3 + (3 * TPatch.Channels)));
                TVector p3 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o3, e3);
                TVector n3 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o3, e3);
                TVector e4 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2 + (4 * TPatch.Channels)), Pixel(row4 + (4 * TPatch.Channels)));
                TVector o4 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1 + (4 * TPatch.Channels)), Pixel(row3 + (4 * TPatch.Channels)));
                TVector p4 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o4, e4);
                TVector n4 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o4, e4);
                TVector e5 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row2 + (5 * TPatch.Channels)), Pixel(row4 + (5 * TPatch.Channels)));
                TVector o5 = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), Pixel(row1 + (5 * TPatch.Channels)), Pixel(row3 + (5 * TPatch.Channels)));
                TVector p5 = TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), o5, e5);
                TVector n5 = TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), o5, e5);
                StoreRow(target + (6 * plane), plane, p0, p1, p2, p3, p4, p5);
                StoreRow(target + (12 * plane), plane, n0, n1, n2, n3, n4, n5);
            }

            {
                TVector e0 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2), Pixel(row4));
                TVector o0 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1), Pixel(row3));
                TVector p0 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o0, e0);
                TVector n0 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o0, e0);
                TVector e1 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2 + TPatch.Channels), Pixel(row4 + TPatch.Channels));
                TVector o1 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1 + TPatch.Channels), Pixel(row3 + TPatch.Channels));
                TVector p1 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o1, e1);
                TVector n1 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o1, e1);
                TVector e2 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2 + (2 * TPatch.Channels)), Pixel(row4 + (2 * TPatch.Channels)));
                TVector o2 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1 + (2 * TPatch.Channels)), Pixel(row3 + (2 * TPatch.Channels)));
                TVector p2 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o2, e2);
                TVector n2 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o2, e2);
                TVector e3 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2 + (3 * TPatch.Channels)), Pixel(row4 + (3 * TPatch.Channels)));
                TVector o3 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1 + (3 * TPatch.Channels)), Pixel(row3 + (3 * TPatch.Channels)));
                TVector p3 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o3, e3);
                TVector n3 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o3, e3);
                TVector e4 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2 + (4 * TPatch.Channels)), Pixel(row4 + (4 * TPatch.Channels)));
                TVector o4 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1 + (4 * TPatch.Channels)), Pixel(row3 + (4 * TPatch.Channels)));
                TVector p4 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o4, e4);
                TVector n4 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o4, e4);
                TVector e5 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row2 + (5 * TPatch.Channels)), Pixel(row4 + (5 * TPatch.Channels)));
                TVector o5 = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), Pixel(row1 + (5 * TPatch.Channels)), Pixel(row3 + (5 * TPatch.Channels)));
                TVector p5 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), o5, e5);
                TVector n5 = TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), o5, e5);
                StoreRow(target + (18 * plane), plane, p0, p1, p2, p3, p4, p5);
                StoreRow(target + (24 * plane), plane, n0, n1, n2, n3, n4, n5);
            }

            {
                TVector c0 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3), TSimd.Add(Pixel(row1), Pixel(row5)));
                TVector c1 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3 + TPatch.Channels), TSimd.Add(Pixel(row1 + TPatch.Channels), Pixel(row5 + TPatch.Channels)));
                TVector c2 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3 + (2 * TPatch.Channels)), TSimd.Add(Pixel(row1 + (2 * TPatch.Channels)), Pixel(row5 + (2 * TPatch.Channels))));
                TVector c3 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3 + (3 * TPatch.Channels)), TSimd.Add(Pixel(row1 + (3 * TPatch.Channels)), Pixel(row5 + (3 * TPatch.Channels))));
                TVector c4 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3 + (4 * TPatch.Channels)), TSimd.Add(Pixel(row1 + (4 * TPatch.Channels)), Pixel(row5 + (4 * TPatch.Channels))));
                TVector c5 = TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), Pixel(row3 + (5 * TPatch.Channels)), TSimd.Add(Pixel(row1 + (5 * TPatch.Channels)), Pixel(row5 + (5 * TPatch.Channels))));
                StoreRow(target + (30 * plane), plane, c0, c1, c2, c3, c4, c5);
            }

            row0 += OutputSize * TPatch.Patches * TPatch.Channels;
            target += TSimd.Lanes;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Output(WinogradPatches* patches)
    {
        float* source = patches->Elements;
        float* pixels = patches->Pixels;
        float* residual = patches->Residual;
        nint plane = patches->PlaneStep;
        nint row = 6 * plane;
        for (int count = patches->Count; count > 0; count -= TPatch.Patches)
        {
            TVector p0, q0, r0, t0;
            TVector p1, q1, r1, t1;
            TVector p2, q2, r2, t2;
            TVector p3, q3, r3, t3;
            TVector p4, q4, r4, t4;
            TVector p5, q5, r5, t5;
            {
                float* from = source;
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p0 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q0 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r0 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t0 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            {
                float* from = source + plane;
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p1 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q1 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r1 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t1 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            {
                float* from = source + (2 * plane);
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p2 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q2 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r2 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t2 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            {
                float* from = source + (3 * plane);
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p3 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q3 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r3 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t3 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            {
                float* from = source + (4 * plane);
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p4 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q4 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r4 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t4 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            {
                float* from = source + (5 * plane);
                TVector a = TSimd.Load(from + row), b = TSimd.Load(from + (2 * row));
                TVector c = TSimd.Load(from + (3 * row)), d = TSimd.Load(from + (4 * row));
                TVector s1 = TSimd.Add(a, b), d1 = TSimd.Subtract(a, b), s2 = TSimd.Add(c, d), d2 = TSimd.Subtract(c, d);
                p5 = TSimd.Add(TSimd.Load(from), TSimd.Add(s1, s2));
                q5 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.Multiply(TSimd.Broadcast(InverseRoot2), d1));
                r5 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.Multiply(TSimd.Broadcast(0.5f), s1));
                t5 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Load(from + (5 * row))));
            }

            TVector bias = TPatch.LoadChannels(patches->Bias), low = TPatch.LoadChannels(patches->Minimum), high = TPatch.LoadChannels(patches->Maximum);
            nint step = patches->RowStep;
            nint residualStep = patches->ResidualRowStep;
            StoreRow(pixels, residual == null ? null : residual, p0, p1, p2, p3, p4, p5, bias, low, high);
            StoreRow(pixels + step, residual == null ? null : residual + residualStep, q0, q1, q2, q3, q4, q5, bias, low, high);
            StoreRow(pixels + (2 * step), residual == null ? null : residual + (2 * residualStep), r0, r1, r2, r3, r4, r5, bias, low, high);
            StoreRow(pixels + (3 * step), residual == null ? null : residual + (3 * residualStep), t0, t1, t2, t3, t4, t5, bias, low, high);
            source += TSimd.Lanes;
            pixels += OutputSize * TPatch.Patches * TPatch.Channels;
            if (residual != null) residual += OutputSize * TPatch.Patches * TPatch.Channels;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* target, nint plane, TVector c0, TVector c1, TVector c2, TVector c3, TVector c4, TVector c5)
    {
        TSimd.Store(target, TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), c2, TSimd.Add(c0, c4)));
        TSimd.Store(target + (5 * plane), TSimd.MultiplyAdd(TSimd.Broadcast(-2.5f), c3, TSimd.Add(c1, c5)));
        TVector even = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), c2, c4), odd = TSimd.MultiplyAdd(TSimd.Broadcast(-2f), c1, c3);
        TSimd.Store(target + plane, TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), odd, even));
        TSimd.Store(target + (2 * plane), TSimd.MultiplyAdd(TSimd.Broadcast(-InverseRoot2), odd, even));
        even = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), c2, c4);
        odd = TSimd.MultiplyAdd(TSimd.Broadcast(-0.5f), c1, c3);
        TSimd.Store(target + (3 * plane), TSimd.MultiplyAdd(TSimd.Broadcast(Root2), odd, even));
        TSimd.Store(target + (4 * plane), TSimd.MultiplyAdd(TSimd.Broadcast(-Root2), odd, even));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(
        float* target, float* residual, TVector c0, TVector c1, TVector c2, TVector c3, TVector c4, TVector c5, TVector bias, TVector low, TVector high)
    {
        TVector s1 = TSimd.Add(c1, c2), d1 = TSimd.Subtract(c1, c2), s2 = TSimd.Add(c3, c4), d2 = TSimd.Subtract(c3, c4);
        TVector y0 = TSimd.Add(TSimd.Add(c0, bias), TSimd.Add(s1, s2));
        TVector y1 = TSimd.MultiplyAdd(TSimd.Broadcast(Root2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(InverseRoot2), d1, bias));
        TVector y2 = TSimd.MultiplyAdd(TSimd.Broadcast(2f), s2, TSimd.MultiplyAdd(TSimd.Broadcast(0.5f), s1, bias));
        TVector y3 = TSimd.MultiplyAdd(TSimd.Broadcast(DoubleRoot2), d2, TSimd.MultiplyAdd(TSimd.Broadcast(HalfInverseRoot2), d1, TSimd.Add(c5, bias)));
        if (residual != null)
        {
            y0 = TSimd.Add(y0, Pixel(residual));
            y1 = TSimd.Add(y1, Pixel(residual + TPatch.Channels));
            y2 = TSimd.Add(y2, Pixel(residual + (2 * TPatch.Channels)));
            y3 = TSimd.Add(y3, Pixel(residual + (3 * TPatch.Channels)));
        }

        StorePixel(target, TSimd.AtMost(high, TSimd.AtLeast(low, y0)));
        StorePixel(target + TPatch.Channels, TSimd.AtMost(high, TSimd.AtLeast(low, y1)));
        StorePixel(target + (2 * TPatch.Channels), TSimd.AtMost(high, TSimd.AtLeast(low, y2)));
        StorePixel(target + (3 * TPatch.Channels), TSimd.AtMost(high, TSimd.AtLeast(low, y3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Pixel(float* pixel) => TPatch.Load(pixel, OutputSize * TPatch.Channels);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePixel(float* pixel, TVector value) => TPatch.Store(pixel, OutputSize * TPatch.Channels, value);
}
