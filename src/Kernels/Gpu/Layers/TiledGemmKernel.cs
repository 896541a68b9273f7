using CoInference.Kernels.Gpu.Programs;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Tiled product (<see cref="MatrixProduct.Tiled"/>) with one choice of tiles.</summary>
/// <param name="tile">The tiles.</param>
/// <param name="splits">Whether the depth is cut into shares that are summed in a second pass.</param>
internal sealed class TiledGemmKernel(ProductTile tile, bool splits = false) : DeviceGemmKernel
{
    private const int Padding = 4;
    private const int JoinThreads = 256;

    public override string Name => $"gemm.{tile}{(splits ? ".split" : "")}";

    // The second pass knows channels of planes only: rows of results, with a factor of the product of 1.
    public override bool Supports(GemmShape shape, in GemmEpilogue epilogue, DeviceLimits limits) =>
        tile.Threads <= limits.MaxGroupThreads && tile.SharedBytes(Padding) <= limits.SharedBytes
        && shape.Count * Splits(shape, limits) <= DeviceConvKernel.MostGroupsAlongZ && ProductTile.Tiles(shape.Rows, tile.M) <= DeviceConvKernel.MostGroupsAlongZ
        && (!splits || (Splits(shape, limits) > 1 && epilogue is { Alpha: 1, Beta: 1, Bias: GemmBias.PerRow or GemmBias.PerColumn } && (shape.Count == 1 || shape.CountA == 1)));

    public override double Cost(GemmShape shape, DeviceLimits limits)
    {
        int shares = Splits(shape, limits);
        double cost = tile.Cost(Groups(shape) * shares, ProductTile.Tiles(shape.Depth, shares), limits);
        return shares == 1 ? cost : cost + ((1 + (2.0 * shares)) * shape.OutputCount * DeviceConvKernel.PerValueMoved);
    }

    public override long WorkspaceValues(GemmShape shape, DeviceLimits limits) => Splits(shape, limits) is var shares and > 1 ? shares * shape.OutputCount : 0;

    public override DeviceLaunch Bind(ComputeDevice device, GemmShape shape, in GemmEpilogue epilogue, in GemmViews views, DeviceView<float> workspace)
    {
        int shares = Splits(shape, device.Limits);
        int depthTiles = ProductTile.Tiles(ProductTile.Tiles(shape.Depth, tile.K), shares);
        DeviceView<float> bias = epilogue.Bias == GemmBias.None ? views.A : views.Bias;
        DeviceView<float> residual = epilogue.HasResidual ? views.Residual : views.Y;
        DeviceView<float> target = shares > 1 ? workspace : views.Y;
        // Matrices of a stack must begin at a multiple of four too, and whole fours must end where the matrix does.
        bool quadsA = shape.TransposeA && shape.Rows % 4 == 0 && views.A.Offset % 4 == 0;
        bool quadsB = !shape.TransposeB && shape.Columns % 4 == 0 && views.B.Offset % 4 == 0;
        bool quadsY = shape.Columns % 4 == 0 && (target.Offset | residual.Offset) % 4 == 0;
        DeviceKernel kernel = MatrixProduct_Tiled.Bind(
            device, views.A, views.B, bias, residual, target, Geometry(shape, epilogue), depthTiles, shape.TransposeA ? 1 : 0, shape.TransposeB ? 1 : 0,
            (quadsA ? 1 : 0) | (quadsB ? 2 : 0) | (quadsY ? 4 : 0), (int)epilogue.Bias, epilogue.HasResidual && shares == 1 ? 1 : 0, shares > 1 ? 1 : 0,
            tile.M, tile.N, tile.K, tile.RegM, tile.RegN);
        DeviceLaunch? join = null;
        if (shares > 1)
        {
            (int pixels, int channels) = epilogue.Bias == GemmBias.PerRow ? (shape.Columns, shape.Rows) : (1, shape.Columns);
            int count = checked((int)shape.OutputCount);
            join = new DeviceLaunch(
                Convolution_Join.Bind(device, workspace, bias, residual, views.Y, shares, count, pixels, channels, epilogue.Minimum, epilogue.Maximum, epilogue.HasResidual ? 1 : 0),
                LaunchShape.Linear(count, JoinThreads));
        }

        return new DeviceLaunch(
            kernel, new LaunchShape(ProductTile.Tiles(shape.Columns, tile.N), ProductTile.Tiles(shape.Rows, tile.M), shape.Count * shares, tile.Threads), join);
    }

    /// <summary>The sizes as kernels take them.</summary>
    internal static MatrixGeometry Geometry(GemmShape shape, in GemmEpilogue epilogue) => new()
    {
        Rows = shape.Rows,
        Columns = shape.Columns,
        Depth = shape.Depth,
        StrideA = shape.TransposeA ? shape.Rows : shape.Depth,
        StrideB = shape.TransposeB ? shape.Depth : shape.Columns,
        StackA = checked(shape.Rows * shape.Depth),
        StackB = checked(shape.Columns * shape.Depth),
        CountA = shape.CountA,
        CountB = shape.CountB,
        Count = shape.Count,
        Alpha = epilogue.Alpha,
        Beta = epilogue.Beta,
        Minimum = epilogue.Minimum,
        Maximum = epilogue.Maximum,
    };

    private long Groups(GemmShape shape) => (long)ProductTile.Tiles(shape.Rows, tile.M) * ProductTile.Tiles(shape.Columns, tile.N) * shape.Count;

    private int Splits(GemmShape shape, DeviceLimits limits) => splits ? tile.Splits(Groups(shape), shape.Depth, limits) : 1;
}
