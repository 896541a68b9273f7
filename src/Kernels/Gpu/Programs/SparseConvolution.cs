using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Convolutions that visit only the weights that are there: y = clamp(conv(x) + bias + residual). One group, NCHW.</summary>
internal static class SparseConvolution
{
    /// <summary>
    /// Form <c>block</c>: a weight block is one tap times 16 output channels. One thread per pixel and block of output channels; an
    /// input value that is loaded serves 16 products.
    /// </summary>
    /// <param name="x">Input.</param>
    /// <param name="blocks">Weights, 16 per block, in the order of <paramref name="taps"/>.</param>
    /// <param name="starts">First block of each 16 output channels, and the number of all blocks at the end.</param>
    /// <param name="taps">Per block three numbers: offset in the input, row and column relative to the first tap.</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    [Kernel(MayAlias = true)]
    public static void Block(
        ArrayView<float> x,
        ArrayView<float> blocks,
        ArrayView<int> starts,
        ArrayView<int> taps,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        ConvGeometry shape,
        SpecializedValue<int> hasResidual)
    {
        const int Channels = 16;
        ArrayView<float> sums = LocalMemory.Allocate<float>(Channels);
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (pixel < outPixels)
        {
            int outY = pixel / shape.OutWidth;
            int firstY = (outY * shape.StrideY) - shape.PadTop;
            int firstX = ((pixel - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
            int source = (Grid.IdxZ * shape.InChannels * shape.InHeight * shape.InWidth) + (firstY * shape.InWidth) + firstX;
            Loop.Unroll();
            for (int i = 0; i < Channels; i++) sums[i] = 0;
            int end = starts[Grid.IdxY + 1];
            for (int block = starts[Grid.IdxY]; block < end; block++)
            {
                int inY = firstY + taps[(3 * block) + 1];
                int inX = firstX + taps[(3 * block) + 2];
                if (inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth)
                {
                    float value = x[source + taps[3 * block]];
                    Loop.Unroll();
                    for (int i = 0; i < Channels; i++) sums[i] = MathF.FusedMultiplyAdd(blocks[(block * Channels) + i], value, sums[i]);
                }
            }

            for (int i = 0; i < Channels; i++)
            {
                int channel = (Grid.IdxY * Channels) + i;
                if (channel < shape.OutChannels)
                {
                    int at = (((Grid.IdxZ * shape.OutChannels) + channel) * outPixels) + pixel;
                    float sum = sums[i] + bias[channel];
                    if (hasResidual == 1) sum += residual[at];
                    y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                }
            }
        }
    }

    /// <summary>Form <c>unstructured</c>: single weights. One thread per result; all threads of a group read the same weights.</summary>
    /// <param name="x">Input.</param>
    /// <param name="values">Weights that are not zero, by output channel.</param>
    /// <param name="starts">First weight of each output channel, and the number of all weights at the end.</param>
    /// <param name="taps">Per weight three numbers: offset in the input, row and column relative to the first tap.</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    [Kernel(MayAlias = true)]
    public static void Unstructured(
        ArrayView<float> x,
        ArrayView<float> values,
        ArrayView<int> starts,
        ArrayView<int> taps,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        ConvGeometry shape,
        SpecializedValue<int> hasResidual)
    {
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int channel = Grid.IdxY;
        if (pixel < outPixels)
        {
            int outY = pixel / shape.OutWidth;
            int firstY = (outY * shape.StrideY) - shape.PadTop;
            int firstX = ((pixel - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
            int source = (Grid.IdxZ * shape.InChannels * shape.InHeight * shape.InWidth) + (firstY * shape.InWidth) + firstX;
            float sum = 0;
            int end = starts[channel + 1];
            for (int i = starts[channel]; i < end; i++)
            {
                int inY = firstY + taps[(3 * i) + 1];
                int inX = firstX + taps[(3 * i) + 2];
                if (inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth)
                    sum = MathF.FusedMultiplyAdd(values[i], x[source + taps[3 * i]], sum);
            }

            int at = (((Grid.IdxZ * shape.OutChannels) + channel) * outPixels) + pixel;
            sum += bias[channel];
            if (hasResidual == 1) sum += residual[at];
            y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
        }
    }
}
