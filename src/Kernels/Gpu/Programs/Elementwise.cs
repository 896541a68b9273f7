using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Operations on single values. One thread per value; views may share memory.</summary>
internal static class Elementwise
{
    /// <summary>y = clamp(x).</summary>
    [Kernel(MayAlias = true)]
    public static void Clamp(ArrayView<float> x, ArrayView<float> y, int count, float minimum, float maximum)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count) y[i] = MathF.Min(MathF.Max(x[i], minimum), maximum);
    }

    /// <summary>z = clamp(x + y).</summary>
    [Kernel(MayAlias = true)]
    public static void AddClamp(ArrayView<float> x, ArrayView<float> y, ArrayView<float> z, int count, float minimum, float maximum)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count) z[i] = MathF.Min(MathF.Max(x[i] + y[i], minimum), maximum);
    }
}
