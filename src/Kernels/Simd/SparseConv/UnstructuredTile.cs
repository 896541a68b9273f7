using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>One weight that is not zero.</summary>
/// <param name="Offset">Floats from a pixel of the tile to the input this weight multiplies.</param>
/// <param name="Value">The weight.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct SparseWeight(int Offset, float Value);

/// <summary>Arguments of one call of an unstructured micro-kernel: one run of output pixels, a range of output channels.</summary>
internal unsafe struct UnstructuredTile
{
    /// <summary>Input of the first pixel; weights are offsets from here.</summary>
    public float* Input;

    /// <summary>First pixel of the first output channel.</summary>
    public float* Output;

    /// <summary>
    /// Added to the bias: a residual, or the sum over earlier input channels, at the same place as <see cref="Output"/>; null
    /// for nothing.
    /// </summary>
    public float* Addend;

    /// <summary>Floats between output channels.</summary>
    public nint OutputStride;

    /// <summary>Output channels to compute.</summary>
    public int Channels;

    /// <summary>Number of weights of each channel.</summary>
    public int* Counts;

    /// <summary>Weights of the first channel; those of the next channels follow.</summary>
    public SparseWeight* Weights;

    /// <summary>Bias of each output channel.</summary>
    public float* Bias;

    /// <summary>Pixels to store; fewer than the tile's vectors hold in the last tile of a run.</summary>
    public int Pixels;

    /// <summary>Lower bound of the activation.</summary>
    public float Minimum;

    /// <summary>Upper bound of the activation.</summary>
    public float Maximum;

    /// <summary>Floats from <see cref="Output"/> to the next tile, whose memory is fetched in advance; 0 for none.</summary>
    public nint NextOutput;

    /// <summary>What the next tile reads of input channel 0; null when there is none or it lies in the cache already.</summary>
    public float* NextInput;

    /// <summary>Floats between input channels.</summary>
    public nint InputStride;

    /// <summary>Input channels.</summary>
    public int InputChannels;

    /// <summary>Room for one tile, where the sums of a partial tile are stored in full.</summary>
    public float* Spill;
}

/// <summary>
/// The micro-kernels of the unstructured form: vectors run over output pixels, every non-zero weight is broadcast and
/// multiplied with 1, 2, 4 or 8 vectors of input at a precomputed offset.
/// </summary>
/// <remarks>
/// Narrow tiles keep the input of many channels in the first-level cache; they sum the weights of a channel in two or four
/// independent chains, because one chain would wait for the latency of the multiply-add. The methods call nothing: vector
/// registers do not survive a call. E. Elsen, M. Dukhan, T. Gale, K. Simonyan, "Fast Sparse ConvNets", 2019, for 1x1
/// layers; J. Park et al., "Faster CNNs with Direct Sparse Convolutions and Guided Pruning", 2017, for the offsets of k x k.
/// </remarks>
internal static unsafe class UnstructuredTiles<TSimd, TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Most vectors of a tile.</summary>
    public const int MaxVectors = 8;

    private const int FloatsPerLine = 16;

    /// <summary>The micro-kernel of a tile of <paramref name="vectors"/> vectors: 1, 2, 4 or 8.</summary>
    public static delegate*<UnstructuredTile*, void> Get(int vectors) => vectors switch
    {
        1 => &Run1,
        2 => &Run2,
        4 => &Run4,
        8 => &Run8,
        _ => throw new ArgumentOutOfRangeException(nameof(vectors), vectors, "Expected 1, 2, 4 or 8."),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run1(UnstructuredTile* tile)
    {
        float* input = tile->Input;
        SparseWeight* weight = tile->Weights;
        for (int channel = 0; channel < tile->Channels; channel++)
        {
            TVector a0 = TSimd.Broadcast(tile->Bias[channel]), b0 = TSimd.Zero, c0 = TSimd.Zero, d0 = TSimd.Zero;
            int left = tile->Counts[channel];
            for (; left >= 4; left -= 4, weight += 4)
            {
                a0 = TSimd.MultiplyAdd(TSimd.Load(input + weight[0].Offset), TSimd.Broadcast(weight[0].Value), a0);
                b0 = TSimd.MultiplyAdd(TSimd.Load(input + weight[1].Offset), TSimd.Broadcast(weight[1].Value), b0);
                c0 = TSimd.MultiplyAdd(TSimd.Load(input + weight[2].Offset), TSimd.Broadcast(weight[2].Value), c0);
                d0 = TSimd.MultiplyAdd(TSimd.Load(input + weight[3].Offset), TSimd.Broadcast(weight[3].Value), d0);
            }

            for (; left > 0; left--, weight++) a0 = TSimd.MultiplyAdd(TSimd.Load(input + weight->Offset), TSimd.Broadcast(weight->Value), a0);
            a0 = TSimd.Add(TSimd.Add(a0, b0), TSimd.Add(c0, d0));

            nint at = channel * tile->OutputStride;
            float* output = tile->Output + at;
            float* addend = tile->Addend == null ? null : tile->Addend + at;
            if (tile->Pixels == TSimd.Lanes)
            {
                TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
                if (addend != null) a0 = TSimd.Add(a0, TSimd.Load(addend));
                TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
            }
            else
            {
                TSimd.Store(tile->Spill, a0);
                StorePartial(tile, addend, output);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run2(UnstructuredTile* tile)
    {
        float* input = tile->Input;
        SparseWeight* weight = tile->Weights;
        for (int channel = 0; channel < tile->Channels; channel++)
        {
            TVector a0 = TSimd.Broadcast(tile->Bias[channel]), a1 = a0;
            TVector b0 = TSimd.Zero, b1 = b0, c0 = b0, c1 = b0, d0 = b0, d1 = b0;
            int left = tile->Counts[channel];
            for (; left >= 4; left -= 4, weight += 4)
            {
                float* x = input + weight[0].Offset;
                TVector w = TSimd.Broadcast(weight[0].Value);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                x = input + weight[1].Offset;
                w = TSimd.Broadcast(weight[1].Value);
                b0 = TSimd.MultiplyAdd(TSimd.Load(x), w, b0);
                b1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, b1);
                x = input + weight[2].Offset;
                w = TSimd.Broadcast(weight[2].Value);
                c0 = TSimd.MultiplyAdd(TSimd.Load(x), w, c0);
                c1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, c1);
                x = input + weight[3].Offset;
                w = TSimd.Broadcast(weight[3].Value);
                d0 = TSimd.MultiplyAdd(TSimd.Load(x), w, d0);
                d1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, d1);
            }

            for (; left > 0; left--, weight++)
            {
                float* x = input + weight->Offset;
                TVector w = TSimd.Broadcast(weight->Value);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
            }

            a0 = TSimd.Add(TSimd.Add(a0, b0), TSimd.Add(c0, d0));
            a1 = TSimd.Add(TSimd.Add(a1, b1), TSimd.Add(c1, d1));

            nint at = channel * tile->OutputStride;
            float* output = tile->Output + at;
            float* addend = tile->Addend == null ? null : tile->Addend + at;
            if (tile->Pixels == 2 * TSimd.Lanes)
            {
                TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
                if (addend != null)
                {
                    a0 = TSimd.Add(a0, TSimd.Load(addend));
                    a1 = TSimd.Add(a1, TSimd.Load(addend + TSimd.Lanes));
                }

                TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
                TSimd.Store(output + TSimd.Lanes, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
            }
            else
            {
                TSimd.Store(tile->Spill, a0);
                TSimd.Store(tile->Spill + TSimd.Lanes, a1);
                StorePartial(tile, addend, output);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run4(UnstructuredTile* tile)
    {
        float* input = tile->Input;
        SparseWeight* weight = tile->Weights;
        for (int channel = 0; channel < tile->Channels; channel++)
        {
            if (Sse.IsSupported && tile->NextOutput != 0) Prefetch(tile, channel, 4);
            TVector a0 = TSimd.Broadcast(tile->Bias[channel]), a1 = a0, a2 = a0, a3 = a0;
            TVector b0 = TSimd.Zero, b1 = b0, b2 = b0, b3 = b0;
            int left = tile->Counts[channel];
            for (; left >= 2; left -= 2, weight += 2)
            {
                float* x = input + weight[0].Offset;
                TVector w = TSimd.Broadcast(weight[0].Value);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                x = input + weight[1].Offset;
                w = TSimd.Broadcast(weight[1].Value);
                b0 = TSimd.MultiplyAdd(TSimd.Load(x), w, b0);
                b1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, b1);
                b2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, b2);
                b3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, b3);
            }

            if (left > 0)
            {
                float* x = input + weight->Offset;
                TVector w = TSimd.Broadcast(weight->Value);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                weight++;
            }

            a0 = TSimd.Add(a0, b0);
            a1 = TSimd.Add(a1, b1);
            a2 = TSimd.Add(a2, b2);
            a3 = TSimd.Add(a3, b3);

            nint at = channel * tile->OutputStride;
            float* output = tile->Output + at;
            float* addend = tile->Addend == null ? null : tile->Addend + at;
            if (tile->Pixels == 4 * TSimd.Lanes)
            {
                TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
                if (addend != null)
                {
                    a0 = TSimd.Add(a0, TSimd.Load(addend));
                    a1 = TSimd.Add(a1, TSimd.Load(addend + TSimd.Lanes));
                    a2 = TSimd.Add(a2, TSimd.Load(addend + (2 * TSimd.Lanes)));
                    a3 = TSimd.Add(a3, TSimd.Load(addend + (3 * TSimd.Lanes)));
                }

                TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
                TSimd.Store(output + TSimd.Lanes, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
                TSimd.Store(output + (2 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a2)));
                TSimd.Store(output + (3 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a3)));
            }
            else
            {
                TSimd.Store(tile->Spill, a0);
                TSimd.Store(tile->Spill + TSimd.Lanes, a1);
                TSimd.Store(tile->Spill + (2 * TSimd.Lanes), a2);
                TSimd.Store(tile->Spill + (3 * TSimd.Lanes), a3);
                StorePartial(tile, addend, output);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run8(UnstructuredTile* tile)
    {
        float* input = tile->Input;
        SparseWeight* weight = tile->Weights;
        for (int channel = 0; channel < tile->Channels; channel++)
        {
            if (Sse.IsSupported && tile->NextOutput != 0) Prefetch(tile, channel, 8);
            TVector a0 = TSimd.Broadcast(tile->Bias[channel]), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
            for (int left = tile->Counts[channel]; left > 0; left--, weight++)
            {
                float* x = input + weight->Offset;
                TVector w = TSimd.Broadcast(weight->Value);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                a4 = TSimd.MultiplyAdd(TSimd.Load(x + (4 * TSimd.Lanes)), w, a4);
                a5 = TSimd.MultiplyAdd(TSimd.Load(x + (5 * TSimd.Lanes)), w, a5);
                a6 = TSimd.MultiplyAdd(TSimd.Load(x + (6 * TSimd.Lanes)), w, a6);
                a7 = TSimd.MultiplyAdd(TSimd.Load(x + (7 * TSimd.Lanes)), w, a7);
            }

            nint at = channel * tile->OutputStride;
            float* output = tile->Output + at;
            float* addend = tile->Addend == null ? null : tile->Addend + at;
            if (tile->Pixels == 8 * TSimd.Lanes)
            {
                TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
                if (addend != null)
                {
                    a0 = TSimd.Add(a0, TSimd.Load(addend));
                    a1 = TSimd.Add(a1, TSimd.Load(addend + TSimd.Lanes));
                    a2 = TSimd.Add(a2, TSimd.Load(addend + (2 * TSimd.Lanes)));
                    a3 = TSimd.Add(a3, TSimd.Load(addend + (3 * TSimd.Lanes)));
                    a4 = TSimd.Add(a4, TSimd.Load(addend + (4 * TSimd.Lanes)));
                    a5 = TSimd.Add(a5, TSimd.Load(addend + (5 * TSimd.Lanes)));
                    a6 = TSimd.Add(a6, TSimd.Load(addend + (6 * TSimd.Lanes)));
                    a7 = TSimd.Add(a7, TSimd.Load(addend + (7 * TSimd.Lanes)));
                }

                TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
                TSimd.Store(output + TSimd.Lanes, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
                TSimd.Store(output + (2 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a2)));
                TSimd.Store(output + (3 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a3)));
                TSimd.Store(output + (4 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a4)));
                TSimd.Store(output + (5 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a5)));
                TSimd.Store(output + (6 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a6)));
                TSimd.Store(output + (7 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a7)));
            }
            else
            {
                TSimd.Store(tile->Spill, a0);
                TSimd.Store(tile->Spill + TSimd.Lanes, a1);
                TSimd.Store(tile->Spill + (2 * TSimd.Lanes), a2);
                TSimd.Store(tile->Spill + (3 * TSimd.Lanes), a3);
                TSimd.Store(tile->Spill + (4 * TSimd.Lanes), a4);
                TSimd.Store(tile->Spill + (5 * TSimd.Lanes), a5);
                TSimd.Store(tile->Spill + (6 * TSimd.Lanes), a6);
                TSimd.Store(tile->Spill + (7 * TSimd.Lanes), a7);
                StorePartial(tile, addend, output);
            }
        }
    }

    // A tile touches a few cache lines of every channel, a pattern that hardware prefetchers do not follow. Each output
    // channel fetches its share of the next tile: its own output and one input channel.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(UnstructuredTile* tile, nint channel, int vectors)
    {
        float* output = tile->Output + (channel * tile->OutputStride) + tile->NextOutput;
        for (int line = 0; line < vectors * TSimd.Lanes; line += FloatsPerLine) Sse.Prefetch1(output + line);
        if (tile->NextInput == null || channel >= tile->InputChannels) return;
        float* input = tile->NextInput + (channel * tile->InputStride);
        for (int line = 0; line < vectors * TSimd.Lanes; line += FloatsPerLine) Sse.Prefetch1(input + line);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePartial(UnstructuredTile* tile, float* addend, float* output)
    {
        float* sums = tile->Spill;
        float low = tile->Minimum, high = tile->Maximum;
        for (int pixel = 0; pixel < tile->Pixels; pixel++)
        {
            float value = addend == null ? sums[pixel] : sums[pixel] + addend[pixel];
            value = value < low ? low : value;
            output[pixel] = value > high ? high : value;
        }
    }
}
