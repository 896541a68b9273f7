using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// The micro-kernel of direct convolutions with three adjacent kernel columns, stride 1 and one output channel block. An
/// input float is broadcast once and multiplied with the weights of all three columns, for the three output pixels that
/// see it: with a single output block, <see cref="DirectTile{TSimd,TVector,TChannels,TPitch,TOutPitch,TBlocks,TPixels}"/>
/// would load as often as it multiplies.
/// </summary>
/// <remarks>
/// <see cref="ConvTile.TapOffsets"/> are the offsets of the kernel rows here, and the weights are
/// [input block][kernel row][channel of the block][kernel column][lane].
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the output channels.</typeparam>
/// <typeparam name="TChannels">Channels per input block, and floats between neighbouring input pixels.</typeparam>
/// <typeparam name="TPixels">Output pixels, 1 to 16.</typeparam>
internal static unsafe class DirectRowTile<TSimd, TVector, TChannels, TPixels>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TChannels : IConstant
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
        for (int tiles = tile->Tiles; tiles > 0; tiles--)
        {
            TVector a0 = TSimd.Load(tile->Bias);
            TVector a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
            TVector a8 = a0, a9 = a0, a10 = a0, a11 = a0, a12 = a0, a13 = a0, a14 = a0, a15 = a0;
            if (addend != null)
            {
                a0 = TSimd.Add(a0, TSimd.Load(addend));
                if (TPixels.Value > 1) a1 = TSimd.Add(a1, TSimd.Load(addend + TSimd.Lanes));
                if (TPixels.Value > 2) a2 = TSimd.Add(a2, TSimd.Load(addend + (2 * TSimd.Lanes)));
                if (TPixels.Value > 3) a3 = TSimd.Add(a3, TSimd.Load(addend + (3 * TSimd.Lanes)));
                if (TPixels.Value > 4) a4 = TSimd.Add(a4, TSimd.Load(addend + (4 * TSimd.Lanes)));
                if (TPixels.Value > 5) a5 = TSimd.Add(a5, TSimd.Load(addend + (5 * TSimd.Lanes)));
                if (TPixels.Value > 6) a6 = TSimd.Add(a6, TSimd.Load(addend + (6 * TSimd.Lanes)));
                if (TPixels.Value > 7) a7 = TSimd.Add(a7, TSimd.Load(addend + (7 * TSimd.Lanes)));
                if (TPixels.Value > 8) a8 = TSimd.Add(a8, TSimd.Load(addend + (8 * TSimd.Lanes)));
                if (TPixels.Value > 9) a9 = TSimd.Add(a9, TSimd.Load(addend + (9 * TSimd.Lanes)));
                if (TPixels.Value > 10) a10 = TSimd.Add(a10, TSimd.Load(addend + (10 * TSimd.Lanes)));
                if (TPixels.Value > 11) a11 = TSimd.Add(a11, TSimd.Load(addend + (11 * TSimd.Lanes)));
                if (TPixels.Value > 12) a12 = TSimd.Add(a12, TSimd.Load(addend + (12 * TSimd.Lanes)));
                if (TPixels.Value > 13) a13 = TSimd.Add(a13, TSimd.Load(addend + (13 * TSimd.Lanes)));
                if (TPixels.Value > 14) a14 = TSimd.Add(a14, TSimd.Load(addend + (14 * TSimd.Lanes)));
                if (TPixels.Value > 15) a15 = TSimd.Add(a15, TSimd.Load(addend + (15 * TSimd.Lanes)));
                addend += tile->OutputStep;
            }

            float* weights = tile->Weights;
            float* block = input;
            for (int channels = tile->Channels; channels > 0; channels -= TChannels.Value)
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
                        TVector w1 = TSimd.Load(weights + TSimd.Lanes);
                        TVector w2 = TSimd.Load(weights + (2 * TSimd.Lanes));

                        {
                            TVector v = TSimd.Broadcast(*x);
                            a0 = TSimd.MultiplyAdd(v, w0, a0);
                        }

                        {
                            TVector v = TSimd.Broadcast(*(x + TChannels.Value));
                            if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(v, w0, a1);
                            a0 = TSimd.MultiplyAdd(v, w1, a0);
                        }

                        {
                            TVector v = TSimd.Broadcast(*(x + (2 * TChannels.Value)));
                            if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(v, w0, a2);
                            if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(v, w1, a1);
                            a0 = TSimd.MultiplyAdd(v, w2, a0);
                        }

                        if (TPixels.Value > 1)
                        {
                            TVector v = TSimd.Broadcast(*(x + (3 * TChannels.Value)));
                            if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(v, w0, a3);
                            if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(v, w1, a2);
                            a1 = TSimd.MultiplyAdd(v, w2, a1);
                        }

                        if (TPixels.Value > 2)
                        {
                            TVector v = TSimd.Broadcast(*(x + (4 * TChannels.Value)));
                            if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(v, w0, a4);
                            if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(v, w1, a3);
                            a2 = TSimd.MultiplyAdd(v, w2, a2);
                        }

                        if (TPixels.Value > 3)
                        {
                            TVector v = TSimd.Broadcast(*(x + (5 * TChannels.Value)));
                            if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(v, w0, a5);
                            if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(v, w1, a4);
                            a3 = TSimd.MultiplyAdd(v, w2, a3);
                        }

                        if (TPixels.Value > 4)
                        {
                            TVector v = TSimd.Broadcast(*(x + (6 * TChannels.Value)));
                            if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(v, w0, a6);
                            if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(v, w1, a5);
                            a4 = TSimd.MultiplyAdd(v, w2, a4);
                        }

                        if (TPixels.Value > 5)
                        {
                            TVector v = TSimd.Broadcast(*(x + (7 * TChannels.Value)));
                            if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(v, w0, a7);
                            if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(v, w1, a6);
                            a5 = TSimd.MultiplyAdd(v, w2, a5);
                        }

                        if (TPixels.Value > 6)
                        {
                            TVector v = TSimd.Broadcast(*(x + (8 * TChannels.Value)));
                            if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(v, w0, a8);
                            if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(v, w1, a7);
                            a6 = TSimd.MultiplyAdd(v, w2, a6);
                        }

                        if (TPixels.Value > 7)
                        {
                            TVector v = TSimd.Broadcast(*(x + (9 * TChannels.Value)));
                            if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(v, w0, a9);
                            if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(v, w1, a8);
                            a7 = TSimd.MultiplyAdd(v, w2, a7);
                        }

                        if (TPixels.Value > 8)
                        {
                            TVector v = TSimd.Broadcast(*(x + (10 * TChannels.Value)));
                            if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(v, w0, a10);
                            if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(v, w1, a9);
                            a8 = TSimd.MultiplyAdd(v, w2, a8);
                        }

                        if (TPixels.Value > 9)
                        {
                            TVector v = TSimd.Broadcast(*(x + (11 * TChannels.Value)));
                            if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(v, w0, a11);
                            if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(v, w1, a10);
                            a9 = TSimd.MultiplyAdd(v, w2, a9);
                        }

                        if (TPixels.Value > 10)
                        {
                            TVector v = TSimd.Broadcast(*(x + (12 * TChannels.Value)));
                            if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(v, w0, a12);
                            if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(v, w1, a11);
                            a10 = TSimd.MultiplyAdd(v, w2, a10);
                        }

                        if (TPixels.Value > 11)
                        {
                            TVector v = TSimd.Broadcast(*(x + (13 * TChannels.Value)));
                            if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(v, w0, a13);
                            if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(v, w1, a12);
                            a11 = TSimd.MultiplyAdd(v, w2, a11);
                        }

                        if (TPixels.Value > 12)
                        {
                            TVector v = TSimd.Broadcast(*(x + (14 * TChannels.Value)));
                            if (TPixels.Value > 14) a14 = TSimd.MultiplyAdd(v, w0, a14);
                            if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(v, w1, a13);
                            a12 = TSimd.MultiplyAdd(v, w2, a12);
                        }

                        if (TPixels.Value > 13)
                        {
                            TVector v = TSimd.Broadcast(*(x + (15 * TChannels.Value)));
                            if (TPixels.Value > 15) a15 = TSimd.MultiplyAdd(v, w0, a15);
                            if (TPixels.Value > 14) a14 = TSimd.MultiplyAdd(v, w1, a14);
                            a13 = TSimd.MultiplyAdd(v, w2, a13);
                        }

                        if (TPixels.Value > 14)
                        {
                            TVector v = TSimd.Broadcast(*(x + (16 * TChannels.Value)));
                            if (TPixels.Value > 15) a15 = TSimd.MultiplyAdd(v, w1, a15);
                            a14 = TSimd.MultiplyAdd(v, w2, a14);
                        }

                        if (TPixels.Value > 15)
                        {
                            TVector v = TSimd.Broadcast(*(x + (17 * TChannels.Value)));
                            a15 = TSimd.MultiplyAdd(v, w2, a15);
                        }

                        x++;
                        weights += 3 * TSimd.Lanes;
                    }
                }

                block += tile->InputBlockStride;
            }

            TVector low = TSimd.Load(tile->Minimum);
            TVector high = TSimd.Load(tile->Maximum);
            TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
            if (TPixels.Value > 1) TSimd.Store(output + TSimd.Lanes, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
            if (TPixels.Value > 2) TSimd.Store(output + (2 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a2)));
            if (TPixels.Value > 3) TSimd.Store(output + (3 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a3)));
            if (TPixels.Value > 4) TSimd.Store(output + (4 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a4)));
            if (TPixels.Value > 5) TSimd.Store(output + (5 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a5)));
            if (TPixels.Value > 6) TSimd.Store(output + (6 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a6)));
            if (TPixels.Value > 7) TSimd.Store(output + (7 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a7)));
            if (TPixels.Value > 8) TSimd.Store(output + (8 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a8)));
            if (TPixels.Value > 9) TSimd.Store(output + (9 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a9)));
            if (TPixels.Value > 10) TSimd.Store(output + (10 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a10)));
            if (TPixels.Value > 11) TSimd.Store(output + (11 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a11)));
            if (TPixels.Value > 12) TSimd.Store(output + (12 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a12)));
            if (TPixels.Value > 13) TSimd.Store(output + (13 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a13)));
            if (TPixels.Value > 14) TSimd.Store(output + (14 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a14)));
            if (TPixels.Value > 15) TSimd.Store(output + (15 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a15)));

            input += tile->InputStep;
            output += tile->OutputStep;
        }

        tile->NextWeights = next;
    }
}
