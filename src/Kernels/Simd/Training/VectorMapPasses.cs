using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary><see cref="MapPasses"/> on one vector type: a vector of values per channel block stays in a register over a plane.</summary>
internal sealed unsafe class VectorMapPasses<TSimd, TVector> : MapPasses
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public override void Affine(
        BorderedMap input, ReadOnlySpan<float> scale, ReadOnlySpan<float> offset, BorderedMap? addend, BorderedMap output, int first, int afterLast, float low, float high)
    {
        fixed (float* scales = scale, offsets = offset)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < input.Blocks; block++)
                {
                    TVector a = scales == null ? TSimd.Broadcast(1) : TSimd.Load(scales + (block * TSimd.Lanes));
                    TVector b = offsets == null ? TSimd.Zero : TSimd.Load(offsets + (block * TSimd.Lanes));
                    float* x = input.Plane(image, block), y = output.Plane(image, block), z = addend == null ? null : addend.Plane(image, block);
                    for (int row = 0; row < input.Height; row++)
                    {
                        AffineRow(input.Width, x, a, b, z, y, TSimd.Broadcast(low), TSimd.Broadcast(high));
                        x += input.RowStride;
                        y += output.RowStride;
                        if (addend != null) z += addend.RowStride;
                    }
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void Mask(BorderedMap output, BorderedMap gradient, int first, int afterLast, float low, float high)
    {
        for (int image = first; image < afterLast; image++)
        {
            for (int block = 0; block < output.Blocks; block++)
            {
                float* y = output.Plane(image, block), g = gradient.Plane(image, block);
                for (int row = 0; row < output.Height; row++, y += output.RowStride, g += gradient.RowStride)
                    MaskRow(output.Width, y, g, TSimd.Broadcast(low), TSimd.Broadcast(high));
            }
        }
    }

    /// <inheritdoc/>
    public override void Add(BorderedMap source, BorderedMap target, int first, int afterLast, bool accumulate)
    {
        for (int image = first; image < afterLast; image++)
        {
            for (int block = 0; block < source.Blocks; block++)
            {
                float* from = source.Plane(image, block), to = target.Plane(image, block);
                for (int row = 0; row < source.Height; row++, from += source.RowStride, to += target.RowStride)
                    AddRow(source.Width, from, to, accumulate);
            }
        }
    }

    /// <inheritdoc/>
    public override void Moments(BorderedMap map, ReadOnlySpan<float> shift, int first, int afterLast, Span<double> sums, Span<double> squares)
    {
        float* totals = stackalloc float[2 * TSimd.Lanes];
        fixed (float* shifts = shift)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < map.Blocks; block++)
                {
                    PlaneMoments(map.Plane(image, block), map.RowStride, map.Height, map.Width, TSimd.Load(shifts + (block * TSimd.Lanes)), totals);
                    Accumulate(totals, sums.Slice(block * TSimd.Lanes, TSimd.Lanes), squares.Slice(block * TSimd.Lanes, TSimd.Lanes));
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void GradientMoments(
        BorderedMap gradient, BorderedMap? map, ReadOnlySpan<float> mean, int first, int afterLast, Span<double> sums, Span<double> products)
    {
        float* totals = stackalloc float[2 * TSimd.Lanes];
        fixed (float* means = mean)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < gradient.Blocks; block++)
                {
                    float* g = gradient.Plane(image, block);
                    if (map is null)
                    {
                        // Of the plane's moments about zero only the first is wanted.
                        PlaneMoments(g, gradient.RowStride, gradient.Height, gradient.Width, TSimd.Zero, totals);
                        for (int lane = 0; lane < TSimd.Lanes; lane++) sums[(block * TSimd.Lanes) + lane] += totals[lane];
                        continue;
                    }

                    PlaneProducts(g, gradient.RowStride, map.Plane(image, block), map.RowStride, gradient.Height, gradient.Width, TSimd.Load(means + (block * TSimd.Lanes)), totals);
                    Accumulate(totals, sums.Slice(block * TSimd.Lanes, TSimd.Lanes), products.Slice(block * TSimd.Lanes, TSimd.Lanes));
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void Combine(
        BorderedMap gradient, ReadOnlySpan<float> a, BorderedMap map, ReadOnlySpan<float> b, ReadOnlySpan<float> c, BorderedMap target, int first, int afterLast, bool accumulate)
    {
        fixed (float* ofGradient = a, ofMap = b, constant = c)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < gradient.Blocks; block++)
                {
                    nint channel = (nint)block * TSimd.Lanes;
                    TVector p = TSimd.Load(ofGradient + channel), q = TSimd.Load(ofMap + channel), r = TSimd.Load(constant + channel);
                    float* g = gradient.Plane(image, block), x = map.Plane(image, block), y = target.Plane(image, block);
                    for (int row = 0; row < gradient.Height; row++, g += gradient.RowStride, x += map.RowStride, y += target.RowStride)
                        CombineRow(gradient.Width, g, p, x, q, r, y, accumulate);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AffineRow(int pixels, float* x, TVector a, TVector b, float* z, float* y, TVector low, TVector high)
    {
        if (z == null)
        {
            for (; pixels > 0; pixels--, x += TSimd.Lanes, y += TSimd.Lanes)
                TSimd.Store(y, TSimd.AtMost(high, TSimd.AtLeast(low, TSimd.MultiplyAdd(TSimd.Load(x), a, b))));
            return;
        }

        for (; pixels > 0; pixels--, x += TSimd.Lanes, y += TSimd.Lanes, z += TSimd.Lanes)
            TSimd.Store(y, TSimd.AtMost(high, TSimd.AtLeast(low, TSimd.Add(TSimd.MultiplyAdd(TSimd.Load(x), a, b), TSimd.Load(z)))));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MaskRow(int pixels, float* y, float* g, TVector low, TVector high)
    {
        for (; pixels > 0; pixels--, y += TSimd.Lanes, g += TSimd.Lanes)
            TSimd.Store(g, TSimd.WhereInside(low, TSimd.Load(y), high, TSimd.Load(g)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRow(int pixels, float* from, float* to, bool accumulate)
    {
        for (; pixels > 0; pixels--, from += TSimd.Lanes, to += TSimd.Lanes)
            TSimd.Store(to, accumulate ? TSimd.Add(TSimd.Load(from), TSimd.Load(to)) : TSimd.Load(from));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PlaneMoments(float* plane, nint stride, int rows, int columns, TVector shift, float* totals)
    {
        TVector minus = TSimd.Multiply(TSimd.Broadcast(-1), shift);
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, q0 = TSimd.Zero, q1 = TSimd.Zero;
        TVector s2 = TSimd.Zero, s3 = TSimd.Zero, q2 = TSimd.Zero, q3 = TSimd.Zero;
        for (; rows > 0; rows--, plane += stride)
        {
            float* x = plane;
            int left = columns;
            for (; left >= 4; left -= 4, x += 4 * TSimd.Lanes)
            {
                TVector v0 = TSimd.Add(TSimd.Load(x), minus), v1 = TSimd.Add(TSimd.Load(x + TSimd.Lanes), minus);
                TVector v2 = TSimd.Add(TSimd.Load(x + (2 * TSimd.Lanes)), minus), v3 = TSimd.Add(TSimd.Load(x + (3 * TSimd.Lanes)), minus);
                s0 = TSimd.Add(s0, v0);
                s1 = TSimd.Add(s1, v1);
                s2 = TSimd.Add(s2, v2);
                s3 = TSimd.Add(s3, v3);
                q0 = TSimd.MultiplyAdd(v0, v0, q0);
                q1 = TSimd.MultiplyAdd(v1, v1, q1);
                q2 = TSimd.MultiplyAdd(v2, v2, q2);
                q3 = TSimd.MultiplyAdd(v3, v3, q3);
            }

            for (; left > 0; left--, x += TSimd.Lanes)
            {
                TVector v = TSimd.Add(TSimd.Load(x), minus);
                s0 = TSimd.Add(s0, v);
                q0 = TSimd.MultiplyAdd(v, v, q0);
            }
        }

        TSimd.Store(totals, TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
        TSimd.Store(totals + TSimd.Lanes, TSimd.Add(TSimd.Add(q0, q1), TSimd.Add(q2, q3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PlaneProducts(float* gradient, nint gradientStride, float* plane, nint stride, int rows, int columns, TVector mean, float* totals)
    {
        TVector minus = TSimd.Multiply(TSimd.Broadcast(-1), mean);
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, q0 = TSimd.Zero, q1 = TSimd.Zero;
        TVector s2 = TSimd.Zero, s3 = TSimd.Zero, q2 = TSimd.Zero, q3 = TSimd.Zero;
        for (; rows > 0; rows--, plane += stride, gradient += gradientStride)
        {
            float* x = plane;
            float* g = gradient;
            int left = columns;
            for (; left >= 4; left -= 4, x += 4 * TSimd.Lanes, g += 4 * TSimd.Lanes)
            {
                TVector g0 = TSimd.Load(g), g1 = TSimd.Load(g + TSimd.Lanes), g2 = TSimd.Load(g + (2 * TSimd.Lanes)), g3 = TSimd.Load(g + (3 * TSimd.Lanes));
                s0 = TSimd.Add(s0, g0);
                s1 = TSimd.Add(s1, g1);
                s2 = TSimd.Add(s2, g2);
                s3 = TSimd.Add(s3, g3);
                q0 = TSimd.MultiplyAdd(g0, TSimd.Add(TSimd.Load(x), minus), q0);
                q1 = TSimd.MultiplyAdd(g1, TSimd.Add(TSimd.Load(x + TSimd.Lanes), minus), q1);
                q2 = TSimd.MultiplyAdd(g2, TSimd.Add(TSimd.Load(x + (2 * TSimd.Lanes)), minus), q2);
                q3 = TSimd.MultiplyAdd(g3, TSimd.Add(TSimd.Load(x + (3 * TSimd.Lanes)), minus), q3);
            }

            for (; left > 0; left--, x += TSimd.Lanes, g += TSimd.Lanes)
            {
                TVector v = TSimd.Load(g);
                s0 = TSimd.Add(s0, v);
                q0 = TSimd.MultiplyAdd(v, TSimd.Add(TSimd.Load(x), minus), q0);
            }
        }

        TSimd.Store(totals, TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
        TSimd.Store(totals + TSimd.Lanes, TSimd.Add(TSimd.Add(q0, q1), TSimd.Add(q2, q3)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CombineRow(int pixels, float* g, TVector p, float* x, TVector q, TVector r, float* y, bool accumulate)
    {
        for (; pixels > 0; pixels--, g += TSimd.Lanes, x += TSimd.Lanes, y += TSimd.Lanes)
        {
            TVector value = TSimd.MultiplyAdd(TSimd.Load(g), p, TSimd.MultiplyAdd(TSimd.Load(x), q, r));
            TSimd.Store(y, accumulate ? TSimd.Add(value, TSimd.Load(y)) : value);
        }
    }

    private static void Accumulate(float* totals, Span<double> sums, Span<double> products)
    {
        for (int lane = 0; lane < TSimd.Lanes; lane++)
        {
            sums[lane] += totals[lane];
            products[lane] += totals[TSimd.Lanes + lane];
        }
    }
}
