namespace CoInference.Kernels.Gpu.Layers;

/// <summary>The list of convolution kernels for devices: the choice, the tests and the tables read it.</summary>
public static class DeviceConvKernels
{
    /// <summary>All rows.</summary>
    public static IReadOnlyList<DeviceConvKernel> All { get; } =
    [
        new ImplicitConvKernel(tileM: 64, tileN: 64, tileK: 8, regM: 4),
        new ImplicitConvKernel(tileM: 128, tileN: 64, tileK: 8, regM: 8),
        new ImplicitConvKernel(tileM: 32, tileN: 128, tileK: 8, regM: 4),
        new ImplicitConvKernel(tileM: 32, tileN: 32, tileK: 16, regM: 2),
        new ImplicitConvKernel(tileM: 16, tileN: 64, tileK: 16, regM: 2),
        new GroupedConvKernel(),
        new BlockConvKernel(),
        new UnstructuredConvKernel(),
    ];
}
