using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Analytic time of the sparse convolutions, in the cycles of <see cref="DirectConvCost"/>.</summary>
internal static class SparseConvCost
{
    /// <summary>Work below this many cycles is not worth a hand-off to other threads.</summary>
    public const double ParallelCycles = DirectConvCost.ParallelCycles;

    /// <summary>Most vectors of a tile of 1x1 layers.</summary>
    public const int FlatTileVectors = 4;

    /// <summary>Cycles to deal a vector of input to lanes.</summary>
    public const double CyclesPerDealtVector = 5;

    private const int PatchTileVectors = 8;
    private const double CyclesPerBlockVector = 0.62;
    private const double CyclesPerCopiedVector = 2.5;
    private const double CyclesPerStoredVector = 3;

    /// <summary>How a row of <paramref name="vectors"/> vectors is cut into tiles.</summary>
    public static TilePlan.Split UnstructuredTiles(int vectors) => TilePlan.Balance(vectors, PatchTileVectors);

    /// <summary>Expected cycles for a row of vectors and all output channels.</summary>
    /// <param name="vectors">Vectors of the row.</param>
    /// <param name="weights">Weights that are not zero.</param>
    /// <param name="outChannels">Output channels.</param>
    public static double UnstructuredRowCycles(int vectors, double weights, int outChannels)
    {
        TilePlan.Split tiles = UnstructuredTiles(vectors);
        return (tiles.Big * Tile(tiles.Size)) + (tiles.Small * Tile(tiles.Size - 1));

        double Tile(int size) => size == 0 ? 0 : (weights * WeightCycles(size)) + (outChannels * (StoreCycles + (size * CyclesPerStoredVector)));
    }

    // Two loads feed two multiply-adds; beside the vectors of a tile there is the weight to load. One or two vectors are
    // bound by issue and by the latency of the sums.
    private static double WeightCycles(int vectors) => Math.Max(2, (vectors + 1) * CyclesPerLoad);

    private const double CyclesPerLoad = 0.6;
    private const double StoreCycles = 8;

    /// <summary>Expected cycles of the unstructured form on one thread.</summary>
    public static double UnstructuredCycles(ConvShape shape, VectorWidth width, double density)
    {
        double weights = density * shape.WeightCount;
        if (PreparedFlat(shape))
        {
            double vectors = Math.Ceiling((double)shape.OutHeight * shape.OutWidth / (int)width);
            return shape.Batch * ((vectors / FlatTileVectors * UnstructuredRowCycles(FlatTileVectors, weights, shape.OutChannels)) + (vectors * shape.InChannels * CyclesPerCopiedVector));
        }

        return shape.Batch * LanePatches.Choose(shape, (int)width, weights).Cycles(shape, weights);
    }

    private static bool PreparedFlat(ConvShape shape) =>
        shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    /// <summary>Expected microseconds of the unstructured form on one thread.</summary>
    public static double UnstructuredMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        UnstructuredCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;

    /// <summary>Expected cycles of the block form on one thread.</summary>
    public static double BlockCycles(ConvShape shape, VectorWidth width, double density)
    {
        double pixels = (double)shape.OutHeight * shape.OutWidth;
        double outputBlocks = Math.Ceiling((double)shape.OutChannels / (int)width);
        double inputVectors = Math.Ceiling((double)shape.InChannels / (int)width) * shape.InHeight * shape.InWidth;
        double taps = (double)shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;
        return shape.Batch * ((pixels * outputBlocks * ((density * taps * CyclesPerBlockVector) + CyclesPerStoredVector)) + (inputVectors * CyclesPerCopiedVector));
    }

    /// <summary>Expected microseconds of the block form on one thread.</summary>
    public static double BlockMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        BlockCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;
}
