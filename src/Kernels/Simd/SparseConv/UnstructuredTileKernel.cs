using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// The micro-kernel of the unstructured form: every weight that is not zero is broadcast and multiplied with
/// <typeparamref name="TVectors"/> neighbouring vectors of input at a precomputed offset.
/// </summary>
/// <remarks>
/// Tiles of up to six vectors sum the weights of a channel in two chains, because one chain would wait for the latency of
/// the multiply-add. The method calls nothing: vector registers do not survive a call. E. Elsen, M. Dukhan, T. Gale,
/// K. Simonyan, "Fast Sparse ConvNets", 2019, for 1x1 layers; J. Park et al., "Faster CNNs with Direct Sparse Convolutions
/// and Guided Pruning", 2017, for the offsets of k x k.
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TVectors">Vectors of the tile, 1 to 8.</typeparam>
internal static unsafe class UnstructuredTile<TSimd, TVector, TVectors>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TVectors : IConstant
{
    /// <summary>Adds a chunk of input channels to <see cref="UnstructuredTile.Channels"/> output channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(UnstructuredTile* tile)
    {
        float* input = tile->Input;
        int* offset = tile->Offsets;
        float* value = tile->Values;
        int* counts = tile->Counts;
        float* bias = tile->Bias;
        float* sums = tile->Sums;
        float* output = tile->Output;
        float* residual = tile->Residual;
        nint stride = tile->OutputStride, next = tile->OutputVectorStride;
        TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
        ulong pair = *(ulong*)offset, secondPair = *(ulong*)(offset + 2), nextPair = *(ulong*)(offset + 4), nextSecondPair = *(ulong*)(offset + 6);
        for (int channel = 0; channel < tile->Channels; channel++, sums += TVectors.Value * TSimd.Lanes)
        {
            TVector a0, a1, a2, a3, a4, a5, a6, a7;
            if (bias != null)
            {
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = TSimd.Broadcast(bias[channel]);
            }
            else
            {
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = TSimd.Load(sums);
                if (TVectors.Value > 1) a1 = TSimd.Load(sums + TSimd.Lanes);
                if (TVectors.Value > 2) a2 = TSimd.Load(sums + (2 * TSimd.Lanes));
                if (TVectors.Value > 3) a3 = TSimd.Load(sums + (3 * TSimd.Lanes));
                if (TVectors.Value > 4) a4 = TSimd.Load(sums + (4 * TSimd.Lanes));
                if (TVectors.Value > 5) a5 = TSimd.Load(sums + (5 * TSimd.Lanes));
                if (TVectors.Value > 6) a6 = TSimd.Load(sums + (6 * TSimd.Lanes));
                if (TVectors.Value > 7) a7 = TSimd.Load(sums + (7 * TSimd.Lanes));
            }

            // Four weights at a time. Loads are what limits this loop, and those of the input must not wait for their offsets, which are
            // read in pairs and two steps ahead.
            int left = counts[channel];
            if (TVectors.Value <= 6)
            {
                TVector b0 = TSimd.Zero, b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0;
                for (; left >= 4; left -= 4, offset += 4, value += 4)
                {
                    float* x = input + (uint)pair, y = input + (pair >> 32), z = input + (uint)secondPair, u = input + (secondPair >> 32);
                    pair = nextPair;
                    secondPair = nextSecondPair;
                    nextPair = *(ulong*)(offset + 8);
                    nextSecondPair = *(ulong*)(offset + 10);
                    TVector w = TSimd.Broadcast(value[0]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(x + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(x + (5 * TSimd.Lanes)), w, a5);
                    w = TSimd.Broadcast(value[1]);
                    b0 = TSimd.MultiplyAdd(TSimd.Load(y), w, b0);
                    if (TVectors.Value > 1) b1 = TSimd.MultiplyAdd(TSimd.Load(y + TSimd.Lanes), w, b1);
                    if (TVectors.Value > 2) b2 = TSimd.MultiplyAdd(TSimd.Load(y + (2 * TSimd.Lanes)), w, b2);
                    if (TVectors.Value > 3) b3 = TSimd.MultiplyAdd(TSimd.Load(y + (3 * TSimd.Lanes)), w, b3);
                    if (TVectors.Value > 4) b4 = TSimd.MultiplyAdd(TSimd.Load(y + (4 * TSimd.Lanes)), w, b4);
                    if (TVectors.Value > 5) b5 = TSimd.MultiplyAdd(TSimd.Load(y + (5 * TSimd.Lanes)), w, b5);
                    w = TSimd.Broadcast(value[2]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(z), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(z + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(z + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(z + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(z + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(z + (5 * TSimd.Lanes)), w, a5);
                    w = TSimd.Broadcast(value[3]);
                    b0 = TSimd.MultiplyAdd(TSimd.Load(u), w, b0);
                    if (TVectors.Value > 1) b1 = TSimd.MultiplyAdd(TSimd.Load(u + TSimd.Lanes), w, b1);
                    if (TVectors.Value > 2) b2 = TSimd.MultiplyAdd(TSimd.Load(u + (2 * TSimd.Lanes)), w, b2);
                    if (TVectors.Value > 3) b3 = TSimd.MultiplyAdd(TSimd.Load(u + (3 * TSimd.Lanes)), w, b3);
                    if (TVectors.Value > 4) b4 = TSimd.MultiplyAdd(TSimd.Load(u + (4 * TSimd.Lanes)), w, b4);
                    if (TVectors.Value > 5) b5 = TSimd.MultiplyAdd(TSimd.Load(u + (5 * TSimd.Lanes)), w, b5);
                }

                a0 = TSimd.Add(a0, b0);
                if (TVectors.Value > 1) a1 = TSimd.Add(a1, b1);
                if (TVectors.Value > 2) a2 = TSimd.Add(a2, b2);
                if (TVectors.Value > 3) a3 = TSimd.Add(a3, b3);
                if (TVectors.Value > 4) a4 = TSimd.Add(a4, b4);
                if (TVectors.Value > 5) a5 = TSimd.Add(a5, b5);
            }
            else
            {
                for (; left >= 4; left -= 4, offset += 4, value += 4)
                {
                    float* x = input + (uint)pair, y = input + (pair >> 32), z = input + (uint)secondPair, u = input + (secondPair >> 32);
                    pair = nextPair;
                    secondPair = nextSecondPair;
                    nextPair = *(ulong*)(offset + 8);
                    nextSecondPair = *(ulong*)(offset + 10);
                    TVector w = TSimd.Broadcast(value[0]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(x + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(x + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(x + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(x + (7 * TSimd.Lanes)), w, a7);
                    w = TSimd.Broadcast(value[1]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(y), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(y + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(y + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(y + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(y + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(y + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(y + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(y + (7 * TSimd.Lanes)), w, a7);
                    w = TSimd.Broadcast(value[2]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(z), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(z + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(z + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(z + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(z + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(z + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(z + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(z + (7 * TSimd.Lanes)), w, a7);
                    w = TSimd.Broadcast(value[3]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(u), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(u + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(u + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(u + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(u + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(u + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(u + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(u + (7 * TSimd.Lanes)), w, a7);
                }
            }

            if (left > 0)
            {
                float* x = input + (uint)pair, y = input + (pair >> 32), z = input + (uint)secondPair;
                pair = nextPair;
                secondPair = nextSecondPair;
                nextPair = *(ulong*)(offset + 8);
                nextSecondPair = *(ulong*)(offset + 10);
                TVector w = TSimd.Broadcast(value[0]);
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(x + TSimd.Lanes), w, a1);
                if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TSimd.Lanes)), w, a2);
                if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TSimd.Lanes)), w, a3);
                if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(x + (4 * TSimd.Lanes)), w, a4);
                if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(x + (5 * TSimd.Lanes)), w, a5);
                if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(x + (6 * TSimd.Lanes)), w, a6);
                if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(x + (7 * TSimd.Lanes)), w, a7);
                if (left > 1)
                {
                    w = TSimd.Broadcast(value[1]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(y), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(y + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(y + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(y + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(y + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(y + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(y + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(y + (7 * TSimd.Lanes)), w, a7);
                }

                if (left > 2)
                {
                    w = TSimd.Broadcast(value[2]);
                    a0 = TSimd.MultiplyAdd(TSimd.Load(z), w, a0);
                    if (TVectors.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Load(z + TSimd.Lanes), w, a1);
                    if (TVectors.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Load(z + (2 * TSimd.Lanes)), w, a2);
                    if (TVectors.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Load(z + (3 * TSimd.Lanes)), w, a3);
                    if (TVectors.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Load(z + (4 * TSimd.Lanes)), w, a4);
                    if (TVectors.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Load(z + (5 * TSimd.Lanes)), w, a5);
                    if (TVectors.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Load(z + (6 * TSimd.Lanes)), w, a6);
                    if (TVectors.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Load(z + (7 * TSimd.Lanes)), w, a7);
                }

                offset += 4;
                value += 4;
            }

            if (output == null)
            {
                TSimd.Store(sums, a0);
                if (TVectors.Value > 1) TSimd.Store(sums + TSimd.Lanes, a1);
                if (TVectors.Value > 2) TSimd.Store(sums + (2 * TSimd.Lanes), a2);
                if (TVectors.Value > 3) TSimd.Store(sums + (3 * TSimd.Lanes), a3);
                if (TVectors.Value > 4) TSimd.Store(sums + (4 * TSimd.Lanes), a4);
                if (TVectors.Value > 5) TSimd.Store(sums + (5 * TSimd.Lanes), a5);
                if (TVectors.Value > 6) TSimd.Store(sums + (6 * TSimd.Lanes), a6);
                if (TVectors.Value > 7) TSimd.Store(sums + (7 * TSimd.Lanes), a7);
                continue;
            }

            if (residual != null)
            {
                a0 = TSimd.Add(a0, TSimd.Load(residual));
                if (TVectors.Value > 1) a1 = TSimd.Add(a1, TSimd.Load(residual + next));
                if (TVectors.Value > 2) a2 = TSimd.Add(a2, TSimd.Load(residual + (2 * next)));
                if (TVectors.Value > 3) a3 = TSimd.Add(a3, TSimd.Load(residual + (3 * next)));
                if (TVectors.Value > 4) a4 = TSimd.Add(a4, TSimd.Load(residual + (4 * next)));
                if (TVectors.Value > 5) a5 = TSimd.Add(a5, TSimd.Load(residual + (5 * next)));
                if (TVectors.Value > 6) a6 = TSimd.Add(a6, TSimd.Load(residual + (6 * next)));
                if (TVectors.Value > 7) a7 = TSimd.Add(a7, TSimd.Load(residual + (7 * next)));
                residual += stride;
            }

            TSimd.Store(output, TSimd.AtMost(high, TSimd.AtLeast(low, a0)));
            if (TVectors.Value > 1) TSimd.Store(output + next, TSimd.AtMost(high, TSimd.AtLeast(low, a1)));
            if (TVectors.Value > 2) TSimd.Store(output + (2 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a2)));
            if (TVectors.Value > 3) TSimd.Store(output + (3 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a3)));
            if (TVectors.Value > 4) TSimd.Store(output + (4 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a4)));
            if (TVectors.Value > 5) TSimd.Store(output + (5 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a5)));
            if (TVectors.Value > 6) TSimd.Store(output + (6 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a6)));
            if (TVectors.Value > 7) TSimd.Store(output + (7 * next), TSimd.AtMost(high, TSimd.AtLeast(low, a7)));
            output += stride;
        }
    }
}
