using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// The micro-kernel of every direct convolution: a register tile of <typeparamref name="TPixels"/> neighbouring output
/// pixels x <typeparamref name="TBlocks"/> output channel blocks. Each input float is broadcast and multiplied with one
/// weight vector per output block; the sums stay in registers over all input channels and taps.
/// </summary>
/// <remarks>
/// Every type argument is a constant to the compiler. The accumulators <c>a</c> to <c>d</c> are the four output blocks;
/// those outside the tile are dead code and vanish, and pixel addresses become displacements. The method calls nothing:
/// vector registers do not survive a call. A tile must fit the register file together with one weight vector per block
/// and one broadcast.
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the output channels of a block.</typeparam>
/// <typeparam name="TChannels">Channels per input block; 1 reads planar NCHW.</typeparam>
/// <typeparam name="TPitch">Floats between the input of neighbouring output pixels.</typeparam>
/// <typeparam name="TOutPitch">Floats between neighbouring output pixels; 0 takes <see cref="ConvTile.OutputPitch"/>.</typeparam>
/// <typeparam name="TBlocks">Output channel blocks, 1 to 4.</typeparam>
/// <typeparam name="TPixels">Output pixels: at most 16, 14, 9 or 7 for 1, 2, 3 or 4 blocks.</typeparam>
internal static unsafe class DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, TPixels>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TChannels : IConstant
    where TPitch : IConstant
    where TOutPitch : IConstant
    where TBlocks : IConstant
    where TPixels : IConstant
{
    private const int FloatsPerLine = 16;

    /// <summary>Computes <see cref="ConvTile.Tiles"/> tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ConvTile* tile)
    {
        float* input = tile->Input;
        float* next = tile->NextWeights;
        float* output = tile->Output;
        float* addend = tile->Addend;
        nint blockStride = tile->OutputBlockStride;
        nint pitch = TOutPitch.Value == 0 ? tile->OutputPitch : TOutPitch.Value;

        for (int tiles = tile->Tiles; tiles > 0; tiles--)
        {
            TVector a0 = TSimd.Load(tile->Bias);
            TVector a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
            TVector a8 = a0, a9 = a0, a10 = a0, a11 = a0, a12 = a0, a13 = a0, a14 = a0;
            TVector a15 = a0;
            TVector b0 = TBlocks.Value > 1 ? TSimd.Load(tile->Bias + TSimd.Lanes) : TSimd.Zero;
            TVector b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0, b6 = b0, b7 = b0;
            TVector b8 = b0, b9 = b0, b10 = b0, b11 = b0, b12 = b0, b13 = b0;
            TVector c0 = TBlocks.Value > 2 ? TSimd.Load(tile->Bias + (2 * TSimd.Lanes)) : TSimd.Zero;
            TVector c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0;
            TVector c8 = c0;
            TVector d0 = TBlocks.Value > 3 ? TSimd.Load(tile->Bias + (3 * TSimd.Lanes)) : TSimd.Zero;
            TVector d1 = d0, d2 = d0, d3 = d0, d4 = d0, d5 = d0, d6 = d0;

            if (addend != null)
            {
                a0 = TSimd.Add(a0, TSimd.Load(addend));
                if (TPixels.Value > 1) a1 = TSimd.Add(a1, TSimd.Load(addend + pitch));
                if (TPixels.Value > 2) a2 = TSimd.Add(a2, TSimd.Load(addend + (2 * pitch)));
                if (TPixels.Value > 3) a3 = TSimd.Add(a3, TSimd.Load(addend + (3 * pitch)));
                if (TPixels.Value > 4) a4 = TSimd.Add(a4, TSimd.Load(addend + (4 * pitch)));
                if (TPixels.Value > 5) a5 = TSimd.Add(a5, TSimd.Load(addend + (5 * pitch)));
                if (TPixels.Value > 6) a6 = TSimd.Add(a6, TSimd.Load(addend + (6 * pitch)));
                if (TPixels.Value > 7) a7 = TSimd.Add(a7, TSimd.Load(addend + (7 * pitch)));
                if (TPixels.Value > 8) a8 = TSimd.Add(a8, TSimd.Load(addend + (8 * pitch)));
                if (TPixels.Value > 9) a9 = TSimd.Add(a9, TSimd.Load(addend + (9 * pitch)));
                if (TPixels.Value > 10) a10 = TSimd.Add(a10, TSimd.Load(addend + (10 * pitch)));
                if (TPixels.Value > 11) a11 = TSimd.Add(a11, TSimd.Load(addend + (11 * pitch)));
                if (TPixels.Value > 12) a12 = TSimd.Add(a12, TSimd.Load(addend + (12 * pitch)));
                if (TPixels.Value > 13) a13 = TSimd.Add(a13, TSimd.Load(addend + (13 * pitch)));
                if (TPixels.Value > 14) a14 = TSimd.Add(a14, TSimd.Load(addend + (14 * pitch)));
                if (TPixels.Value > 15) a15 = TSimd.Add(a15, TSimd.Load(addend + (15 * pitch)));
                if (TBlocks.Value > 1)
                {
                    float* from = addend + blockStride;
                    b0 = TSimd.Add(b0, TSimd.Load(from));
                    if (TPixels.Value > 1) b1 = TSimd.Add(b1, TSimd.Load(from + pitch));
                    if (TPixels.Value > 2) b2 = TSimd.Add(b2, TSimd.Load(from + (2 * pitch)));
                    if (TPixels.Value > 3) b3 = TSimd.Add(b3, TSimd.Load(from + (3 * pitch)));
                    if (TPixels.Value > 4) b4 = TSimd.Add(b4, TSimd.Load(from + (4 * pitch)));
                    if (TPixels.Value > 5) b5 = TSimd.Add(b5, TSimd.Load(from + (5 * pitch)));
                    if (TPixels.Value > 6) b6 = TSimd.Add(b6, TSimd.Load(from + (6 * pitch)));
                    if (TPixels.Value > 7) b7 = TSimd.Add(b7, TSimd.Load(from + (7 * pitch)));
                    if (TPixels.Value > 8) b8 = TSimd.Add(b8, TSimd.Load(from + (8 * pitch)));
                    if (TPixels.Value > 9) b9 = TSimd.Add(b9, TSimd.Load(from + (9 * pitch)));
                    if (TPixels.Value > 10) b10 = TSimd.Add(b10, TSimd.Load(from + (10 * pitch)));
                    if (TPixels.Value > 11) b11 = TSimd.Add(b11, TSimd.Load(from + (11 * pitch)));
                    if (TPixels.Value > 12) b12 = TSimd.Add(b12, TSimd.Load(from + (12 * pitch)));
                    if (TPixels.Value > 13) b13 = TSimd.Add(b13, TSimd.Load(from + (13 * pitch)));
                }
                if (TBlocks.Value > 2)
                {
                    float* from = addend + (2 * blockStride);
                    c0 = TSimd.Add(c0, TSimd.Load(from));
                    if (TPixels.Value > 1) c1 = TSimd.Add(c1, TSimd.Load(from + pitch));
                    if (TPixels.Value > 2) c2 = TSimd.Add(c2, TSimd.Load(from + (2 * pitch)));
                    if (TPixels.Value > 3) c3 = TSimd.Add(c3, TSimd.Load(from + (3 * pitch)));
                    if (TPixels.Value > 4) c4 = TSimd.Add(c4, TSimd.Load(from + (4 * pitch)));
                    if (TPixels.Value > 5) c5 = TSimd.Add(c5, TSimd.Load(from + (5 * pitch)));
                    if (TPixels.Value > 6) c6 = TSimd.Add(c6, TSimd.Load(from + (6 * pitch)));
                    if (TPixels.Value > 7) c7 = TSimd.Add(c7, TSimd.Load(from + (7 * pitch)));
                    if (TPixels.Value > 8) c8 = TSimd.Add(c8, TSimd.Load(from + (8 * pitch)));
                }
                if (TBlocks.Value > 3)
                {
                    float* from = addend + (3 * blockStride);
                    d0 = TSimd.Add(d0, TSimd.Load(from));
                    if (TPixels.Value > 1) d1 = TSimd.Add(d1, TSimd.Load(from + pitch));
                    if (TPixels.Value > 2) d2 = TSimd.Add(d2, TSimd.Load(from + (2 * pitch)));
                    if (TPixels.Value > 3) d3 = TSimd.Add(d3, TSimd.Load(from + (3 * pitch)));
                    if (TPixels.Value > 4) d4 = TSimd.Add(d4, TSimd.Load(from + (4 * pitch)));
                    if (TPixels.Value > 5) d5 = TSimd.Add(d5, TSimd.Load(from + (5 * pitch)));
                    if (TPixels.Value > 6) d6 = TSimd.Add(d6, TSimd.Load(from + (6 * pitch)));
                }
            }

            float* weights = tile->Weights;
            float* block = input;
            int channels = tile->Channels;
            while (channels > 0)
            {
                int blockChannels = Math.Min(channels, TChannels.Value);
                nint* offsets = tile->TapOffsets;
                for (int taps = tile->Taps; taps > 0; taps--)
                {
                    if (Sse.IsSupported)
                    {
                        for (int lines = tile->PrefetchLines; lines > 0; lines--, next += FloatsPerLine) Sse.Prefetch1(next);
                    }

                    float* x = block + *offsets++;
                    for (int channel = blockChannels; channel > 0; channel--)
                    {
                        TVector w0 = TSimd.Load(weights);
                        TVector w1 = TBlocks.Value > 1 ? TSimd.Load(weights + TSimd.Lanes) : w0;
                        TVector w2 = TBlocks.Value > 2 ? TSimd.Load(weights + (2 * TSimd.Lanes)) : w0;
                        TVector w3 = TBlocks.Value > 3 ? TSimd.Load(weights + (3 * TSimd.Lanes)) : w0;

                        {
                            TVector v = TSimd.Broadcast(*x);
                            a0 = TSimd.MultiplyAdd(v, w0, a0);
                            if (TBlocks.Value > 1) b0 = TSimd.MultiplyAdd(v, w1, b0);
                            if (TBlocks.Value > 2) c0 = TSimd.MultiplyAdd(v, w2, c0);
                            if (TBlocks.Value > 3) d0 = TSimd.MultiplyAdd(v, w3, d0);
                        }

                        if (TPixels.Value > 1)
                        {
                            TVector v = TSimd.Broadcast(*(x + TPitch.Value));
                            a1 = TSimd.MultiplyAdd(v, w0, a1);
                            if (TBlocks.Value > 1) b1 = TSimd.MultiplyAdd(v, w1, b1);
                            if (TBlocks.Value > 2) c1 = TSimd.MultiplyAdd(v, w2, c1);
                            if (TBlocks.Value > 3) d1 = TSimd.MultiplyAdd(v, w3, d1);
                        }

                        if (TPixels.Value > 2)
                        {
                            TVector v = TSimd.Broadcast(*(x + (2 * TPitch.Value)));
                            a2 = TSimd.MultiplyAdd(v, w0, a2);
                            if (TBlocks.Value > 1) b2 = TSimd.MultiplyAdd(v, w1, b2);
                            if (TBlocks.Value > 2) c2 = TSimd.MultiplyAdd(v, w2, c2);
                            if (TBlocks.Value > 3) d2 = TSimd.MultiplyAdd(v, w3, d2);
                        }

                        if (TPixels.Value > 3)
                        {
                            TVector v = TSimd.Broadcast(*(x + (3 * TPitch.Value)));
                            a3 = TSimd.MultiplyAdd(v, w0, a3);
                            if (TBlocks.Value > 1) b3 = TSimd.MultiplyAdd(v, w1, b3);
                            if (TBlocks.Value > 2) c3 = TSimd.MultiplyAdd(v, w2, c3);
                            if (TBlocks.Value > 3) d3 = TSimd.MultiplyAdd(v, w3, d3);
                        }

                        if (TPixels.Value > 4)
                        {
                            TVector v = TSimd.Broadcast(*(x + (4 * TPitch.Value)));
                            a4 = TSimd.MultiplyAdd(v, w0, a4);
                            if (TBlocks.Value > 1) b4 = TSimd.MultiplyAdd(v, w1, b4);
                            if (TBlocks.Value > 2) c4 = TSimd.MultiplyAdd(v, w2, c4);
                            if (TBlocks.Value > 3) d4 = TSimd.MultiplyAdd(v, w3, d4);
                        }

                        if (TPixels.Value > 5)
                        {
                            TVector v = TSimd.Broadcast(*(x + (5 * TPitch.Value)));
                            a5 = TSimd.MultiplyAdd(v, w0, a5);
                            if (TBlocks.Value > 1) b5 = TSimd.MultiplyAdd(v, w1, b5);
                            if (TBlocks.Value > 2) c5 = TSimd.MultiplyAdd(v, w2, c5);
                            if (TBlocks.Value > 3) d5 = TSimd.MultiplyAdd(v, w3, d5);
                        }

                        if (TPixels.Value > 6)
                        {
                            TVector v = TSimd.Broadcast(*(x + (6 * TPitch.Value)));
                            a6 = TSimd.MultiplyAdd(v, w0, a6);
                            if (TBlocks.Value > 1) b6 = TSimd.MultiplyAdd(v, w1, b6);
                            if (TBlocks.Value > 2) c6 = TSimd.MultiplyAdd(v, w2, c6);
                            if (TBlocks.Value > 3) d6 = TSimd.MultiplyAdd(v, w3, d6);
                        }

                        if (TPixels.Value > 7)
                        {
                            TVector v = TSimd.Broadcast(*(x + (7 * TPitch.Value)));
                            a7 = TSimd.MultiplyAdd(v, w0, a7);
                            if (TBlocks.Value > 1) b7 = TSimd.MultiplyAdd(v, w1, b7);
                            if (TBlocks.Value > 2) c7 = TSimd.MultiplyAdd(v, w2, c7);
                        }

                        if (TPixels.Value > 8)
                        {
                            TVector v = TSimd.Broadcast(*(x + (8 * TPitch.Value)));
                            a8 = TSimd.MultiplyAdd(v, w0, a8);
                            if (TBlocks.Value > 1) b8 = TSimd.MultiplyAdd(v, w1, b8);
                            if (TBlocks.Value > 2) c8 = TSimd.MultiplyAdd(v, w2, c8);
                        }

                        if (TPixels.Value > 9)
                        {
                            TVector v = TSimd.Broadcast(*(x + (9 * TPitch.Value)));
                            a9 = TSimd.MultiplyAdd(v, w0, a9);
                            if (TBlocks.Value > 1) b9 = TSimd.MultiplyAdd(v, w1, b9);
                        }

                        if (TPixels.Value > 10)
                        {
                            TVector v = TSimd.Broadcast(*(x + (10 * TPitch.Value)));
                            a10 = TSimd.MultiplyAdd(v, w0, a10);
                            if (TBlocks.Value > 1) b10 = TSimd.MultiplyAdd(v, w1, b10);
                        }

                        if (TPixels.Value > 11)
                        {
                            TVector v = TSimd.Broadcast(*(x + (11 * TPitch.Value)));
                            a11 = TSimd.MultiplyAdd(v, w0, a11);
                            if (TBlocks.Value > 1) b11 = TSimd.MultiplyAdd(v, w1, b11);
                        }

                        if (TPixels.Value > 12)
                        {
                            TVector v = TSimd.Broadcast(*(x + (12 * TPitch.Value)));
                            a12 = TSimd.MultiplyAdd(v, w0, a12);
                            if (TBlocks.Value > 1) b12 = TSimd.MultiplyAdd(v, w1, b12);
                        }

                        if (TPixels.Value > 13)
                        {
                            TVector v = TSimd.Broadcast(*(x + (13 * TPitch.Value)));
                            a13 = TSimd.MultiplyAdd(v, w0, a13);
                            if (TBlocks.Value > 1) b13 = TSimd.MultiplyAdd(v, w1, b13);
                        }

                        if (TPixels.Value > 14)
                        {
                            TVector v = TSimd.Broadcast(*(x + (14 * TPitch.Value)));
                            a14 = TSimd.MultiplyAdd(v, w0, a14);
                        }

                        if (TPixels.Value > 15)
                        {
                            TVector v = TSimd.Broadcast(*(x + (15 * TPitch.Value)));
                            a15 = TSimd.MultiplyAdd(v, w0, a15);
                        }

                        x++;
                        weights += TBlocks.Value * TSimd.Lanes;
                    }
                }

                block += tile->InputBlockStride;
                channels -= TChannels.Value;
            }

            {
                TVector low = TSimd.Load(tile->Minimum);
                TVector high = TSimd.Load(tile->Maximum);
                float* to = output;
                TSimd.Store(to, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
                if (TPixels.Value > 1) TSimd.Store(to + pitch, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
                if (TPixels.Value > 2) TSimd.Store(to + (2 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a2)));
                if (TPixels.Value > 3) TSimd.Store(to + (3 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a3)));
                if (TPixels.Value > 4) TSimd.Store(to + (4 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a4)));
                if (TPixels.Value > 5) TSimd.Store(to + (5 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a5)));
                if (TPixels.Value > 6) TSimd.Store(to + (6 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a6)));
                if (TPixels.Value > 7) TSimd.Store(to + (7 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a7)));
                if (TPixels.Value > 8) TSimd.Store(to + (8 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a8)));
                if (TPixels.Value > 9) TSimd.Store(to + (9 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a9)));
                if (TPixels.Value > 10) TSimd.Store(to + (10 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a10)));
                if (TPixels.Value > 11) TSimd.Store(to + (11 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a11)));
                if (TPixels.Value > 12) TSimd.Store(to + (12 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a12)));
                if (TPixels.Value > 13) TSimd.Store(to + (13 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a13)));
                if (TPixels.Value > 14) TSimd.Store(to + (14 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a14)));
                if (TPixels.Value > 15) TSimd.Store(to + (15 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, a15)));
            }

            if (TBlocks.Value > 1)
            {
                TVector low = TSimd.Load(tile->Minimum + TSimd.Lanes);
                TVector high = TSimd.Load(tile->Maximum + TSimd.Lanes);
                float* to = output + blockStride;
                TSimd.Store(to, TSimd.AtMost(high, TSimd.AtLeast(low, b0)));
                if (TPixels.Value > 1) TSimd.Store(to + pitch, TSimd.AtMost(high, TSimd.AtLeast(low, b1)));
                if (TPixels.Value > 2) TSimd.Store(to + (2 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b2)));
                if (TPixels.Value > 3) TSimd.Store(to + (3 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b3)));
                if (TPixels.Value > 4) TSimd.Store(to + (4 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b4)));
                if (TPixels.Value > 5) TSimd.Store(to + (5 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b5)));
                if (TPixels.Value > 6) TSimd.Store(to + (6 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b6)));
                if (TPixels.Value > 7) TSimd.Store(to + (7 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b7)));
                if (TPixels.Value > 8) TSimd.Store(to + (8 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b8)));
                if (TPixels.Value > 9) TSimd.Store(to + (9 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b9)));
                if (TPixels.Value > 10) TSimd.Store(to + (10 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b10)));
                if (TPixels.Value > 11) TSimd.Store(to + (11 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b11)));
                if (TPixels.Value > 12) TSimd.Store(to + (12 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b12)));
                if (TPixels.Value > 13) TSimd.Store(to + (13 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, b13)));
            }

            if (TBlocks.Value > 2)
            {
                TVector low = TSimd.Load(tile->Minimum + (2 * TSimd.Lanes));
                TVector high = TSimd.Load(tile->Maximum + (2 * TSimd.Lanes));
                float* to = output + (2 * blockStride);
                TSimd.Store(to, TSimd.AtMost(high, TSimd.AtLeast(low, c0)));
                if (TPixels.Value > 1) TSimd.Store(to + pitch, TSimd.AtMost(high, TSimd.AtLeast(low, c1)));
                if (TPixels.Value > 2) TSimd.Store(to + (2 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c2)));
                if (TPixels.Value > 3) TSimd.Store(to + (3 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c3)));
                if (TPixels.Value > 4) TSimd.Store(to + (4 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c4)));
                if (TPixels.Value > 5) TSimd.Store(to + (5 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c5)));
                if (TPixels.Value > 6) TSimd.Store(to + (6 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c6)));
                if (TPixels.Value > 7) TSimd.Store(to + (7 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c7)));
                if (TPixels.Value > 8) TSimd.Store(to + (8 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, c8)));
            }

            if (TBlocks.Value > 3)
            {
                TVector low = TSimd.Load(tile->Minimum + (3 * TSimd.Lanes));
                TVector high = TSimd.Load(tile->Maximum + (3 * TSimd.Lanes));
                float* to = output + (3 * blockStride);
                TSimd.Store(to, TSimd.AtMost(high, TSimd.AtLeast(low, d0)));
                if (TPixels.Value > 1) TSimd.Store(to + pitch, TSimd.AtMost(high, TSimd.AtLeast(low, d1)));
                if (TPixels.Value > 2) TSimd.Store(to + (2 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, d2)));
                if (TPixels.Value > 3) TSimd.Store(to + (3 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, d3)));
                if (TPixels.Value > 4) TSimd.Store(to + (4 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, d4)));
                if (TPixels.Value > 5) TSimd.Store(to + (5 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, d5)));
                if (TPixels.Value > 6) TSimd.Store(to + (6 * pitch), TSimd.AtMost(high, TSimd.AtLeast(low, d6)));
            }

            input += tile->InputStep;
            output += tile->OutputStep;
            if (addend != null) addend += tile->OutputStep;
        }

        tile->NextWeights = next;
    }
}
