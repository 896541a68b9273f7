using System.Globalization;
using CoInference.Kernels.Gpu.Programs;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Few rows times a transposed matrix, as in a fully connected layer at batch 1 (<see cref="MatrixProduct.Vectors"/>).</summary>
/// <remarks>The floor is the bytes of the matrix, each of which is read once for up to eight rows.</remarks>
/// <param name="lanes">Threads that share a row of the matrix: more for deep and narrow ones.</param>
internal sealed class VectorGemmKernel(int lanes) : DeviceGemmKernel
{
    private const int Threads = 128;
    private const int MostVectors = 8;

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"gemm.vectors.{lanes}");

    public override bool Supports(GemmShape shape, in GemmEpilogue epilogue, DeviceLimits limits) =>
        shape is { TransposeA: false, TransposeB: true, Count: 1 } && epilogue is { HasResidual: false, Bias: GemmBias.None or GemmBias.PerColumn } && limits.MaxGroupThreads >= Threads;

    public override double Cost(GemmShape shape, DeviceLimits limits)
    {
        double passes = ProductTile.Tiles(shape.Rows, MostVectors);
        double groups = passes * ProductTile.Tiles(shape.Columns, Threads / lanes);
        // A tree of barriers ends each row, and lanes past the depth idle.
        double depth = (ProductTile.Tiles(shape.Depth, lanes) * (double)lanes) + (8 * lanes);
        return passes * shape.Columns * depth * (DeviceConvKernel.PerValueMoved + Vectors(shape)) * Math.Max(1, limits.ComputeUnits * 4 / groups);
    }

    public override DeviceLaunch Bind(ComputeDevice device, GemmShape shape, in GemmEpilogue epilogue, in GemmViews views, DeviceView<float> workspace)
    {
        bool hasBias = epilogue.Bias != GemmBias.None;
        bool inQuads = shape.Depth % 4 == 0 && (views.A.Offset | views.B.Offset) % 4 == 0;
        MatrixGeometry geometry = TiledGemmKernel.Geometry(shape, epilogue);
        (geometry.Rows, geometry.Count) = (shape.Columns, shape.Rows);
        DeviceKernel kernel = MatrixProduct_Vectors.Bind(
            device, views.B, views.A, hasBias ? views.Bias : views.B, views.Y, geometry, hasBias ? 1 : 0, inQuads ? 1 : 0, lanes, Vectors(shape));
        return new DeviceLaunch(kernel, new LaunchShape(ProductTile.Tiles(shape.Columns, Threads / lanes), ProductTile.Tiles(shape.Rows, Vectors(shape)), 1, Threads));
    }

    private static int Vectors(GemmShape shape) => shape.Rows > 4 ? 8 : shape.Rows > 2 ? 4 : shape.Rows;
}
