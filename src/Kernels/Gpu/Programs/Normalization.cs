using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Operations over rows.</summary>
internal static class Normalization
{
    /// <summary>Softmax, or its logarithm, of rows of adjacent values: one group of 64 threads per row.</summary>
    /// <param name="x">Source.</param>
    /// <param name="y">Target; may be the source.</param>
    /// <param name="length">Values of a row.</param>
    /// <param name="isLog">1 for the logarithm.</param>
    [Kernel(GroupX = 64, MayAlias = true)]
    public static void Softmax(ArrayView<float> x, ArrayView<float> y, int length, SpecializedValue<int> isLog)
    {
        const int Threads = 64;
        ArrayView<float> partial = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        int start = Grid.IdxX * length;
        float largest = float.NegativeInfinity;
        for (int i = thread; i < length; i += Threads) largest = MathF.Max(largest, x[start + i]);
        partial[thread] = largest;
        Group.Barrier();
        for (int width = Threads / 2; width > 0; width /= 2)
        {
            if (thread < width) partial[thread] = MathF.Max(partial[thread], partial[thread + width]);
            Group.Barrier();
        }

        largest = partial[0];
        Group.Barrier();
        float sum = 0;
        for (int i = thread; i < length; i += Threads) sum += MathF.Exp(x[start + i] - largest);
        partial[thread] = sum;
        Group.Barrier();
        for (int width = Threads / 2; width > 0; width /= 2)
        {
            if (thread < width) partial[thread] += partial[thread + width];
            Group.Barrier();
        }

        sum = partial[0];
        float logarithm = MathF.Log(sum);
        for (int i = thread; i < length; i += Threads)
            y[start + i] = isLog == 1 ? x[start + i] - largest - logarithm : MathF.Exp(x[start + i] - largest) / sum;
    }
}
