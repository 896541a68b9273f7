using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Dense convolutions on NCHW: y = clamp(conv(x) + bias + residual).</summary>
internal static class Convolution
{
    /// <summary>
    /// Implicit matrix product: a tile of output channels times pixels per group of threads, regM x regN results per thread. The
    /// patches of the input are gathered while a tile is loaded; the matrix of all patches never exists.
    /// </summary>
    /// <param name="x">Input.</param>
    /// <param name="weights">[group][tap][padded output channel]; a tap is an input channel and a place in the kernel.</param>
    /// <param name="bias">One value per output channel, all groups.</param>
    /// <param name="residual">Added before the clamp, laid out as the output; the output itself when there is none.</param>
    /// <param name="taps">Per tap three numbers: offset in the input of a group, row and column relative to the first tap.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="tapCount">Taps of one output channel.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isPointwise">1 for a 1x1 kernel of stride 1 without padding: then a pixel's patch is the pixel.</param>
    /// <param name="tileM">Output channels of a tile; a multiple of regM * regN.</param>
    /// <param name="tileN">Pixels of a tile; a multiple of regM * regN.</param>
    /// <param name="tileK">Taps that are loaded at once.</param>
    /// <param name="regM">Output channels of a thread.</param>
    [Kernel(MayAlias = true)]
    public static void Implicit(
        ArrayView<float> x,
        ArrayView<float> weights,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<int> taps,
        ArrayView<float> y,
        ConvGeometry shape,
        int tapCount,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isPointwise,
        SpecializedValue<int> tileM,
        SpecializedValue<int> tileN,
        SpecializedValue<int> tileK,
        SpecializedValue<int> regM)
    {
        const int RegN = 4;
        ArrayView<float> tileA = SharedMemory.Allocate<float>(tileK.Value * tileM.Value);
        ArrayView<float> tileB = SharedMemory.Allocate<float>(tileK.Value * tileN.Value);
        ArrayView<float> sums = LocalMemory.Allocate<float>(regM.Value * RegN);
        ArrayView<float> a = LocalMemory.Allocate<float>(regM.Value);
        int columns = tileN / RegN;
        int threads = columns * (tileM / regM);
        int thread = Group.IdxX;
        int column = thread % columns;
        int row = thread / columns;
        int outPixels = shape.OutHeight * shape.OutWidth;
        int inPixels = shape.InHeight * shape.InWidth;
        int pixels = shape.Batch * outPixels;
        int channelStart = Grid.IdxY * tileM;
        int pixelStart = Grid.IdxX * tileN;
        int weightStart = (Grid.IdxZ * tapCount * shape.PaddedOutChannels) + channelStart;

        // The pixel that this thread gathers patches of; it is the same for every tile.
        int gathered = pixelStart + (thread % tileN);
        bool isInside = gathered < pixels;
        int image = gathered / outPixels;
        int place = gathered - (image * outPixels);
        int outY = place / shape.OutWidth;
        int firstY = (outY * shape.StrideY) - shape.PadTop;
        int firstX = ((place - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
        int source = (((image * shape.Groups) + Grid.IdxZ) * shape.InChannels * inPixels) + (firstY * shape.InWidth) + firstX;

        Loop.Unroll();
        for (int i = 0; i < regM * RegN; i++) sums[i] = 0;
        for (int tap = 0; tap < tapCount; tap += tileK)
        {
            for (int k = thread / tileM; k < tileK; k += threads / tileM)
            {
                int m = thread % tileM;
                tileA[(k * tileM) + m] = tap + k < tapCount && channelStart + m < shape.PaddedOutChannels
                    ? weights[weightStart + ((tap + k) * shape.PaddedOutChannels) + m] : 0f;
            }

            for (int k = thread / tileN; k < tileK; k += threads / tileN)
            {
                float value = 0;
                if (isInside && tap + k < tapCount)
                {
                    if (isPointwise == 1)
                    {
                        value = x[source + ((tap + k) * inPixels)];
                    }
                    else
                    {
                        int at = 3 * (tap + k);
                        int inY = firstY + taps[at + 1];
                        int inX = firstX + taps[at + 2];
                        if (inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth) value = x[source + taps[at]];
                    }
                }

                tileB[(k * tileN) + (thread % tileN)] = value;
            }

            Group.Barrier();
            for (int k = 0; k < tileK; k++)
            {
                Loop.Unroll();
                for (int i = 0; i < regM; i++) a[i] = tileA[(k * tileM) + (row * regM) + i];
                Loop.Unroll();
                for (int j = 0; j < RegN; j++)
                {
                    float b = tileB[(k * tileN) + column + (j * columns)];
                    Loop.Unroll();
                    for (int i = 0; i < regM; i++) sums[(i * RegN) + j] = MathF.FusedMultiplyAdd(a[i], b, sums[(i * RegN) + j]);
                }
            }

            Group.Barrier();
        }

        for (int j = 0; j < RegN; j++)
        {
            int pixel = pixelStart + column + (j * columns);
            if (pixel < pixels)
            {
                int n = pixel / outPixels;
                int target = (n * shape.Groups * shape.OutChannels * outPixels) + (pixel - (n * outPixels));
                for (int i = 0; i < regM; i++)
                {
                    int channel = channelStart + (row * regM) + i;
                    if (channel < shape.OutChannels)
                    {
                        channel += Grid.IdxZ * shape.OutChannels;
                        int at = target + (channel * outPixels);
                        float sum = sums[(i * RegN) + j] + bias[channel];
                        if (hasResidual == 1) sum += residual[at];
                        y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                    }
                }
            }
        }
    }

    /// <summary>A filter of its own for each channel, or few channels per group: one thread per result.</summary>
    /// <param name="x">Input.</param>
    /// <param name="weights">[output channel][input channel of the group][kernel row][kernel column].</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    [Kernel(MayAlias = true)]
    public static void Grouped(
        ArrayView<float> x,
        ArrayView<float> weights,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        ConvGeometry shape,
        SpecializedValue<int> hasResidual)
    {
        int outPixels = shape.OutHeight * shape.OutWidth;
        int inPixels = shape.InHeight * shape.InWidth;
        int channels = shape.Groups * shape.OutChannels;
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int channel = Grid.IdxY;
        int image = Grid.IdxZ;
        if (pixel < outPixels)
        {
            int outY = pixel / shape.OutWidth;
            int firstY = (outY * shape.StrideY) - shape.PadTop;
            int firstX = ((pixel - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
            int group = channel / shape.OutChannels;
            int source = ((image * shape.Groups) + group) * shape.InChannels * inPixels;
            int weight = channel * shape.InChannels * shape.KernelHeight * shape.KernelWidth;
            float sum = 0;
            for (int c = 0; c < shape.InChannels; c++)
            {
                for (int ky = 0; ky < shape.KernelHeight; ky++)
                {
                    int inY = firstY + (ky * shape.DilationY);
                    if (inY >= 0 && inY < shape.InHeight)
                    {
                        for (int kx = 0; kx < shape.KernelWidth; kx++)
                        {
                            int inX = firstX + (kx * shape.DilationX);
                            if (inX >= 0 && inX < shape.InWidth)
                                sum = MathF.FusedMultiplyAdd(weights[weight + (ky * shape.KernelWidth) + kx], x[source + (inY * shape.InWidth) + inX], sum);
                        }
                    }
                }

                weight += shape.KernelHeight * shape.KernelWidth;
                source += inPixels;
            }

            int at = (((image * channels) + channel) * outPixels) + pixel;
            sum += bias[channel];
            if (hasResidual == 1) sum += residual[at];
            y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
        }
    }
}
