using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Pools on NCHW.</summary>
internal static class Pooling
{
    /// <summary>Maximum or mean of sliding windows, one thread per result.</summary>
    /// <param name="x">Input.</param>
    /// <param name="y">Output.</param>
    /// <param name="shape">Sizes; one channel per plane and as many images as planes.</param>
    /// <param name="isMax">1 for the maximum.</param>
    /// <param name="countsPadding">1 when the mean divides by the whole window also where it reaches over the edge.</param>
    /// <param name="padBottom">Zero rows below the input.</param>
    /// <param name="padRight">Zero columns right of the input.</param>
    [Kernel]
    public static void Window(
        ArrayView<float> x, ArrayView<float> y, ConvGeometry shape, int padBottom, int padRight, SpecializedValue<int> isMax, SpecializedValue<int> countsPadding)
    {
        int outPixels = shape.OutHeight * shape.OutWidth;
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (pixel < outPixels)
        {
            int outY = pixel / shape.OutWidth;
            int firstY = (outY * shape.StrideY) - shape.PadTop;
            int firstX = ((pixel - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
            int source = Grid.IdxY * shape.InHeight * shape.InWidth;
            float result = isMax == 1 ? float.NegativeInfinity : 0f;
            int count = 0;
            for (int ky = 0; ky < shape.KernelHeight; ky++)
            {
                int inY = firstY + (ky * shape.DilationY);
                for (int kx = 0; kx < shape.KernelWidth; kx++)
                {
                    int inX = firstX + (kx * shape.DilationX);
                    if (inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth)
                    {
                        float value = x[source + (inY * shape.InWidth) + inX];
                        result = isMax == 1 ? MathF.Max(result, value) : result + value;
                        count++;
                    }
                    else if (countsPadding == 1 && inY < shape.InHeight + padBottom && inX < shape.InWidth + padRight)
                    {
                        count++;
                    }
                }
            }

            y[(Grid.IdxY * outPixels) + pixel] = isMax == 1 ? result : result / count;
        }
    }

    /// <summary>Maximum or mean of a whole plane: one group of 64 threads per plane.</summary>
    /// <param name="x">Input, a plane after the other.</param>
    /// <param name="y">One value per plane.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="isMax">1 for the maximum.</param>
    [Kernel(GroupX = 64)]
    public static void Plane(ArrayView<float> x, ArrayView<float> y, int pixels, SpecializedValue<int> isMax)
    {
        const int Threads = 64;
        ArrayView<float> partial = SharedMemory.Allocate<float>(Threads);
        int thread = Group.IdxX;
        int start = Grid.IdxX * pixels;
        float result = isMax == 1 ? float.NegativeInfinity : 0f;
        for (int i = thread; i < pixels; i += Threads) result = isMax == 1 ? MathF.Max(result, x[start + i]) : result + x[start + i];
        partial[thread] = result;
        Group.Barrier();
        for (int width = Threads / 2; width > 0; width /= 2)
        {
            if (thread < width)
            {
                float other = partial[thread + width];
                partial[thread] = isMax == 1 ? MathF.Max(partial[thread], other) : partial[thread] + other;
            }

            Group.Barrier();
        }

        if (thread == 0) y[Grid.IdxX] = isMax == 1 ? partial[0] : partial[0] / pixels;
    }
}
