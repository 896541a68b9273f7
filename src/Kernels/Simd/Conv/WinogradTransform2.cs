using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>The transforms of F(2 x 2, 3 x 3): 16 products for 36, 2.25 times fewer.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TPatch">How patches fill a vector.</typeparam>
internal readonly unsafe struct WinogradTransform2<TSimd, TVector, TPatch> : IWinogradTransform<TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TPatch : IPatchVector<TVector>
{
    /// <inheritdoc/>
    public static int OutputSize => 2;

    /// <inheritdoc/>
    public static ReadOnlySpan<double> Points => [0, 1, -1];

    /// <inheritdoc/>
    public static double ErrorUnits => 4;

    /// <inheritdoc/>
    public static double PatchCycles => 60;

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
            TVector a0 = Pixel(row1), b0 = Pixel(row2);
            TVector p0 = TSimd.Subtract(b0, Pixel(row0)), q0 = TSimd.Add(b0, a0);
            TVector r0 = TSimd.Subtract(b0, a0), s0 = TSimd.Subtract(Pixel(row3), a0);
            TVector a1 = Pixel(row1 + TPatch.Channels), b1 = Pixel(row2 + TPatch.Channels);
            TVector p1 = TSimd.Subtract(b1, Pixel(row0 + TPatch.Channels)), q1 = TSimd.Add(b1, a1);
            TVector r1 = TSimd.Subtract(b1, a1), s1 = TSimd.Subtract(Pixel(row3 + TPatch.Channels), a1);
            TVector a2 = Pixel(row1 + (2 * TPatch.Channels)), b2 = Pixel(row2 + (2 * TPatch.Channels));
            TVector p2 = TSimd.Subtract(b2, Pixel(row0 + (2 * TPatch.Channels))), q2 = TSimd.Add(b2, a2);
            TVector r2 = TSimd.Subtract(b2, a2), s2 = TSimd.Subtract(Pixel(row3 + (2 * TPatch.Channels)), a2);
            TVector a3 = Pixel(row1 + (3 * TPatch.Channels)), b3 = Pixel(row2 + (3 * TPatch.Channels));
            TVector p3 = TSimd.Subtract(b3, Pixel(row0 + (3 * TPatch.Channels))), q3 = TSimd.Add(b3, a3);
            TVector r3 = TSimd.Subtract(b3, a3), s3 = TSimd.Subtract(Pixel(row3 + (3 * TPatch.Channels)), a3);
            StoreRow(target, plane, p0, p1, p2, p3);
            StoreRow(target + (4 * plane), plane, q0, q1, q2, q3);
            StoreRow(target + (8 * plane), plane, r0, r1, r2, r3);
            StoreRow(target + (12 * plane), plane, s0, s1, s2, s3);
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
        nint row = 4 * plane;
        TVector bias = TPatch.LoadChannels(patches->Bias), low = TPatch.LoadChannels(patches->Minimum), high = TPatch.LoadChannels(patches->Maximum);
        for (int count = patches->Count; count > 0; count -= TPatch.Patches)
        {
            float* from0 = source;
            TVector a0 = TSimd.Load(from0 + row), b0 = TSimd.Load(from0 + (2 * row));
            TVector p0 = TSimd.Add(TSimd.Load(from0), TSimd.Add(a0, b0)), q0 = TSimd.Add(TSimd.Load(from0 + (3 * row)), TSimd.Subtract(a0, b0));
            float* from1 = source + plane;
            TVector a1 = TSimd.Load(from1 + row), b1 = TSimd.Load(from1 + (2 * row));
            TVector p1 = TSimd.Add(TSimd.Load(from1), TSimd.Add(a1, b1)), q1 = TSimd.Add(TSimd.Load(from1 + (3 * row)), TSimd.Subtract(a1, b1));
            float* from2 = source + (2 * plane);
            TVector a2 = TSimd.Load(from2 + row), b2 = TSimd.Load(from2 + (2 * row));
            TVector p2 = TSimd.Add(TSimd.Load(from2), TSimd.Add(a2, b2)), q2 = TSimd.Add(TSimd.Load(from2 + (3 * row)), TSimd.Subtract(a2, b2));
            float* from3 = source + (3 * plane);
            TVector a3 = TSimd.Load(from3 + row), b3 = TSimd.Load(from3 + (2 * row));
            TVector p3 = TSimd.Add(TSimd.Load(from3), TSimd.Add(a3, b3)), q3 = TSimd.Add(TSimd.Load(from3 + (3 * row)), TSimd.Subtract(a3, b3));
            StoreRow(pixels, residual, p0, p1, p2, p3, bias, low, high);
            StoreRow(pixels + patches->RowStep, residual == null ? null : residual + patches->ResidualRowStep, q0, q1, q2, q3, bias, low, high);
            source += TSimd.Lanes;
            pixels += OutputSize * TPatch.Patches * TPatch.Channels;
            if (residual != null) residual += OutputSize * TPatch.Patches * TPatch.Channels;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* target, nint plane, TVector c0, TVector c1, TVector c2, TVector c3)
    {
        TSimd.Store(target, TSimd.Subtract(c2, c0));
        TSimd.Store(target + plane, TSimd.Add(c2, c1));
        TSimd.Store(target + (2 * plane), TSimd.Subtract(c2, c1));
        TSimd.Store(target + (3 * plane), TSimd.Subtract(c3, c1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(
        float* target, float* residual, TVector c0, TVector c1, TVector c2, TVector c3, TVector bias, TVector low, TVector high)
    {
        TVector y0 = TSimd.Add(TSimd.Add(c0, bias), TSimd.Add(c1, c2));
        TVector y1 = TSimd.Add(TSimd.Add(c3, bias), TSimd.Subtract(c1, c2));
        if (residual != null)
        {
            y0 = TSimd.Add(y0, Pixel(residual));
            y1 = TSimd.Add(y1, Pixel(residual + TPatch.Channels));
        }

        StorePixel(target, TSimd.AtMost(high, TSimd.AtLeast(low, y0)));
        StorePixel(target + TPatch.Channels, TSimd.AtMost(high, TSimd.AtLeast(low, y1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Pixel(float* pixel) => TPatch.Load(pixel, OutputSize * TPatch.Channels);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePixel(float* pixel, TVector value) => TPatch.Store(pixel, OutputSize * TPatch.Channels, value);
}
