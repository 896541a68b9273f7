using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// The micro-kernel of depthwise convolutions: <typeparamref name="TPixels"/> neighbouring output pixels of one channel
/// block. Each tap's weights are loaded once per tile and multiplied with a vector of channels per pixel.
/// </summary>
/// <remarks>
/// Padding is never read: the caller drops kernel rows outside the image, and the first and the last pixel of a row skip
/// the kernel columns outside it. Three columns are unrolled, so that an input vector is loaded once for all the pixels
/// that see it; the conditions then name the first and last one or two input columns of a row. Every type argument is a constant to the compiler; unused accumulators vanish.
/// </remarks>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the channels of a block.</typeparam>
/// <typeparam name="TStride">Horizontal step between output pixels, in input pixels.</typeparam>
/// <typeparam name="TKernel">Kernel columns if they are 3, adjacent and read in place; 0 for any.</typeparam>
/// <typeparam name="TPixels">Output pixels per tile, 1 to 14.</typeparam>
internal static unsafe class DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, TPixels>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TStride : IConstant
    where TKernel : IConstant
    where TPixels : IConstant
{
    /// <summary>Computes <see cref="DepthwiseTile.Tiles"/> tiles in each of <see cref="DepthwiseTile.Rows"/> rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(DepthwiseTile* tile)
    {
        float* inputRow = tile->Input;
        float* outputRow = tile->Output;
        float* addendRow = tile->Addend;
        TVector bias = TSimd.Load(tile->Bias);
        for (int rows = tile->Rows; rows > 0; rows--)
        {
            float* input = inputRow;
            float* output = outputRow;
            float* addend = addendRow;
            int left = tile->LeftClip;
            for (int tiles = tile->Tiles; tiles > 0; tiles--)
            {
                int right = tiles == 1 ? tile->RightEnd : tile->KernelColumns;
                TVector a0 = bias, a1 = bias, a2 = bias, a3 = bias, a4 = bias, a5 = bias, a6 = bias;
                TVector a7 = bias, a8 = bias, a9 = bias, a10 = bias, a11 = bias, a12 = bias, a13 = bias;
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
                    addend += TPixels.Value * TSimd.Lanes;
                }

                float* weights = tile->Weights;
                float* tapRow = input;
                for (int ky = tile->KernelRows; ky > 0; ky--)
                {
                    if (TKernel.Value == 3)
                    {
                        TVector w0 = TSimd.Load(weights);
                        TVector w1 = TSimd.Load(weights + TSimd.Lanes);
                        TVector w2 = TSimd.Load(weights + (2 * TSimd.Lanes));
                        if (TStride.Value == 1)
                        {
                            if (left < 1)
                            {
                                TVector v = TSimd.Load(tapRow);
                                a0 = TSimd.MultiplyAdd(v, w0, a0);
                            }

                            {
                                TVector v = TSimd.Load(tapRow + TSimd.Lanes);
                                if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(v, w0, a1);
                                a0 = TSimd.MultiplyAdd(v, w1, a0);
                            }

                            if (TPixels.Value > 1 || (TPixels.Value == 1 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (2 * TSimd.Lanes));
                                if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(v, w0, a2);
                                if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(v, w1, a1);
                                a0 = TSimd.MultiplyAdd(v, w2, a0);
                            }

                            if (TPixels.Value > 2 || (TPixels.Value == 2 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (3 * TSimd.Lanes));
                                if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(v, w0, a3);
                                if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(v, w1, a2);
                                a1 = TSimd.MultiplyAdd(v, w2, a1);
                            }

                            if (TPixels.Value > 3 || (TPixels.Value == 3 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (4 * TSimd.Lanes));
                                if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(v, w0, a4);
                                if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(v, w1, a3);
                                a2 = TSimd.MultiplyAdd(v, w2, a2);
                            }

                            if (TPixels.Value > 4 || (TPixels.Value == 4 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (5 * TSimd.Lanes));
                                if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(v, w0, a5);
                                if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(v, w1, a4);
                                a3 = TSimd.MultiplyAdd(v, w2, a3);
                            }

                            if (TPixels.Value > 5 || (TPixels.Value == 5 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (6 * TSimd.Lanes));
                                if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(v, w0, a6);
                                if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(v, w1, a5);
                                a4 = TSimd.MultiplyAdd(v, w2, a4);
                            }

                            if (TPixels.Value > 6 || (TPixels.Value == 6 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (7 * TSimd.Lanes));
                                if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(v, w0, a7);
                                if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(v, w1, a6);
                                a5 = TSimd.MultiplyAdd(v, w2, a5);
                            }

                            if (TPixels.Value > 7 || (TPixels.Value == 7 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (8 * TSimd.Lanes));
                                if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(v, w0, a8);
                                if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(v, w1, a7);
                                a6 = TSimd.MultiplyAdd(v, w2, a6);
                            }

                            if (TPixels.Value > 8 || (TPixels.Value == 8 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (9 * TSimd.Lanes));
                                if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(v, w0, a9);
                                if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(v, w1, a8);
                                a7 = TSimd.MultiplyAdd(v, w2, a7);
                            }

                            if (TPixels.Value > 9 || (TPixels.Value == 9 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (10 * TSimd.Lanes));
                                if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(v, w0, a10);
                                if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(v, w1, a9);
                                a8 = TSimd.MultiplyAdd(v, w2, a8);
                            }

                            if (TPixels.Value > 10 || (TPixels.Value == 10 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (11 * TSimd.Lanes));
                                if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(v, w0, a11);
                                if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(v, w1, a10);
                                a9 = TSimd.MultiplyAdd(v, w2, a9);
                            }

                            if (TPixels.Value > 11 || (TPixels.Value == 11 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (12 * TSimd.Lanes));
                                if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(v, w0, a12);
                                if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(v, w1, a11);
                                a10 = TSimd.MultiplyAdd(v, w2, a10);
                            }

                            if (TPixels.Value > 12 || (TPixels.Value == 12 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (13 * TSimd.Lanes));
                                if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(v, w0, a13);
                                if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(v, w1, a12);
                                a11 = TSimd.MultiplyAdd(v, w2, a11);
                            }

                            if (TPixels.Value > 13 || (TPixels.Value == 13 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (14 * TSimd.Lanes));
                                if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(v, w1, a13);
                                a12 = TSimd.MultiplyAdd(v, w2, a12);
                            }

                            if (TPixels.Value > 14 || (TPixels.Value == 14 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (15 * TSimd.Lanes));
                                a13 = TSimd.MultiplyAdd(v, w2, a13);
                            }
                        }
                        else
                        {
                            if (left < 1)
                            {
                                TVector v = TSimd.Load(tapRow);
                                a0 = TSimd.MultiplyAdd(v, w0, a0);
                            }

                            if (left < 2 && (TPixels.Value > 1 || right > 1)) a0 = TSimd.MultiplyAdd(TSimd.Load(tapRow + TSimd.Lanes), w1, a0);

                            if (TPixels.Value > 1 || (TPixels.Value == 1 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (2 * TSimd.Lanes));
                                if (TPixels.Value > 1) a1 = TSimd.MultiplyAdd(v, w0, a1);
                                a0 = TSimd.MultiplyAdd(v, w2, a0);
                            }

                            if (TPixels.Value > 2 || (TPixels.Value == 2 && right > 1)) a1 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (3 * TSimd.Lanes)), w1, a1);

                            if (TPixels.Value > 2 || (TPixels.Value == 2 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (4 * TSimd.Lanes));
                                if (TPixels.Value > 2) a2 = TSimd.MultiplyAdd(v, w0, a2);
                                a1 = TSimd.MultiplyAdd(v, w2, a1);
                            }

                            if (TPixels.Value > 3 || (TPixels.Value == 3 && right > 1)) a2 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (5 * TSimd.Lanes)), w1, a2);

                            if (TPixels.Value > 3 || (TPixels.Value == 3 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (6 * TSimd.Lanes));
                                if (TPixels.Value > 3) a3 = TSimd.MultiplyAdd(v, w0, a3);
                                a2 = TSimd.MultiplyAdd(v, w2, a2);
                            }

                            if (TPixels.Value > 4 || (TPixels.Value == 4 && right > 1)) a3 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (7 * TSimd.Lanes)), w1, a3);

                            if (TPixels.Value > 4 || (TPixels.Value == 4 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (8 * TSimd.Lanes));
                                if (TPixels.Value > 4) a4 = TSimd.MultiplyAdd(v, w0, a4);
                                a3 = TSimd.MultiplyAdd(v, w2, a3);
                            }

                            if (TPixels.Value > 5 || (TPixels.Value == 5 && right > 1)) a4 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (9 * TSimd.Lanes)), w1, a4);

                            if (TPixels.Value > 5 || (TPixels.Value == 5 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (10 * TSimd.Lanes));
                                if (TPixels.Value > 5) a5 = TSimd.MultiplyAdd(v, w0, a5);
                                a4 = TSimd.MultiplyAdd(v, w2, a4);
                            }

                            if (TPixels.Value > 6 || (TPixels.Value == 6 && right > 1)) a5 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (11 * TSimd.Lanes)), w1, a5);

                            if (TPixels.Value > 6 || (TPixels.Value == 6 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (12 * TSimd.Lanes));
                                if (TPixels.Value > 6) a6 = TSimd.MultiplyAdd(v, w0, a6);
                                a5 = TSimd.MultiplyAdd(v, w2, a5);
                            }

                            if (TPixels.Value > 7 || (TPixels.Value == 7 && right > 1)) a6 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (13 * TSimd.Lanes)), w1, a6);

                            if (TPixels.Value > 7 || (TPixels.Value == 7 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (14 * TSimd.Lanes));
                                if (TPixels.Value > 7) a7 = TSimd.MultiplyAdd(v, w0, a7);
                                a6 = TSimd.MultiplyAdd(v, w2, a6);
                            }

                            if (TPixels.Value > 8 || (TPixels.Value == 8 && right > 1)) a7 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (15 * TSimd.Lanes)), w1, a7);

                            if (TPixels.Value > 8 || (TPixels.Value == 8 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (16 * TSimd.Lanes));
                                if (TPixels.Value > 8) a8 = TSimd.MultiplyAdd(v, w0, a8);
                                a7 = TSimd.MultiplyAdd(v, w2, a7);
                            }

                            if (TPixels.Value > 9 || (TPixels.Value == 9 && right > 1)) a8 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (17 * TSimd.Lanes)), w1, a8);

                            if (TPixels.Value > 9 || (TPixels.Value == 9 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (18 * TSimd.Lanes));
                                if (TPixels.Value > 9) a9 = TSimd.MultiplyAdd(v, w0, a9);
                                a8 = TSimd.MultiplyAdd(v, w2, a8);
                            }

                            if (TPixels.Value > 10 || (TPixels.Value == 10 && right > 1)) a9 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (19 * TSimd.Lanes)), w1, a9);

                            if (TPixels.Value > 10 || (TPixels.Value == 10 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (20 * TSimd.Lanes));
                                if (TPixels.Value > 10) a10 = TSimd.MultiplyAdd(v, w0, a10);
                                a9 = TSimd.MultiplyAdd(v, w2, a9);
                            }

                            if (TPixels.Value > 11 || (TPixels.Value == 11 && right > 1)) a10 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (21 * TSimd.Lanes)), w1, a10);

                            if (TPixels.Value > 11 || (TPixels.Value == 11 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (22 * TSimd.Lanes));
                                if (TPixels.Value > 11) a11 = TSimd.MultiplyAdd(v, w0, a11);
                                a10 = TSimd.MultiplyAdd(v, w2, a10);
                            }

                            if (TPixels.Value > 12 || (TPixels.Value == 12 && right > 1)) a11 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (23 * TSimd.Lanes)), w1, a11);

                            if (TPixels.Value > 12 || (TPixels.Value == 12 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (24 * TSimd.Lanes));
                                if (TPixels.Value > 12) a12 = TSimd.MultiplyAdd(v, w0, a12);
                                a11 = TSimd.MultiplyAdd(v, w2, a11);
                            }

                            if (TPixels.Value > 13 || (TPixels.Value == 13 && right > 1)) a12 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (25 * TSimd.Lanes)), w1, a12);

                            if (TPixels.Value > 13 || (TPixels.Value == 13 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (26 * TSimd.Lanes));
                                if (TPixels.Value > 13) a13 = TSimd.MultiplyAdd(v, w0, a13);
                                a12 = TSimd.MultiplyAdd(v, w2, a12);
                            }

                            if (TPixels.Value > 14 || (TPixels.Value == 14 && right > 1)) a13 = TSimd.MultiplyAdd(TSimd.Load(tapRow + (27 * TSimd.Lanes)), w1, a13);

                            if (TPixels.Value > 14 || (TPixels.Value == 14 && right > 2))
                            {
                                TVector v = TSimd.Load(tapRow + (28 * TSimd.Lanes));
                                a13 = TSimd.MultiplyAdd(v, w2, a13);
                            }
                        }

                        weights += 3 * TSimd.Lanes;
                    }
                    else
                    {
                        nint* columns = tile->TapColumns;
                        for (int kx = 0; kx < tile->KernelColumns; kx++)
                        {
                            TVector w = TSimd.Load(weights);
                            float* x = tapRow + columns[kx];
                            if (TPixels.Value == 1)
                            {
                                if (kx >= left && kx < right) a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                            }
                            else
                            {
                                if (kx >= left) a0 = TSimd.MultiplyAdd(TSimd.Load(x), w, a0);
                                if (TPixels.Value > 2 || (TPixels.Value == 2 && kx < right)) a1 = TSimd.MultiplyAdd(TSimd.Load(x + (TStride.Value * TSimd.Lanes)), w, a1);
                                if (TPixels.Value > 3 || (TPixels.Value == 3 && kx < right)) a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * TStride.Value * TSimd.Lanes)), w, a2);
                                if (TPixels.Value > 4 || (TPixels.Value == 4 && kx < right)) a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * TStride.Value * TSimd.Lanes)), w, a3);
                                if (TPixels.Value > 5 || (TPixels.Value == 5 && kx < right)) a4 = TSimd.MultiplyAdd(TSimd.Load(x + (4 * TStride.Value * TSimd.Lanes)), w, a4);
                                if (TPixels.Value > 6 || (TPixels.Value == 6 && kx < right)) a5 = TSimd.MultiplyAdd(TSimd.Load(x + (5 * TStride.Value * TSimd.Lanes)), w, a5);
                                if (TPixels.Value > 7 || (TPixels.Value == 7 && kx < right)) a6 = TSimd.MultiplyAdd(TSimd.Load(x + (6 * TStride.Value * TSimd.Lanes)), w, a6);
                                if (TPixels.Value > 8 || (TPixels.Value == 8 && kx < right)) a7 = TSimd.MultiplyAdd(TSimd.Load(x + (7 * TStride.Value * TSimd.Lanes)), w, a7);
                                if (TPixels.Value > 9 || (TPixels.Value == 9 && kx < right)) a8 = TSimd.MultiplyAdd(TSimd.Load(x + (8 * TStride.Value * TSimd.Lanes)), w, a8);
                                if (TPixels.Value > 10 || (TPixels.Value == 10 && kx < right)) a9 = TSimd.MultiplyAdd(TSimd.Load(x + (9 * TStride.Value * TSimd.Lanes)), w, a9);
                                if (TPixels.Value > 11 || (TPixels.Value == 11 && kx < right)) a10 = TSimd.MultiplyAdd(TSimd.Load(x + (10 * TStride.Value * TSimd.Lanes)), w, a10);
                                if (TPixels.Value > 12 || (TPixels.Value == 12 && kx < right)) a11 = TSimd.MultiplyAdd(TSimd.Load(x + (11 * TStride.Value * TSimd.Lanes)), w, a11);
                                if (TPixels.Value > 13 || (TPixels.Value == 13 && kx < right)) a12 = TSimd.MultiplyAdd(TSimd.Load(x + (12 * TStride.Value * TSimd.Lanes)), w, a12);
                                if (TPixels.Value == 14 && kx < right) a13 = TSimd.MultiplyAdd(TSimd.Load(x + (13 * TStride.Value * TSimd.Lanes)), w, a13);
                            }

                            weights += TSimd.Lanes;
                        }
                    }

                    tapRow += tile->TapRowStep;
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

                input += TPixels.Value * TStride.Value * TSimd.Lanes;
                output += TPixels.Value * TSimd.Lanes;
                left = 0;
            }

            inputRow += tile->InputRowStep;
            outputRow += tile->OutputRowStep;
            if (addendRow != null) addendRow += tile->OutputRowStep;
        }
    }
}
