namespace CoInference.Kernels.Registry;

/// <summary>Every convolution kernel of this build, one row each.</summary>
public static class ConvKernels
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<ConvKernel> All { get; } =
    [
    ];

    /// <summary>Rows that support <paramref name="shape"/> and skip zeros of <paramref name="form"/>.</summary>
    public static IEnumerable<ConvKernel> For(ConvShape shape, WeightForm form) =>
        All.Where(kernel => kernel.Form == form && kernel.Supports(shape));
}
