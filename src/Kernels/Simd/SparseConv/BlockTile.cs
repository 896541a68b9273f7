using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Arguments of one call of a block-sparse micro-kernel: neighbouring register tiles of one row, all output channels.</summary>
internal unsafe struct BlockTile
{
    /// <summary>Channel 0, first pixel of the first tile; taps are offsets from here.</summary>
    public float* Input;

    /// <summary>Offset of every kept tap from <see cref="Input"/> in floats, output block by output block.</summary>
    public int* Offsets;

    /// <summary>One weight vector per kept tap.</summary>
    public float* Weights;

    /// <summary>Kept taps of each output block.</summary>
    public int* Counts;

    /// <summary>Bias of every output channel, padded to whole blocks.</summary>
    public float* Bias;

    /// <summary>Lower bound of every output channel; 0 for padding channels.</summary>
    public float* Minimum;

    /// <summary>Upper bound of every output channel; 0 for padding channels.</summary>
    public float* Maximum;

    /// <summary>Residual laid out like the output, or null.</summary>
    public float* Residual;

    /// <summary>First pixel of the first tile in the first output block.</summary>
    public float* Output;

    /// <summary>Floats between output blocks.</summary>
    public nint OutputStride;

    /// <summary>Output blocks.</summary>
    public int Blocks;

    /// <summary>Tiles to do, side by side.</summary>
    public int Tiles;
}

/// <summary>
/// The micro-kernel of the block form: <typeparamref name="TPixels"/> neighbouring output pixels of one block of output
/// channels stay in registers while the kept taps of the block pass. Each tap costs one weight vector and one broadcast
/// multiply-add per pixel, as in the dense kernel; dropped taps cost nothing.
/// </summary>
/// <remarks>
/// All output blocks are computed for a tile before the next one, so that the input a tile reads stays in the first-level
/// cache. The method calls nothing: vector registers do not survive a call.
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the channels of a block.</typeparam>
/// <typeparam name="TPixels">Output pixels, 1 to 28.</typeparam>
internal static unsafe class BlockTile<TSimd, TVector, TPixels>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TPixels : IConstant
{
    /// <summary>Computes <see cref="BlockTile.Tiles"/> tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(BlockTile* tile)
    {
        float* input = tile->Input;
        nint at = 0;
        for (int tiles = tile->Tiles; tiles > 0; tiles--)
        {
            int* offset = tile->Offsets;
            float* weight = tile->Weights;
            float* output = tile->Output + at;
            float* residual = tile->Residual == null ? null : tile->Residual + at;
            for (int block = 0; block < tile->Blocks; block++)
            {
                TVector a0 = TSimd.Load(tile->Bias + ((nint)block * TSimd.Lanes));
                TVector a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
                TVector a6 = a0, a7 = a0, a8 = a0, a9 = a0, a10 = a0;
                TVector a11 = a0, a12 = a0, a13 = a0, a14 = a0, a15 = a0;
                TVector a16 = a0, a17 = a0, a18 = a0, a19 = a0, a20 = a0, a21 = a0;
                TVector a22 = a0, a23 = a0, a24 = a0, a25 = a0, a26 = a0, a27 = a0;
                // Loads are what limits this loop: offsets are read in pairs.
                int left = tile->Counts[block];
                for (; left >= 2; left -= 2, offset += 2, weight += 2 * TSimd.Lanes)
                {
                    ulong offsets = *(ulong*)offset;
                    float* x = input + (uint)offsets;
                    TVector w = TSimd.Load(weight);
                    a0 = TSimd.MultiplyAdd(TSimd.Broadcast(*x), w, a0);
                    if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + TSimd.Lanes)), w, a1);
                    if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (2 * TSimd.Lanes))), w, a2);
                    if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (3 * TSimd.Lanes))), w, a3);
                    if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (4 * TSimd.Lanes))), w, a4);
                    if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (5 * TSimd.Lanes))), w, a5);
                    if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (6 * TSimd.Lanes))), w, a6);
                    if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (7 * TSimd.Lanes))), w, a7);
                    if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (8 * TSimd.Lanes))), w, a8);
                    if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (9 * TSimd.Lanes))), w, a9);
                    if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (10 * TSimd.Lanes))), w, a10);
                    if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (11 * TSimd.Lanes))), w, a11);
                    if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (12 * TSimd.Lanes))), w, a12);
                    if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (13 * TSimd.Lanes))), w, a13);
                    if (TPixels.Value > 14) a14 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (14 * TSimd.Lanes))), w, a14);
                    if (TPixels.Value > 15) a15 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (15 * TSimd.Lanes))), w, a15);
                    if (TPixels.Value > 16) a16 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (16 * TSimd.Lanes))), w, a16);
                    if (TPixels.Value > 17) a17 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (17 * TSimd.Lanes))), w, a17);
                    if (TPixels.Value > 18) a18 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (18 * TSimd.Lanes))), w, a18);
                    if (TPixels.Value > 19) a19 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (19 * TSimd.Lanes))), w, a19);
                    if (TPixels.Value > 20) a20 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (20 * TSimd.Lanes))), w, a20);
                    if (TPixels.Value > 21) a21 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (21 * TSimd.Lanes))), w, a21);
                    if (TPixels.Value > 22) a22 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (22 * TSimd.Lanes))), w, a22);
                    if (TPixels.Value > 23) a23 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (23 * TSimd.Lanes))), w, a23);
                    if (TPixels.Value > 24) a24 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (24 * TSimd.Lanes))), w, a24);
                    if (TPixels.Value > 25) a25 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (25 * TSimd.Lanes))), w, a25);
                    if (TPixels.Value > 26) a26 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (26 * TSimd.Lanes))), w, a26);
                    if (TPixels.Value > 27) a27 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (27 * TSimd.Lanes))), w, a27);
                    x = input + (offsets >> 32);
                    w = TSimd.Load(weight + TSimd.Lanes);
                    a0 = TSimd.MultiplyAdd(TSimd.Broadcast(*x), w, a0);
                    if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + TSimd.Lanes)), w, a1);
                    if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (2 * TSimd.Lanes))), w, a2);
                    if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (3 * TSimd.Lanes))), w, a3);
                    if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (4 * TSimd.Lanes))), w, a4);
                    if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (5 * TSimd.Lanes))), w, a5);
                    if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (6 * TSimd.Lanes))), w, a6);
                    if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (7 * TSimd.Lanes))), w, a7);
                    if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (8 * TSimd.Lanes))), w, a8);
                    if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (9 * TSimd.Lanes))), w, a9);
                    if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (10 * TSimd.Lanes))), w, a10);
                    if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (11 * TSimd.Lanes))), w, a11);
                    if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (12 * TSimd.Lanes))), w, a12);
                    if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (13 * TSimd.Lanes))), w, a13);
                    if (TPixels.Value > 14) a14 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (14 * TSimd.Lanes))), w, a14);
                    if (TPixels.Value > 15) a15 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (15 * TSimd.Lanes))), w, a15);
                    if (TPixels.Value > 16) a16 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (16 * TSimd.Lanes))), w, a16);
                    if (TPixels.Value > 17) a17 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (17 * TSimd.Lanes))), w, a17);
                    if (TPixels.Value > 18) a18 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (18 * TSimd.Lanes))), w, a18);
                    if (TPixels.Value > 19) a19 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (19 * TSimd.Lanes))), w, a19);
                    if (TPixels.Value > 20) a20 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (20 * TSimd.Lanes))), w, a20);
                    if (TPixels.Value > 21) a21 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (21 * TSimd.Lanes))), w, a21);
                    if (TPixels.Value > 22) a22 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (22 * TSimd.Lanes))), w, a22);
                    if (TPixels.Value > 23) a23 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (23 * TSimd.Lanes))), w, a23);
                    if (TPixels.Value > 24) a24 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (24 * TSimd.Lanes))), w, a24);
                    if (TPixels.Value > 25) a25 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (25 * TSimd.Lanes))), w, a25);
                    if (TPixels.Value > 26) a26 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (26 * TSimd.Lanes))), w, a26);
                    if (TPixels.Value > 27) a27 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (27 * TSimd.Lanes))), w, a27);
                }

                if (left > 0)
                {
                    float* x = input + *offset++;
                    TVector w = TSimd.Load(weight);
                    weight += TSimd.Lanes;
                    a0 = TSimd.MultiplyAdd(TSimd.Broadcast(*x), w, a0);
                    if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + TSimd.Lanes)), w, a1);
                    if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (2 * TSimd.Lanes))), w, a2);
                    if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (3 * TSimd.Lanes))), w, a3);
                    if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (4 * TSimd.Lanes))), w, a4);
                    if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (5 * TSimd.Lanes))), w, a5);
                    if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (6 * TSimd.Lanes))), w, a6);
                    if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (7 * TSimd.Lanes))), w, a7);
                    if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (8 * TSimd.Lanes))), w, a8);
                    if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (9 * TSimd.Lanes))), w, a9);
                    if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (10 * TSimd.Lanes))), w, a10);
                    if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (11 * TSimd.Lanes))), w, a11);
                    if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (12 * TSimd.Lanes))), w, a12);
                    if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (13 * TSimd.Lanes))), w, a13);
                    if (TPixels.Value > 14) a14 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (14 * TSimd.Lanes))), w, a14);
                    if (TPixels.Value > 15) a15 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (15 * TSimd.Lanes))), w, a15);
                    if (TPixels.Value > 16) a16 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (16 * TSimd.Lanes))), w, a16);
                    if (TPixels.Value > 17) a17 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (17 * TSimd.Lanes))), w, a17);
                    if (TPixels.Value > 18) a18 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (18 * TSimd.Lanes))), w, a18);
                    if (TPixels.Value > 19) a19 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (19 * TSimd.Lanes))), w, a19);
                    if (TPixels.Value > 20) a20 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (20 * TSimd.Lanes))), w, a20);
                    if (TPixels.Value > 21) a21 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (21 * TSimd.Lanes))), w, a21);
                    if (TPixels.Value > 22) a22 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (22 * TSimd.Lanes))), w, a22);
                    if (TPixels.Value > 23) a23 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (23 * TSimd.Lanes))), w, a23);
                    if (TPixels.Value > 24) a24 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (24 * TSimd.Lanes))), w, a24);
                    if (TPixels.Value > 25) a25 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (25 * TSimd.Lanes))), w, a25);
                    if (TPixels.Value > 26) a26 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (26 * TSimd.Lanes))), w, a26);
                    if (TPixels.Value > 27) a27 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + (27 * TSimd.Lanes))), w, a27);
                }

                if (residual != null)
                {
                    a0 = TSimd.Add(a0, TSimd.Load(residual));
                    if (TPixels.Value > 1) a1 = TSimd.Add(a1, TSimd.Load(residual + TSimd.Lanes));
                    if (TPixels.Value > 2) a2 = TSimd.Add(a2, TSimd.Load(residual + (2 * TSimd.Lanes)));
                    if (TPixels.Value > 3) a3 = TSimd.Add(a3, TSimd.Load(residual + (3 * TSimd.Lanes)));
                    if (TPixels.Value > 4) a4 = TSimd.Add(a4, TSimd.Load(residual + (4 * TSimd.Lanes)));
                    if (TPixels.Value > 5) a5 = TSimd.Add(a5, TSimd.Load(residual + (5 * TSimd.Lanes)));
                    if (TPixels.Value > 6) a6 = TSimd.Add(a6, TSimd.Load(residual + (6 * TSimd.Lanes)));
                    if (TPixels.Value > 7) a7 = TSimd.Add(a7, TSimd.Load(residual + (7 * TSimd.Lanes)));
                    if (TPixels.Value > 8) a8 = TSimd.Add(a8, TSimd.Load(residual + (8 * TSimd.Lanes)));
                    if (TPixels.Value > 9) a9 = TSimd.Add(a9, TSimd.Load(residual + (9 * TSimd.Lanes)));
                    if (TPixels.Value > 10) a10 = TSimd.Add(a10, TSimd.Load(residual + (10 * TSimd.Lanes)));
                    if (TPixels.Value > 11) a11 = TSimd.Add(a11, TSimd.Load(residual + (11 * TSimd.Lanes)));
                    if (TPixels.Value > 12) a12 = TSimd.Add(a12, TSimd.Load(residual + (12 * TSimd.Lanes)));
                    if (TPixels.Value > 13) a13 = TSimd.Add(a13, TSimd.Load(residual + (13 * TSimd.Lanes)));
                    if (TPixels.Value > 14) a14 = TSimd.Add(a14, TSimd.Load(residual + (14 * TSimd.Lanes)));
                    if (TPixels.Value > 15) a15 = TSimd.Add(a15, TSimd.Load(residual + (15 * TSimd.Lanes)));
                    if (TPixels.Value > 16) a16 = TSimd.Add(a16, TSimd.Load(residual + (16 * TSimd.Lanes)));
                    if (TPixels.Value > 17) a17 = TSimd.Add(a17, TSimd.Load(residual + (17 * TSimd.Lanes)));
                    if (TPixels.Value > 18) a18 = TSimd.Add(a18, TSimd.Load(residual + (18 * TSimd.Lanes)));
                    if (TPixels.Value > 19) a19 = TSimd.Add(a19, TSimd.Load(residual + (19 * TSimd.Lanes)));
                    if (TPixels.Value > 20) a20 = TSimd.Add(a20, TSimd.Load(residual + (20 * TSimd.Lanes)));
                    if (TPixels.Value > 21) a21 = TSimd.Add(a21, TSimd.Load(residual + (21 * TSimd.Lanes)));
                    if (TPixels.Value > 22) a22 = TSimd.Add(a22, TSimd.Load(residual + (22 * TSimd.Lanes)));
                    if (TPixels.Value > 23) a23 = TSimd.Add(a23, TSimd.Load(residual + (23 * TSimd.Lanes)));
                    if (TPixels.Value > 24) a24 = TSimd.Add(a24, TSimd.Load(residual + (24 * TSimd.Lanes)));
                    if (TPixels.Value > 25) a25 = TSimd.Add(a25, TSimd.Load(residual + (25 * TSimd.Lanes)));
                    if (TPixels.Value > 26) a26 = TSimd.Add(a26, TSimd.Load(residual + (26 * TSimd.Lanes)));
                    if (TPixels.Value > 27) a27 = TSimd.Add(a27, TSimd.Load(residual + (27 * TSimd.Lanes)));
                    residual += tile->OutputStride;
                }

                TVector low = TSimd.Load(tile->Minimum + ((nint)block * TSimd.Lanes));
                TVector high = TSimd.Load(tile->Maximum + ((nint)block * TSimd.Lanes));
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
                if (TPixels.Value > 16) TSimd.Store(output + (16 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a16)));
                if (TPixels.Value > 17) TSimd.Store(output + (17 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a17)));
                if (TPixels.Value > 18) TSimd.Store(output + (18 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a18)));
                if (TPixels.Value > 19) TSimd.Store(output + (19 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a19)));
                if (TPixels.Value > 20) TSimd.Store(output + (20 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a20)));
                if (TPixels.Value > 21) TSimd.Store(output + (21 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a21)));
                if (TPixels.Value > 22) TSimd.Store(output + (22 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a22)));
                if (TPixels.Value > 23) TSimd.Store(output + (23 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a23)));
                if (TPixels.Value > 24) TSimd.Store(output + (24 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a24)));
                if (TPixels.Value > 25) TSimd.Store(output + (25 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a25)));
                if (TPixels.Value > 26) TSimd.Store(output + (26 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a26)));
                if (TPixels.Value > 27) TSimd.Store(output + (27 * TSimd.Lanes), TSimd.AtMost(high, TSimd.AtLeast(low, a27)));
                output += tile->OutputStride;
            }

            input += TPixels.Value * TSimd.Lanes;
            at += TPixels.Value * TSimd.Lanes;
        }
    }
}
