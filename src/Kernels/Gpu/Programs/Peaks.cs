using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>What a device can do at most: floors of other kernels are computed from the times of these.</summary>
internal static class Peaks
{
    /// <summary>Copies values, four per thread.</summary>
    /// <param name="x">Source, from a multiple of 16 bytes on.</param>
    /// <param name="y">Target, from a multiple of 16 bytes on.</param>
    /// <param name="quads">Fours to copy.</param>
    [Kernel]
    public static void Copy(ArrayView<float> x, ArrayView<float> y, int quads)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < quads) Float4.Store(y, 4 * i, Float4.Load(x, 4 * i));
    }

    /// <summary>Eight chains of fused multiply-adds per thread, enough for the latency of one; the result keeps the compiler from leaving them out.</summary>
    /// <param name="y">Receives a value per thread.</param>
    /// <param name="factor">A number that the chains multiply with.</param>
    /// <param name="steps">Multiply-adds of a chain, a multiple of 16.</param>
    [Kernel]
    public static void MultiplyAdd(ArrayView<float> y, float factor, int steps)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        ArrayView<float> chains = LocalMemory.Allocate<float>(8);
        Loop.Unroll();
        for (int k = 0; k < 8; k++) chains[k] = (float)(k + i);
        for (int step = 0; step < steps; step += 16)
        {
            Loop.Unroll();
            for (int k = 0; k < 128; k++) chains[k % 8] = MathF.FusedMultiplyAdd(chains[k % 8], factor, 1);
        }

        float sum = 0;
        Loop.Unroll();
        for (int k = 0; k < 8; k++) sum += chains[k];
        y[i] = sum;
    }
}
