using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>
/// The feature codec: ranges, symbols and packed bits, to the bit those of <see cref="Simd.Codec.AffineQuantizer"/> and
/// <see cref="Simd.Codec.BitPacking"/>. The bit string is made of 32-bit words, so devices must be little-endian.
/// </summary>
internal static class FeatureQuantization
{
    /// <summary>
    /// Quantizes and packs the kept planes of a feature. A group takes 1024 symbols: each thread makes four, closes the gaps between
    /// them and leaves them in shared memory; then each thread that has a word joins the fours that reach into it.
    /// </summary>
    /// <param name="x">Feature, [channel][pixel].</param>
    /// <param name="channels">Channel of each plane.</param>
    /// <param name="inverse">Reciprocal of the step, per plane or one.</param>
    /// <param name="offset">Symbol of value 0, not rounded, per plane or one.</param>
    /// <param name="packed">Bit string; the bits behind the last symbol become 0.</param>
    /// <param name="count">Symbols, all planes together.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="rangeStep">1 when each plane has a range of its own, 0 when the first is for all.</param>
    /// <param name="top">Highest symbol.</param>
    /// <param name="bits">Bits that a symbol takes, 1 to 8.</param>
    /// <param name="inQuads">1 when four values from a multiple of four on are of one plane and can be loaded at once.</param>
    [Kernel(GroupX = 256)]
    public static void Pack(
        ArrayView<float> x,
        ArrayView<int> channels,
        ArrayView<float> inverse,
        ArrayView<float> offset,
        ArrayView<uint> packed,
        int count,
        int pixels,
        int rangeStep,
        float top,
        SpecializedValue<int> bits,
        SpecializedValue<int> inQuads)
    {
        const int Threads = 256;
        ArrayView<uint> quads = SharedMemory.Allocate<uint>(Threads);
        int thread = Group.IdxX;
        int start = Grid.IdxX * 4 * Threads;
        int first = start + (4 * thread);
        uint quad = 0;
        if (inQuads == 1)
        {
            if (first < count)
            {
                int plane = first / pixels;
                float scale = inverse[plane * rangeStep];
                float shift = offset[plane * rangeStep];
                Float4 values = Float4.Load(x, (channels[plane] * pixels) + first - (plane * pixels));
                quad = Symbol(values.X, scale, shift, top) | (Symbol(values.Y, scale, shift, top) << bits)
                    | (Symbol(values.Z, scale, shift, top) << (2 * bits)) | (Symbol(values.W, scale, shift, top) << (3 * bits));
            }
        }
        else
        {
            Loop.Unroll();
            for (int i = 0; i < 4; i++)
            {
                if (first + i < count)
                {
                    int plane = (first + i) / pixels;
                    float value = x[(channels[plane] * pixels) + first + i - (plane * pixels)];
                    quad |= Symbol(value, inverse[plane * rangeStep], offset[plane * rangeStep], top) << (i * bits);
                }
            }
        }

        quads[thread] = quad;
        Group.Barrier();
        int width = 4 * bits;
        int word = (start / 32 * bits) + thread;
        if (thread < 32 * bits && 32L * word < (long)count * bits)
        {
            int source = 32 * thread / width;
            uint joined = 0;
            for (int place = (source * width) - (32 * thread); place < 32; place += width)
            {
                joined |= place < 0 ? quads[source] >> -place : quads[source] << place;
                source++;
            }

            packed[word] = joined;
        }
    }

    /// <summary>Unpacks symbols and restores their values; four per thread.</summary>
    /// <param name="packed">Bit string, in whole words.</param>
    /// <param name="channels">Channel of each plane.</param>
    /// <param name="step">Distance between the values of neighbouring symbols, per plane or one.</param>
    /// <param name="minimum">Value of symbol 0, per plane or one.</param>
    /// <param name="y">Feature, [channel][pixel]; other channels are left as they are.</param>
    /// <param name="count">Symbols, all planes together.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="rangeStep">1 when each plane has a range of its own, 0 when the first is for all.</param>
    /// <param name="bits">Bits that a symbol takes, 1 to 8.</param>
    /// <param name="inQuads">1 when four values from a multiple of four on are of one plane and can be stored at once.</param>
    [Kernel(GroupX = 256)]
    public static void Unpack(
        ArrayView<uint> packed,
        ArrayView<int> channels,
        ArrayView<float> step,
        ArrayView<float> minimum,
        ArrayView<float> y,
        int count,
        int pixels,
        int rangeStep,
        SpecializedValue<int> bits,
        SpecializedValue<int> inQuads)
    {
        const int Threads = 256;
        int quad = (Grid.IdxX * Threads) + Group.IdxX;
        int first = 4 * quad;
        if (first < count)
        {
            int width = 4 * bits;
            int word = (quad / 32 * width) + (quad % 32 * width / 32);
            int place = quad % 32 * width % 32;
            uint symbols = packed[word] >> place;
            // The last word may hold all that is left.
            if (place + width > 32 && 32L * (word + 1) < (long)count * bits) symbols |= packed[word + 1] << (32 - place);
            uint mask = (1u << bits) - 1u;
            if (inQuads == 1)
            {
                int plane = first / pixels;
                float scale = step[plane * rangeStep];
                float shift = minimum[plane * rangeStep];
                var values = new Float4
                {
                    X = ((float)(symbols & mask) * scale) + shift,
                    Y = ((float)((symbols >> bits) & mask) * scale) + shift,
                    Z = ((float)((symbols >> (2 * bits)) & mask) * scale) + shift,
                    W = ((float)((symbols >> (3 * bits)) & mask) * scale) + shift,
                };
                Float4.Store(y, (channels[plane] * pixels) + first - (plane * pixels), values);
            }
            else
            {
                Loop.Unroll();
                for (int i = 0; i < 4; i++)
                {
                    if (first + i < count)
                    {
                        int plane = (first + i) / pixels;
                        float level = (symbols >> (i * bits)) & mask;
                        y[(channels[plane] * pixels) + first + i - (plane * pixels)] = (level * step[plane * rangeStep]) + minimum[plane * rangeStep];
                    }
                }
            }
        }
    }

    /// <summary>Rebuilds planes that were not sent as affine combinations of those that were: one thread per value, the planes along y.</summary>
    /// <param name="y">Feature, [channel][pixel].</param>
    /// <param name="kept">Channels of the sources.</param>
    /// <param name="dropped">Channels of the targets.</param>
    /// <param name="weights">[target][source].</param>
    /// <param name="bias">Per target.</param>
    /// <param name="minimum">Lower bound per target.</param>
    /// <param name="pixels">Values of a plane.</param>
    [Kernel]
    public static void Rebuild(
        ArrayView<float> y, ArrayView<int> kept, ArrayView<int> dropped, ArrayView<float> weights, ArrayView<float> bias, ArrayView<float> minimum, int pixels)
    {
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int target = Grid.IdxY;
        int sources = kept.IntLength;
        if (pixel < pixels)
        {
            float sum = bias[target];
            for (int k = 0; k < sources; k++) sum = MathF.FusedMultiplyAdd(y[(kept[k] * pixels) + pixel], weights[(target * sources) + k], sum);
            y[(dropped[target] * pixels) + pixel] = MathF.Max(minimum[target], sum);
        }
    }

    /// <summary>
    /// Smallest and largest values of runs. Run r consists of <paramref name="pieces"/> pieces of <paramref name="length"/> adjacent
    /// values; the groups along x share a run, those along y are the runs. NaN passes through.
    /// </summary>
    /// <param name="low">Values to take the smallest of.</param>
    /// <param name="high">Values to take the largest of; the same memory as <paramref name="low"/>, or the results of a first pass.</param>
    /// <param name="minima">Smallest values, [run][group of the run].</param>
    /// <param name="maxima">Largest values, likewise.</param>
    /// <param name="pieces">Pieces of a run.</param>
    /// <param name="length">Adjacent values of a piece.</param>
    /// <param name="stride">Values from one piece to the next.</param>
    /// <param name="runStride">Values from one run to the next.</param>
    [Kernel(GroupX = 256, MayAlias = true)]
    public static void Range(
        ArrayView<float> low, ArrayView<float> high, ArrayView<float> minima, ArrayView<float> maxima, int pieces, int length, int stride, int runStride)
    {
        const int Threads = 256;
        ArrayView<float> smallest = SharedMemory.Allocate<float>(Threads);
        ArrayView<float> largest = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        float minimum = float.PositiveInfinity;
        float maximum = float.NegativeInfinity;
        for (int i = (Grid.IdxX * Threads) + thread; i < pieces * length; i += Grid.DimX * Threads)
        {
            int piece = i / length;
            int at = (Grid.IdxY * runStride) + (piece * stride) + i - (piece * length);
            minimum = MathF.Min(low[at], minimum);
            maximum = MathF.Max(high[at], maximum);
        }

        smallest[thread] = minimum;
        largest[thread] = maximum;
        Group.Barrier();
        for (int width = Threads / 2; width > 0; width /= 2)
        {
            if (thread < width)
            {
                smallest[thread] = MathF.Min(smallest[thread], smallest[thread + width]);
                largest[thread] = MathF.Max(largest[thread], largest[thread + width]);
            }

            Group.Barrier();
        }

        if (thread == 0)
        {
            minima[(Grid.IdxY * Grid.DimX) + Grid.IdxX] = smallest[0];
            maxima[(Grid.IdxY * Grid.DimX) + Grid.IdxX] = largest[0];
        }
    }

    // Comparisons that fail for NaN, as the definition has them: MathF.Max would pass it on.
    private static uint Symbol(float value, float inverse, float offset, float top)
    {
        float t = (value * inverse) + offset;
        t = t > 0 ? t : 0;
        t = t < top ? t : top;
        return BitConverter.SingleToUInt32Bits(t + 8388608f) & 0xFFu;
    }
}
