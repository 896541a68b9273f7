using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// The micro-kernel of weight gradients: for one kernel tap, <typeparamref name="TInputs"/> input channels and one block
/// of output channels, the sum over pixels of input x output gradient. A vector of output gradients is loaded once and
/// multiplied with each input channel's float; the sums stay in registers over all pixels.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the output channels.</typeparam>
/// <typeparam name="TInputs">Input channels, 1 to 16.</typeparam>
internal static unsafe class WeightGradientTile<TSimd, TVector, TInputs>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TInputs : IConstant
{
    /// <summary>Adds to the sums, [input channel][lane].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(WeightGradientRows* rows)
    {
        float* sums = rows->Sums;
        TVector a0 = TSimd.Load(sums);
        TVector a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, a4 = TSimd.Zero, a5 = TSimd.Zero, a6 = TSimd.Zero, a7 = TSimd.Zero, a8 = TSimd.Zero, a9 = TSimd.Zero, a10 = TSimd.Zero, a11 = TSimd.Zero, a12 = TSimd.Zero, a13 = TSimd.Zero, a14 = TSimd.Zero, a15 = TSimd.Zero;
        if (TInputs.Value > 1) a1 = TSimd.Load(sums + (1 * TSimd.Lanes));
        if (TInputs.Value > 2) a2 = TSimd.Load(sums + (2 * TSimd.Lanes));
        if (TInputs.Value > 3) a3 = TSimd.Load(sums + (3 * TSimd.Lanes));
        if (TInputs.Value > 4) a4 = TSimd.Load(sums + (4 * TSimd.Lanes));
        if (TInputs.Value > 5) a5 = TSimd.Load(sums + (5 * TSimd.Lanes));
        if (TInputs.Value > 6) a6 = TSimd.Load(sums + (6 * TSimd.Lanes));
        if (TInputs.Value > 7) a7 = TSimd.Load(sums + (7 * TSimd.Lanes));
        if (TInputs.Value > 8) a8 = TSimd.Load(sums + (8 * TSimd.Lanes));
        if (TInputs.Value > 9) a9 = TSimd.Load(sums + (9 * TSimd.Lanes));
        if (TInputs.Value > 10) a10 = TSimd.Load(sums + (10 * TSimd.Lanes));
        if (TInputs.Value > 11) a11 = TSimd.Load(sums + (11 * TSimd.Lanes));
        if (TInputs.Value > 12) a12 = TSimd.Load(sums + (12 * TSimd.Lanes));
        if (TInputs.Value > 13) a13 = TSimd.Load(sums + (13 * TSimd.Lanes));
        if (TInputs.Value > 14) a14 = TSimd.Load(sums + (14 * TSimd.Lanes));
        if (TInputs.Value > 15) a15 = TSimd.Load(sums + (15 * TSimd.Lanes));
        float* inputRow = rows->Input;
        float* gradientRow = rows->Gradient;
        nint pitch = rows->InputPitch;
        for (int row = rows->Rows; row > 0; row--)
        {
            float* x = inputRow;
            float* gradient = gradientRow;
            for (int pixel = rows->Pixels; pixel > 0; pixel--)
            {
                TVector g = TSimd.Load(gradient);
                a0 = TSimd.MultiplyAdd(TSimd.Broadcast(*x), g, a0);
                if (TInputs.Value > 1) a1 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 1)), g, a1);
                if (TInputs.Value > 2) a2 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 2)), g, a2);
                if (TInputs.Value > 3) a3 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 3)), g, a3);
                if (TInputs.Value > 4) a4 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 4)), g, a4);
                if (TInputs.Value > 5) a5 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 5)), g, a5);
                if (TInputs.Value > 6) a6 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 6)), g, a6);
                if (TInputs.Value > 7) a7 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 7)), g, a7);
                if (TInputs.Value > 8) a8 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 8)), g, a8);
                if (TInputs.Value > 9) a9 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 9)), g, a9);
                if (TInputs.Value > 10) a10 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 10)), g, a10);
                if (TInputs.Value > 11) a11 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 11)), g, a11);
                if (TInputs.Value > 12) a12 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 12)), g, a12);
                if (TInputs.Value > 13) a13 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 13)), g, a13);
                if (TInputs.Value > 14) a14 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 14)), g, a14);
                if (TInputs.Value > 15) a15 = TSimd.MultiplyAdd(TSimd.Broadcast(*(x + 15)), g, a15);
                x += pitch;
                gradient += TSimd.Lanes;
            }

            inputRow += rows->InputRowStep;
            gradientRow += rows->GradientRowStep;
        }

        TSimd.Store(sums, a0);
        if (TInputs.Value > 1) TSimd.Store(sums + (1 * TSimd.Lanes), a1);
        if (TInputs.Value > 2) TSimd.Store(sums + (2 * TSimd.Lanes), a2);
        if (TInputs.Value > 3) TSimd.Store(sums + (3 * TSimd.Lanes), a3);
        if (TInputs.Value > 4) TSimd.Store(sums + (4 * TSimd.Lanes), a4);
        if (TInputs.Value > 5) TSimd.Store(sums + (5 * TSimd.Lanes), a5);
        if (TInputs.Value > 6) TSimd.Store(sums + (6 * TSimd.Lanes), a6);
        if (TInputs.Value > 7) TSimd.Store(sums + (7 * TSimd.Lanes), a7);
        if (TInputs.Value > 8) TSimd.Store(sums + (8 * TSimd.Lanes), a8);
        if (TInputs.Value > 9) TSimd.Store(sums + (9 * TSimd.Lanes), a9);
        if (TInputs.Value > 10) TSimd.Store(sums + (10 * TSimd.Lanes), a10);
        if (TInputs.Value > 11) TSimd.Store(sums + (11 * TSimd.Lanes), a11);
        if (TInputs.Value > 12) TSimd.Store(sums + (12 * TSimd.Lanes), a12);
        if (TInputs.Value > 13) TSimd.Store(sums + (13 * TSimd.Lanes), a13);
        if (TInputs.Value > 14) TSimd.Store(sums + (14 * TSimd.Lanes), a14);
        if (TInputs.Value > 15) TSimd.Store(sums + (15 * TSimd.Lanes), a15);
    }
}
