using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Convolutions that visit only the weights that are there: y = clamp(conv(x) + bias + residual). NCHW.</summary>
/// <remarks>
/// A thread computes several pixels, which lie as far apart as a group has threads: neighbouring threads load neighbouring values,
/// and what is loaded of the weights serves all pixels of the thread.
/// </remarks>
internal static class SparseConvolution
{
    /// <summary>Form <c>block</c>: a weight block is one tap times 16 output channels of a group. An input value that is loaded serves 16 products.</summary>
    /// <param name="x">Input.</param>
    /// <param name="blocks">Weights, 16 per block, in the order of <paramref name="taps"/>.</param>
    /// <param name="starts">First block of each 16 output channels of each group, and the number of all blocks at the end.</param>
    /// <param name="taps">Per block two numbers: offset in the input of a group, and its place (<see cref="Patch"/>).</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    /// <param name="perThread">Pixels of a thread.</param>
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
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isWide,
        SpecializedValue<int> perThread)
    {
        const int Channels = 16;
        ArrayView<float> sums = LocalMemory.Allocate<float>(Channels * perThread.Value);
        ArrayView<float> weights = LocalMemory.Allocate<float>(Channels);
        ArrayView<PatchOrigin> origins = LocalMemory.Allocate<PatchOrigin>(perThread.Value);
        int outPixels = shape.OutHeight * shape.OutWidth;
        int start = (Grid.IdxX * Group.DimX * perThread) + Group.IdxX;
        int blocksOfGroup = (shape.OutChannels + Channels - 1) / Channels;
        int group = Grid.IdxY / blocksOfGroup;
        Loop.Unroll();
        for (int p = 0; p < perThread; p++) origins[p] = Patch.Locate(shape, start + (p * Group.DimX), group, isWide);
        Loop.Unroll();
        for (int i = 0; i < Channels * perThread; i++) sums[i] = 0;
        int end = starts[Grid.IdxY + 1];
        for (int block = starts[Grid.IdxY]; block < end; block++)
        {
            int offset = taps[2 * block];
            int place = taps[(2 * block) + 1];
            Loop.Unroll();
            for (int i = 0; i < Channels; i += 4) RegisterTile.Keep(weights, i, Float4.Load(blocks, (block * Channels) + i));
            Loop.Unroll();
            for (int p = 0; p < perThread; p++)
            {
                float value = 0;
                if (Patch.Sees(shape, origins[p], place, isWide)) value = x[origins[p].Source + offset];
                Loop.Unroll();
                for (int i = 0; i < Channels; i++) sums[(p * Channels) + i] = MathF.FusedMultiplyAdd(weights[i], value, sums[(p * Channels) + i]);
            }
        }

        Loop.Unroll();
        for (int p = 0; p < perThread; p++)
        {
            int pixel = start + (p * Group.DimX);
            int image = pixel / outPixels;
            Loop.Unroll();
            for (int i = 0; i < Channels; i++)
            {
                int channel = ((Grid.IdxY - (group * blocksOfGroup)) * Channels) + i;
                if (pixel < shape.Batch * outPixels && channel < shape.OutChannels)
                {
                    channel += group * shape.OutChannels;
                    int at = (((image * shape.Groups * shape.OutChannels) + channel) * outPixels) + pixel - (image * outPixels);
                    float sum = sums[(p * Channels) + i] + bias[channel];
                    if (hasResidual == 1) sum += residual[at];
                    y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                }
            }
        }
    }

    /// <summary>Form <c>unstructured</c>: single weights. All threads of a group read the same weights.</summary>
    /// <param name="x">Input.</param>
    /// <param name="values">Weights that are not zero, by output channel.</param>
    /// <param name="starts">First weight of each output channel, and the number of all weights at the end.</param>
    /// <param name="taps">Per weight two numbers: offset in the input of a group, and its place (<see cref="Patch"/>).</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    /// <param name="perThread">Pixels of a thread.</param>
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
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isWide,
        SpecializedValue<int> perThread)
    {
        ArrayView<float> sums = LocalMemory.Allocate<float>(perThread.Value);
        ArrayView<PatchOrigin> origins = LocalMemory.Allocate<PatchOrigin>(perThread.Value);
        int outPixels = shape.OutHeight * shape.OutWidth;
        int start = (Grid.IdxX * Group.DimX * perThread) + Group.IdxX;
        int channel = Grid.IdxY;
        Loop.Unroll();
        for (int p = 0; p < perThread; p++)
        {
            origins[p] = Patch.Locate(shape, start + (p * Group.DimX), channel / shape.OutChannels, isWide);
            sums[p] = 0;
        }

        int end = starts[channel + 1];
        for (int i = starts[channel]; i < end; i++)
        {
            float weight = values[i];
            int offset = taps[2 * i];
            int place = taps[(2 * i) + 1];
            Loop.Unroll();
            for (int p = 0; p < perThread; p++)
            {
                if (Patch.Sees(shape, origins[p], place, isWide)) sums[p] = MathF.FusedMultiplyAdd(weight, x[origins[p].Source + offset], sums[p]);
            }
        }

        Loop.Unroll();
        for (int p = 0; p < perThread; p++)
        {
            int pixel = start + (p * Group.DimX);
            if (pixel < shape.Batch * outPixels)
            {
                int image = pixel / outPixels;
                int at = (((image * shape.Groups * shape.OutChannels) + channel) * outPixels) + pixel - (image * outPixels);
                float sum = sums[p] + bias[channel];
                if (hasResidual == 1) sum += residual[at];
                y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
            }
        }
    }
}
