using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>The list of convolution kernels for devices: the choice, the tests and the tables read it.</summary>
public static class DeviceConvKernels
{
    /// <summary>All rows.</summary>
    public static IReadOnlyList<DeviceConvKernel> All { get; } =
    [
        .. ProductTile.All.Select(tile => new ImplicitConvKernel(tile)),
        .. ProductTile.OfSplits.Select(tile => new ImplicitConvKernel(tile, splits: true)),
        .. ProductTile.All.Select(tile => new PointwiseConvKernel(new TiledGemmKernel(tile))),
        .. ProductTile.OfSplits.Select(tile => new PointwiseConvKernel(new TiledGemmKernel(tile, splits: true))),
        new WinogradConvKernel(size: 2),
        new WinogradConvKernel(size: 4),
        new DepthwiseConvKernel(rows: 2),
        new DepthwiseConvKernel(rows: 4),
        new GroupedConvKernel(),
        new SparseConvKernel(WeightForm.Block, perThread: 1),
        new SparseConvKernel(WeightForm.Block, perThread: 4),
        new SparseConvKernel(WeightForm.Unstructured, perThread: 1),
        new SparseConvKernel(WeightForm.Unstructured, perThread: 4),
    ];

    /// <summary>Rows whose products round their factors; only for who asks for it.</summary>
    public static IReadOnlyList<DeviceConvKernel> Rounding { get; } =
    [
        .. new[] { ProductPrecision.Tf32, ProductPrecision.BFloat16, ProductPrecision.Float16 }.SelectMany(precision => new[]
        {
            new TensorConvKernel(precision, tileM: 128, tileN: 128),
            new TensorConvKernel(precision, tileM: 128, tileN: 64),
            new TensorConvKernel(precision, tileM: 64, tileN: 64),
            new TensorConvKernel(precision, tileM: 32, tileN: 64),
        }),
    ];

    /// <summary>The rows that do not round their factors, and those that round them to one of some precisions.</summary>
    /// <param name="precisions">To what factors may be rounded.</param>
    public static IEnumerable<DeviceConvKernel> Within(params IReadOnlyCollection<ProductPrecision> precisions) =>
        All.Concat(Rounding.Where(kernel => precisions.Contains(kernel.Precision)));
}
