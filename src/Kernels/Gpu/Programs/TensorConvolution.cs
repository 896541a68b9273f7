using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Dense convolutions on NCHW whose products are those of rounded numbers, summed in float: y = clamp(conv(x) + bias + residual).</summary>
internal static class TensorConvolution
{
    /// <summary>
    /// Implicit matrix product as <see cref="Convolution.Implicit"/>, by tensor cores where the device has them. A warp computes 32
    /// or 64 output channels times 32 pixels; input values are rounded while a tile is stored to shared memory.
    /// </summary>
    /// <param name="x">Input.</param>
    /// <param name="weights">[group][word][output channel], rounded, both padded with zeros to whole tiles. A word holds one tap, or two of 16 bits.</param>
    /// <param name="bias">One value per output channel, all groups.</param>
    /// <param name="residual">Added before the clamp, laid out as the output; the output itself when there is none.</param>
    /// <param name="taps">Per tap two numbers: offset in the input of a group, and its place (<see cref="Patch"/>).</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="words">Words of an output channel.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    /// <param name="precision">0: tf32; 1: bfloat16; 2: binary16.</param>
    /// <param name="tileM">Output channels of a tile, a multiple of <paramref name="warpM"/>.</param>
    /// <param name="tileN">Pixels of a tile, a multiple of 32; divides the number of threads.</param>
    /// <param name="warpM">Output channels of a warp, a multiple of 16.</param>
    [Kernel(MayAlias = true, MaxThreads = 256)]
    public static void Implicit(
        ArrayView<float> x,
        ArrayView<uint> weights,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<int> taps,
        ArrayView<float> y,
        ConvGeometry shape,
        int words,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isWide,
        SpecializedValue<int> precision,
        SpecializedValue<int> tileM,
        SpecializedValue<int> tileN,
        SpecializedValue<int> warpM)
    {
        // Words lie [word][row] with eight more per word: the four words times eight rows that a warp reads at once are in different
        // banks, and so is what it stores.
        const int Depth = 16;
        const int Pad = 8;
        const int WarpN = 32;
        ArrayView<uint> tilesA = SharedMemory.Allocate<uint>(2 * Depth * (tileM.Value + Pad));
        ArrayView<uint> tilesB = SharedMemory.Allocate<uint>(2 * Depth * (tileN.Value + Pad));
        // Products of 16 x 8, four columns of them, four results of each.
        ArrayView<float> sums = LocalMemory.Allocate<float>(warpM.Value);
        ArrayView<uint> nextA = LocalMemory.Allocate<uint>(Depth);
        ArrayView<uint> nextB = LocalMemory.Allocate<uint>(Depth);
        int threads = tileM / warpM * (tileN / WarpN) * 32;
        int strideA = tileM + Pad;
        int strideB = tileN + Pad;
        int thread = Group.IdxX;
        int lane = thread % 32;
        int warp = thread / 32;
        int warpRow = warp / (tileN / WarpN) * warpM;
        int warpColumn = warp % (tileN / WarpN) * WarpN;
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixels = shape.Batch * outPixels;
        int group = Grid.IdxZ;
        int channelStart = Grid.IdxY * tileM;
        int pixelStart = Grid.IdxX * tileN;
        PatchOrigin origin = Patch.Locate(shape, pixelStart + (thread % tileN), group, isWide);
        Loop.Unroll();
        for (int i = 0; i < warpM; i++) sums[i] = 0;
        int weightStart = (group * words * shape.PaddedOutChannels) + channelStart;
        int last = words / Depth;
        int stage = 0;
        for (int tile = 0; tile <= last; tile++)
        {
            if (tile < last)
            {
                Loop.Unroll();
                for (int i = 0; i < tileM * Depth; i += threads)
                    nextA[i / threads] = weights[weightStart + (((tile * Depth) + ((i + thread) / tileM)) * shape.PaddedOutChannels) + ((i + thread) % tileM)];
                Loop.Unroll();
                for (int i = 0; i < tileN * Depth / threads; i++)
                {
                    int word = (tile * Depth) + (i * (threads / tileN)) + (thread / tileN);
                    if (precision == 0)
                    {
                        nextB[i] = MatrixUnit.RoundTf32(Tap(x, taps, shape, origin, word, isWide));
                    }
                    else
                    {
                        float low = Tap(x, taps, shape, origin, 2 * word, isWide);
                        float high = Tap(x, taps, shape, origin, (2 * word) + 1, isWide);
                        nextB[i] = precision == 1
                            ? (uint)BrainFloat.Round(low) | ((uint)BrainFloat.Round(high) << 16)
                            : (uint)HalfFloat.Round(low) | ((uint)HalfFloat.Round(high) << 16);
                    }
                }
            }

            if (tile > 0)
            {
                Loop.Unroll();
                for (int step = 0; step < Depth; step += 8)
                {
                    Loop.Unroll();
                    for (int i = 0; i < warpM / 4; i++)
                    {
                        ArrayView<uint> a = tilesA.SubView(((((1 - stage) * Depth) + step) * strideA) + warpRow + (i / 4 * 16));
                        ArrayView<uint> b = tilesB.SubView(((((1 - stage) * Depth) + step) * strideB) + warpColumn + (i % 4 * 8));
                        if (precision == 0) MatrixUnit.Tf32(a, strideA, b, strideB, sums, 4 * i, lane);
                        if (precision == 1) MatrixUnit.BFloat16(a, strideA, b, strideB, sums, 4 * i, lane);
                        if (precision == 2) MatrixUnit.Float16(a, strideA, b, strideB, sums, 4 * i, lane);
                    }
                }
            }

            if (tile < last)
            {
                Loop.Unroll();
                for (int i = 0; i < tileM * Depth; i += threads)
                    tilesA[(((stage * Depth) + ((i + thread) / tileM)) * strideA) + ((i + thread) % tileM)] = nextA[i / threads];
                Loop.Unroll();
                for (int i = 0; i < tileN * Depth / threads; i++)
                    tilesB[(((stage * Depth) + (i * (threads / tileN)) + (thread / tileN)) * strideB) + (thread % tileN)] = nextB[i];
            }

            Group.Barrier();
            stage = 1 - stage;
        }

        Loop.Unroll();
        for (int i = 0; i < warpM; i++)
        {
            int channel = channelStart + warpRow + (i / 16 * 16) + (i % 4 / 2 * 8) + (lane / 4);
            int pixel = pixelStart + warpColumn + (i / 4 % 4 * 8) + (lane % 4 * 2) + (i % 2);
            if (channel < shape.OutChannels && pixel < pixels)
            {
                channel += group * shape.OutChannels;
                int image = pixel / outPixels;
                int at = (((image * shape.Groups * shape.OutChannels) + channel) * outPixels) + pixel - (image * outPixels);
                float sum = sums[i] + bias[channel];
                if (hasResidual == 1) sum += residual[at];
                y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
            }
        }
    }

    private static float Tap(ArrayView<float> x, ArrayView<int> taps, ConvGeometry shape, PatchOrigin origin, int tap, int isWide)
    {
        float value = 0;
        if (Patch.Sees(shape, origin, taps[(2 * tap) + 1], isWide)) value = x[origin.Source + taps[2 * tap]];
        return value;
    }
}
