using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Convolutions of 8-bit integers, exact in 32 bits. Words hold four channels of a pixel, the first in the lowest byte.</summary>
internal static class IntegerConvolution
{
    /// <summary>Joins four channels to words: one thread per word, the words of a group of channels along y, images along z.</summary>
    /// <param name="x">Bytes, [image][channel][pixel].</param>
    /// <param name="words">[image][group][channel / 4][pixel]; channels past the last of a group are 0.</param>
    /// <param name="pixels">Pixels of an image.</param>
    /// <param name="channels">Channels of a group.</param>
    /// <param name="flip">0x80 to turn signed bytes into unsigned ones that are 128 larger, else 0.</param>
    [Kernel]
    public static void Join(ArrayView<byte> x, ArrayView<int> words, int pixels, int channels, int flip)
    {
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int quads = (channels + 3) / 4;
        int group = Grid.IdxY / quads;
        int quad = Grid.IdxY - (group * quads);
        int groups = Grid.DimY / quads;
        if (pixel < pixels)
        {
            int word = 0;
            Loop.Unroll();
            for (int i = 0; i < 4; i++)
            {
                int channel = (4 * quad) + i;
                if (channel < channels) word |= (x[(((((Grid.IdxZ * groups) + group) * channels) + channel) * pixels) + pixel] ^ flip) << (8 * i);
            }

            words[(((Grid.IdxZ * Grid.DimY) + Grid.IdxY) * pixels) + pixel] = word;
        }
    }

    /// <summary>
    /// Implicit matrix product as <see cref="Convolution.Implicit"/> on words: each step is a product of four bytes. What lies outside
    /// the image is the zero point, so that the zero point can be taken out of the sums afterwards.
    /// </summary>
    /// <param name="x">Words of unsigned bytes, [image][group][channel / 4][pixel].</param>
    /// <param name="weights">Words of signed bytes as the bits of floats, [group][tap][output channel], both padded with zeros to whole tiles.</param>
    /// <param name="taps">Per tap two numbers: offset in the words of a group, and its place (<see cref="Patch"/>).</param>
    /// <param name="added">Per output channel two numbers: the bias, and the sum of the weights.</param>
    /// <param name="zero">Zero point of <paramref name="x"/>, one byte.</param>
    /// <param name="scales">Per output channel: what a sum is multiplied with before it is rounded to a byte.</param>
    /// <param name="sums">Sums, or the bits of floats; any memory for bytes.</param>
    /// <param name="bytes">Bytes; any memory for sums.</param>
    /// <param name="shape">Sizes, channels in words.</param>
    /// <param name="flip">0x80 when the bytes of <paramref name="zero"/> are signed, as in <see cref="Join"/>.</param>
    /// <param name="zeroPoint">Zero point of the result.</param>
    /// <param name="lowest">Lowest byte: -128 or 0.</param>
    /// <param name="highest">Highest byte: 127 or 255.</param>
    /// <param name="stores">An <see cref="IntegerResult"/>.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    /// <param name="tileM">Output channels of a tile.</param>
    /// <param name="tileN">Pixels of a tile; divides the number of threads.</param>
    /// <param name="tileK">Words that are loaded at once.</param>
    /// <param name="regM">Output channels of a thread, 4 or 8.</param>
    /// <param name="regN">Pixels of a thread, 4 or 8.</param>
    [Kernel(MaxThreads = 256, MinGroups = 2)]
    public static void Implicit(
        ArrayView<int> x,
        ArrayView<float> weights,
        ArrayView<int> taps,
        ArrayView<int> added,
        ArrayView<byte> zero,
        ArrayView<float> scales,
        ArrayView<int> sums,
        ArrayView<byte> bytes,
        ConvGeometry shape,
        int flip,
        float zeroPoint,
        float lowest,
        float highest,
        int stores,
        SpecializedValue<int> isWide,
        SpecializedValue<int> tileM,
        SpecializedValue<int> tileN,
        SpecializedValue<int> tileK,
        SpecializedValue<int> regM,
        SpecializedValue<int> regN)
    {
        // Words travel as the bits of floats, which are moved four at a time and never computed with.
        ArrayView<float> tilesA = SharedMemory.Allocate<float>(tileK.Value * tileM.Value);
        ArrayView<float> tilesB = SharedMemory.Allocate<float>(tileK.Value * tileN.Value);
        ArrayView<int> results = LocalMemory.Allocate<int>(regM.Value * regN.Value);
        ArrayView<float> left = LocalMemory.Allocate<float>(8);
        ArrayView<float> right = LocalMemory.Allocate<float>(8);
        int columns = tileN / regN;
        int threads = columns * (tileM / regM);
        int thread = Group.IdxX;
        int column = thread % columns;
        int row = thread / columns;
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixels = shape.Batch * outPixels;
        int group = Grid.IdxZ;
        int channelStart = Grid.IdxY * tileM;
        int pixelStart = Grid.IdxX * tileN;
        PatchOrigin origin = Patch.Locate(shape, pixelStart + (thread % tileN), group, isWide);
        int zeroByte = zero[0] ^ flip;
        int outside = zeroByte * 0x01010101;
        Loop.Unroll();
        for (int i = 0; i < regM * regN; i++) results[i] = 0;
        int tapCount = weights.IntLength / (shape.Groups * shape.PaddedOutChannels);
        for (int first = 0; first < tapCount; first += tileK)
        {
            int weightStart = (((group * tapCount) + first) * shape.PaddedOutChannels) + channelStart;
            Loop.Unroll();
            for (int i = 0; i < tileK * tileM / 4; i += threads)
            {
                int four = i + thread;
                if (four < tileK * tileM / 4)
                    Float4.Store(tilesA, 4 * four, Float4.Load(weights, weightStart + (four / (tileM / 4) * shape.PaddedOutChannels) + (four % (tileM / 4) * 4)));
            }

            Loop.Unroll();
            for (int i = 0; i < tileK * tileN / threads; i++)
            {
                int tap = first + (i * (threads / tileN)) + (thread / tileN);
                int word = outside;
                if (Patch.Sees(shape, origin, taps[(2 * tap) + 1], isWide)) word = x[origin.Source + taps[2 * tap]];
                tilesB[(i * threads) + thread] = BitConverter.Int32BitsToSingle(word);
            }

            Group.Barrier();
            Loop.Unroll();
            for (int k = 0; k < tileK; k++)
            {
                Loop.Unroll();
                for (int i = 0; i < regM; i += 4) RegisterTile.Keep(left, i, Float4.Load(tilesA, (k * tileM) + RegisterTile.Place(i, row, tileM / regM)));
                Loop.Unroll();
                for (int j = 0; j < regN; j += 4) RegisterTile.Keep(right, j, Float4.Load(tilesB, (k * tileN) + RegisterTile.Place(j, column, columns)));
                Loop.Unroll();
                for (int i = 0; i < regM; i++)
                {
                    Loop.Unroll();
                    for (int j = 0; j < regN; j++)
                        results[(i * regN) + j] = PackedDot.UInt8(BitConverter.SingleToInt32Bits(right[j]), BitConverter.SingleToInt32Bits(left[i]), results[(i * regN) + j]);
                }
            }

            Group.Barrier();
        }

        Loop.Unroll();
        for (int i = 0; i < regM; i++)
        {
            Loop.Unroll();
            for (int j = 0; j < regN; j++)
            {
                int channel = channelStart + RegisterTile.Place(i, row, tileM / regM);
                int pixel = pixelStart + RegisterTile.Place(j, column, columns);
                if (channel < shape.OutChannels && pixel < pixels)
                {
                    channel += group * shape.OutChannels;
                    int image = pixel / outPixels;
                    int at = (((image * shape.Groups * shape.OutChannels) + channel) * outPixels) + pixel - (image * outPixels);
                    int sum = results[(i * regN) + j] + added[2 * channel] - (zeroByte * added[(2 * channel) + 1]);
                    if (stores == (int)IntegerResult.Sums) sums[at] = sum;
                    if (stores == (int)IntegerResult.Floats) sums[at] = BitConverter.SingleToInt32Bits((float)sum);
                    if (stores == (int)IntegerResult.Bytes) bytes[at] = Requantize(sum, scales[channel], zeroPoint, lowest, highest);
                }
            }
        }
    }

    /// <summary>
    /// Sums over few taps, one thread per result: pixels along x, output channels along y, images along z. For layers with a channel or
    /// two in a group, whose words would be mostly empty.
    /// </summary>
    /// <param name="x">Bytes, [image][channel][row][column].</param>
    /// <param name="weights">[output channel][channel of the group][row][column].</param>
    /// <param name="bias">Per output channel.</param>
    /// <param name="zero">Zero point of <paramref name="x"/>, one byte.</param>
    /// <param name="scales">Per output channel: what a sum is multiplied with before it is rounded to a byte.</param>
    /// <param name="sums">Sums, or the bits of floats; any memory for bytes.</param>
    /// <param name="bytes">Bytes; any memory for sums.</param>
    /// <param name="shape">Sizes, channels those of a group.</param>
    /// <param name="flip">0x80 when the bytes of <paramref name="x"/> are signed, else 0.</param>
    /// <param name="zeroPoint">Zero point of the result.</param>
    /// <param name="lowest">Lowest byte: -128 or 0.</param>
    /// <param name="highest">Highest byte: 127 or 255.</param>
    /// <param name="stores">An <see cref="IntegerResult"/>.</param>
    [Kernel]
    public static void Direct(
        ArrayView<byte> x,
        ArrayView<int> weights,
        ArrayView<int> bias,
        ArrayView<byte> zero,
        ArrayView<float> scales,
        ArrayView<int> sums,
        ArrayView<byte> bytes,
        ConvGeometry shape,
        int flip,
        float zeroPoint,
        float lowest,
        float highest,
        int stores)
    {
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int outPixels = shape.OutHeight * shape.OutWidth;
        int channel = Grid.IdxY;
        if (pixel < outPixels)
        {
            int row = pixel / shape.OutWidth;
            int top = (row * shape.StrideY) - shape.PadTop;
            int left = ((pixel - (row * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
            int group = channel / shape.OutChannels;
            int zeroByte = zero[0] ^ flip;
            int sum = bias[channel];
            int tap = channel * shape.InChannels * shape.KernelHeight * shape.KernelWidth;
            int plane = ((Grid.IdxZ * shape.Groups) + group) * shape.InChannels * shape.InHeight * shape.InWidth;
            for (int c = 0; c < shape.InChannels; c++)
            {
                for (int ky = 0; ky < shape.KernelHeight; ky++)
                {
                    int y = top + (ky * shape.DilationY);
                    for (int kx = 0; kx < shape.KernelWidth; kx++)
                    {
                        int column = left + (kx * shape.DilationX);
                        if (y >= 0 && y < shape.InHeight && column >= 0 && column < shape.InWidth)
                            sum += ((x[plane + (y * shape.InWidth) + column] ^ flip) - zeroByte) * weights[tap];
                        tap++;
                    }
                }

                plane += shape.InHeight * shape.InWidth;
            }

            int at = (((Grid.IdxZ * Grid.DimY) + channel) * outPixels) + pixel;
            if (stores == (int)IntegerResult.Sums) sums[at] = sum;
            if (stores == (int)IntegerResult.Floats) sums[at] = BitConverter.SingleToInt32Bits((float)sum);
            if (stores == (int)IntegerResult.Bytes) bytes[at] = Requantize(sum, scales[channel], zeroPoint, lowest, highest);
        }
    }

    private static byte Requantize(int sum, float scale, float zeroPoint, float lowest, float highest)
    {
        float value = MathF.Round((float)sum * scale) + zeroPoint;
        return (byte)(int)MathF.Min(MathF.Max(value, lowest), highest);
    }
}
