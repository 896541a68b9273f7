using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>
/// 3x3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
/// 2016): patches of 4x4 or 6x6 input values are transformed, multiplied with transformed weights place by place, which is one matrix
/// product for each place of a patch, and transformed back to 2x2 or 4x4 results.
/// </summary>
internal static class Winograd
{
    /// <summary>Transforms patches; one thread per patch of a channel.</summary>
    /// <param name="x">Input, NCHW.</param>
    /// <param name="v">[place in the patch][channel][patch], each row padded to <paramref name="patchStride"/>.</param>
    /// <param name="shape">Sizes of the layer.</param>
    /// <param name="patchesX">Patches of a row of an image.</param>
    /// <param name="patchesY">Patches of a column.</param>
    /// <param name="patchStride">Values from one channel to the next.</param>
    /// <param name="tile">Results of a patch in each direction, 2 or 4.</param>
    [Kernel]
    public static void Input(ArrayView<float> x, ArrayView<float> v, ConvGeometry shape, int patchesX, int patchesY, int patchStride, SpecializedValue<int> tile)
    {
        ArrayView<float> patch = LocalMemory.Allocate<float>((tile.Value + 2) * (tile.Value + 2));
        int side = tile + 2;
        int index = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int channel = Grid.IdxY;
        if (index < shape.Batch * patchesY * patchesX)
        {
            int line = index / patchesX;
            int image = line / patchesY;
            int firstY = ((line - (image * patchesY)) * tile) - shape.PadTop;
            int firstX = ((index - (line * patchesX)) * tile) - shape.PadLeft;
            int source = (((((image * shape.InChannels) + channel) * shape.InHeight) + firstY) * shape.InWidth) + firstX;
            Loop.Unroll();
            for (int r = 0; r < side; r++)
            {
                Loop.Unroll();
                for (int c = 0; c < side; c++)
                {
                    float value = 0;
                    if (firstY + r >= 0 && firstY + r < shape.InHeight && firstX + c >= 0 && firstX + c < shape.InWidth) value = x[source + (r * shape.InWidth) + c];
                    patch[(r * side) + c] = value;
                }
            }

            Loop.Unroll();
            for (int c = 0; c < side; c++) Forward(patch, c, side, tile);
            Loop.Unroll();
            for (int r = 0; r < side; r++) Forward(patch, r * side, 1, tile);
            Loop.Unroll();
            for (int place = 0; place < side * side; place++) v[(((place * shape.InChannels) + channel) * patchStride) + index] = patch[place];
        }
    }

    /// <summary>Transforms products back: y = clamp(result + bias + residual); one thread per patch of a channel.</summary>
    /// <param name="products">[place in the patch][channel][patch], each row padded to <paramref name="patchStride"/>.</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes of the layer.</param>
    /// <param name="patchesX">Patches of a row of an image.</param>
    /// <param name="patchesY">Patches of a column.</param>
    /// <param name="patchStride">Values from one channel to the next.</param>
    /// <param name="tile">Results of a patch in each direction, 2 or 4.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="inQuads">1 when the four results of a row lie inside the image and aligned; only for tiles of 4.</param>
    [Kernel(MayAlias = true)]
    public static void Output(
        ArrayView<float> products,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        ConvGeometry shape,
        int patchesX,
        int patchesY,
        int patchStride,
        SpecializedValue<int> tile,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> inQuads)
    {
        ArrayView<float> patch = LocalMemory.Allocate<float>((tile.Value + 2) * (tile.Value + 2));
        int side = tile + 2;
        int index = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int channel = Grid.IdxY;
        if (index < shape.Batch * patchesY * patchesX)
        {
            Loop.Unroll();
            for (int place = 0; place < side * side; place++) patch[place] = products[(((place * shape.OutChannels) + channel) * patchStride) + index];
            Loop.Unroll();
            for (int c = 0; c < side; c++) Backward(patch, c, side, tile);
            Loop.Unroll();
            for (int r = 0; r < tile; r++) Backward(patch, r * side, 1, tile);
            int line = index / patchesX;
            int image = line / patchesY;
            int outY = (line - (image * patchesY)) * tile;
            int outX = (index - (line * patchesX)) * tile;
            int target = (((((image * shape.OutChannels) + channel) * shape.OutHeight) + outY) * shape.OutWidth) + outX;
            float add = bias[channel];
            Loop.Unroll();
            for (int r = 0; r < tile; r++)
            {
                if (outY + r < shape.OutHeight)
                {
                    int at = target + (r * shape.OutWidth);
                    if (inQuads == 1)
                    {
                        var four = new Float4 { X = patch[r * side] + add, Y = patch[(r * side) + 1] + add, Z = patch[(r * side) + 2] + add, W = patch[(r * side) + 3] + add };
                        if (hasResidual == 1) four = RegisterTile.Add(four, Float4.Load(residual, at));
                        Float4.Store(y, at, RegisterTile.Clamp(four, shape.Minimum, shape.Maximum));
                    }
                    else
                    {
                        Loop.Unroll();
                        for (int c = 0; c < tile; c++)
                        {
                            if (outX + c < shape.OutWidth)
                            {
                                float sum = patch[(r * side) + c] + add;
                                if (hasResidual == 1) sum += residual[at + c];
                                y[at + c] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                            }
                        }
                    }
                }
            }
        }
    }

    // A row or column of a patch to the transformed domain, in place.
    private static void Forward(ArrayView<float> patch, int at, int stride, int tile)
    {
        float d0 = patch[at];
        float d1 = patch[at + stride];
        float d2 = patch[at + (2 * stride)];
        float d3 = patch[at + (3 * stride)];
        if (tile == 2)
        {
            patch[at] = d0 - d2;
            patch[at + stride] = d1 + d2;
            patch[at + (2 * stride)] = d2 - d1;
            patch[at + (3 * stride)] = d1 - d3;
        }
        else
        {
            float d4 = patch[at + (4 * stride)];
            float d5 = patch[at + (5 * stride)];
            float even = MathF.FusedMultiplyAdd(-4f, d2, d4);
            float odd = MathF.FusedMultiplyAdd(-4f, d1, d3);
            float even2 = d4 - d2;
            float odd2 = 2f * (d3 - d1);
            patch[at] = MathF.FusedMultiplyAdd(4f, d0, MathF.FusedMultiplyAdd(-5f, d2, d4));
            patch[at + stride] = even + odd;
            patch[at + (2 * stride)] = even - odd;
            patch[at + (3 * stride)] = even2 + odd2;
            patch[at + (4 * stride)] = even2 - odd2;
            patch[at + (5 * stride)] = MathF.FusedMultiplyAdd(4f, d1, MathF.FusedMultiplyAdd(-5f, d3, d5));
        }
    }

    // A row or column of products to results, in place: the first 2 or 4 values.
    private static void Backward(ArrayView<float> patch, int at, int stride, int tile)
    {
        float m0 = patch[at];
        float m1 = patch[at + stride];
        float m2 = patch[at + (2 * stride)];
        float m3 = patch[at + (3 * stride)];
        if (tile == 2)
        {
            patch[at] = m0 + m1 + m2;
            patch[at + stride] = m1 - m2 - m3;
        }
        else
        {
            float m4 = patch[at + (4 * stride)];
            float m5 = patch[at + (5 * stride)];
            float sum = m1 + m2;
            float difference = m1 - m2;
            float sum2 = m3 + m4;
            float difference2 = m3 - m4;
            patch[at] = m0 + sum + sum2;
            patch[at + stride] = MathF.FusedMultiplyAdd(2f, difference2, difference);
            patch[at + (2 * stride)] = MathF.FusedMultiplyAdd(4f, sum2, sum);
            patch[at + (3 * stride)] = MathF.FusedMultiplyAdd(8f, difference2, difference) + m5;
        }
    }
}
