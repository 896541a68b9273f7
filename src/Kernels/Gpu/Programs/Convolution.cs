using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Dense convolutions on NCHW: y = clamp(conv(x) + bias + residual).</summary>
internal static class Convolution
{
    /// <summary>
    /// Implicit matrix product: a tile of output channels times pixels per group of threads. The patches of the input are gathered
    /// while a tile is loaded; the matrix of all patches never exists. While one pair of tiles in shared memory is multiplied, the
    /// next is on its way from device memory to registers.
    /// </summary>
    /// <param name="x">Input.</param>
    /// <param name="weights">[group][tap][output channel], both padded with zeros to whole tiles; a tap is an input channel and a place in the kernel.</param>
    /// <param name="bias">One value per output channel, all groups.</param>
    /// <param name="residual">Added before the clamp, laid out as the output; the output itself when there is none.</param>
    /// <param name="taps">
    /// Per tap two numbers: offset in the input of a group, and its place. The place is one bit of a mask, or with
    /// <paramref name="isWide"/> the row and the column relative to the first tap in 16 bits each.
    /// </param>
    /// <param name="y">Output; may be the residual's memory. With <paramref name="isPartial"/> a share of the sums for each split.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="tapTiles">Tiles of taps of one split.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="isPartial">1 when groups along z also split the taps, and only sums are stored.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    /// <param name="inQuads">1 when four pixels from a multiple of four on are of one image and aligned in the output.</param>
    /// <param name="tileM">Output channels of a tile.</param>
    /// <param name="tileN">Pixels of a tile; divides the number of threads.</param>
    /// <param name="tileK">Taps that are loaded at once.</param>
    /// <param name="regM">Output channels of a thread, 4 or 8.</param>
    /// <param name="regN">Pixels of a thread, 4 or 8.</param>
    [Kernel(MayAlias = true, MaxThreads = 256, MinGroups = 2)]
    public static void Implicit(
        ArrayView<float> x,
        ArrayView<float> weights,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<int> taps,
        ArrayView<float> y,
        ConvGeometry shape,
        int tapTiles,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> isPartial,
        SpecializedValue<int> isWide,
        SpecializedValue<int> inQuads,
        SpecializedValue<int> tileM,
        SpecializedValue<int> tileN,
        SpecializedValue<int> tileK,
        SpecializedValue<int> regM,
        SpecializedValue<int> regN)
    {
        ArrayView<float> tilesA = SharedMemory.Allocate<float>(2 * tileK.Value * tileM.Value);
        ArrayView<float> tilesB = SharedMemory.Allocate<float>(2 * tileK.Value * tileN.Value);
        ArrayView<float> sums = LocalMemory.Allocate<float>(regM.Value * regN.Value);
        // More than are used; what is not used takes no register.
        ArrayView<float> nextA = LocalMemory.Allocate<float>(4 * tileK.Value);
        ArrayView<float> nextB = LocalMemory.Allocate<float>(tileK.Value);
        int columns = tileN / regN;
        int threads = columns * (tileM / regM);
        int thread = Group.IdxX;
        int column = thread % columns;
        int row = thread / columns;
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixels = shape.Batch * outPixels;
        int group = Grid.IdxZ % shape.Groups;
        int split = Grid.IdxZ / shape.Groups;
        int channelStart = Grid.IdxY * tileM;
        int pixelStart = Grid.IdxX * tileN;

        // The pixel that this thread gathers patches of; it is the same for every tile.
        PatchOrigin origin = Patch.Locate(shape, pixelStart + (thread % tileN), group, isWide);

        Loop.Unroll();
        for (int i = 0; i < regM * regN; i++) sums[i] = 0;
        int allTiles = weights.IntLength / (shape.Groups * shape.PaddedOutChannels * tileK);
        int tile = split * tapTiles;
        int last = Math.Min(tile + tapTiles, allTiles);
        int weightStart = (((group * allTiles) + tile) * tileK * shape.PaddedOutChannels) + channelStart;
        int stage = 0;
        for (int first = tile; tile <= last; tile++)
        {
            if (tile < last)
            {
                Loop.Unroll();
                for (int i = 0; i < tileK * tileM / 4; i += threads)
                {
                    int four = i + thread;
                    if (four < tileK * tileM / 4)
                        RegisterTile.Keep(nextA, 4 * (i / threads), Float4.Load(weights, weightStart + (four / (tileM / 4) * shape.PaddedOutChannels) + (four % (tileM / 4) * 4)));
                }

                weightStart += tileK * shape.PaddedOutChannels;
                Loop.Unroll();
                for (int i = 0; i < tileK * tileN / threads; i++)
                {
                    int tap = (tile * tileK) + (i * (threads / tileN)) + (thread / tileN);
                    float value = 0;
                    if (Patch.Sees(shape, origin, taps[(2 * tap) + 1], isWide)) value = x[origin.Source + taps[2 * tap]];
                    nextB[i] = value;
                }
            }

            if (tile > first)
            {
                RegisterTile.MultiplyAdd(
                    tilesA.SubView((1 - stage) * tileK * tileM), tilesB.SubView((1 - stage) * tileK * tileN), sums, row, column, tileM, tileN, tileK, tileM, tileN, regM, regN);
            }

            if (tile < last)
            {
                Loop.Unroll();
                for (int i = 0; i < tileK * tileM / 4; i += threads)
                {
                    int four = i + thread;
                    if (four < tileK * tileM / 4) Float4.Store(tilesA, (stage * tileK * tileM) + (4 * four), RegisterTile.Four(nextA, 4 * (i / threads)));
                }

                Loop.Unroll();
                for (int i = 0; i < tileK * tileN / threads; i++) tilesB[(stage * tileK * tileN) + (i * threads) + thread] = nextB[i];
            }

            Group.Barrier();
            stage = 1 - stage;
        }

        int outputs = pixels * shape.Groups * shape.OutChannels;
        Loop.Unroll();
        for (int j = 0; j < regN; j += 4)
        {
            int pixel = pixelStart + RegisterTile.Place(j, column, columns);
            int n = pixel / outPixels;
            int target = (n * shape.Groups * shape.OutChannels * outPixels) + (pixel - (n * outPixels)) + (split * outputs);
            Loop.Unroll();
            for (int i = 0; i < regM; i++)
            {
                int channel = channelStart + RegisterTile.Place(i, row, tileM / regM);
                if (channel < shape.OutChannels && pixel < pixels)
                {
                    channel += group * shape.OutChannels;
                    if (inQuads == 1)
                    {
                        Float4 sum = RegisterTile.Four(sums, (i * regN) + j);
                        int at = target + (channel * outPixels);
                        if (isPartial == 0)
                        {
                            float add = bias[channel];
                            sum.X += add;
                            sum.Y += add;
                            sum.Z += add;
                            sum.W += add;
                            if (hasResidual == 1) sum = RegisterTile.Add(sum, Float4.Load(residual, at));
                            sum = RegisterTile.Clamp(sum, shape.Minimum, shape.Maximum);
                        }

                        Float4.Store(y, at, sum);
                    }
                    else
                    {
                        Loop.Unroll();
                        for (int k = 0; k < 4; k++)
                        {
                            if (pixel + k < pixels)
                            {
                                int m = (pixel + k) / outPixels;
                                int at = (((m * shape.Groups * shape.OutChannels) + channel) * outPixels) + pixel + k - (m * outPixels) + (split * outputs);
                                float sum = sums[(i * regN) + j + k];
                                if (isPartial == 0)
                                {
                                    sum += bias[channel];
                                    if (hasResidual == 1) sum += residual[at];
                                    sum = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                                }

                                y[at] = sum;
                            }
                        }
                    }
                }
            }
        }
    }

    /// <summary>Joins the sums of split products: y = clamp(sum of the splits + bias + residual). One thread per result.</summary>
    /// <param name="partial">[split][result].</param>
    /// <param name="bias">One value per channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output, [image][channel][pixel]; may be the residual's memory.</param>
    /// <param name="splits">Splits.</param>
    /// <param name="count">Results.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="channels">Channels of an image.</param>
    /// <param name="minimum">Lower bound of the result.</param>
    /// <param name="maximum">Upper bound of the result.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    [Kernel(MayAlias = true)]
    public static void Join(
        ArrayView<float> partial,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        int splits,
        int count,
        int pixels,
        int channels,
        float minimum,
        float maximum,
        SpecializedValue<int> hasResidual)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            float sum = bias[i / pixels % channels];
            for (int split = 0; split < splits; split++) sum += partial[(split * count) + i];
            if (hasResidual == 1) sum += residual[i];
            y[i] = MathF.Min(MathF.Max(sum, minimum), maximum);
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

    /// <summary>
    /// Depthwise convolution without dilation: a thread computes a strip of rows below each other, so that each input value it loads
    /// serves all rows that see it; threads side by side compute neighbouring columns.
    /// </summary>
    /// <param name="x">Input.</param>
    /// <param name="weights">[output channel][kernel row][kernel column].</param>
    /// <param name="bias">One value per output channel.</param>
    /// <param name="residual">Added before the clamp; the output itself when there is none.</param>
    /// <param name="y">Output; may be the residual's memory.</param>
    /// <param name="shape">Sizes; one input channel per group.</param>
    /// <param name="hasResidual">1 when a residual is added.</param>
    /// <param name="kernelHeight">Kernel height.</param>
    /// <param name="kernelWidth">Kernel width.</param>
    /// <param name="strideY">Rows between output rows.</param>
    /// <param name="rows">Rows of a strip.</param>
    [Kernel(MayAlias = true)]
    public static void Depthwise(
        ArrayView<float> x,
        ArrayView<float> weights,
        ArrayView<float> bias,
        ArrayView<float> residual,
        ArrayView<float> y,
        ConvGeometry shape,
        SpecializedValue<int> hasResidual,
        SpecializedValue<int> kernelHeight,
        SpecializedValue<int> kernelWidth,
        SpecializedValue<int> strideY,
        SpecializedValue<int> rows)
    {
        ArrayView<float> sums = LocalMemory.Allocate<float>(rows.Value);
        ArrayView<float> taps = LocalMemory.Allocate<float>(kernelHeight.Value * kernelWidth.Value);
        int strips = (shape.OutHeight + rows - 1) / rows;
        int channels = shape.Groups * shape.OutChannels;
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < shape.Batch * channels * strips * shape.OutWidth)
        {
            int line = i / shape.OutWidth;
            int outX = i - (line * shape.OutWidth);
            int plane = line / strips;
            int outY = (line - (plane * strips)) * rows;
            int channel = plane % channels;
            int firstY = (outY * strideY) - shape.PadTop;
            int firstX = (outX * shape.StrideX) - shape.PadLeft;
            int source = (plane / shape.OutChannels * shape.InHeight * shape.InWidth) + (firstY * shape.InWidth) + firstX;
            Loop.Unroll();
            for (int j = 0; j < rows; j++) sums[j] = 0;
            Loop.Unroll();
            for (int tap = 0; tap < kernelHeight * kernelWidth; tap++) taps[tap] = weights[(channel * kernelHeight * kernelWidth) + tap];
            Loop.Unroll();
            for (int r = 0; r < ((rows - 1) * strideY) + kernelHeight; r++)
            {
                Loop.Unroll();
                for (int kx = 0; kx < kernelWidth; kx++)
                {
                    float value = 0;
                    if (firstY + r >= 0 && firstY + r < shape.InHeight && firstX + kx >= 0 && firstX + kx < shape.InWidth)
                        value = x[source + (r * shape.InWidth) + kx];
                    Loop.Unroll();
                    for (int j = 0; j < rows; j++)
                    {
                        int ky = r - (j * strideY);
                        if (ky >= 0 && ky < kernelHeight) sums[j] = MathF.FusedMultiplyAdd(taps[(ky * kernelWidth) + kx], value, sums[j]);
                    }
                }
            }

            int target = (((plane * shape.OutHeight) + outY) * shape.OutWidth) + outX;
            Loop.Unroll();
            for (int j = 0; j < rows; j++)
            {
                if (outY + j < shape.OutHeight)
                {
                    int at = target + (j * shape.OutWidth);
                    float sum = sums[j] + bias[channel];
                    if (hasResidual == 1) sum += residual[at];
                    y[at] = MathF.Min(MathF.Max(sum, shape.Minimum), shape.Maximum);
                }
            }
        }
    }
}
