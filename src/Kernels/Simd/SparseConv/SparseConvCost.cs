using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Analytic time of the sparse convolutions, in the cycles of <see cref="DirectConvCost"/>.</summary>
internal static class SparseConvCost
{
    /// <summary>Work below this many cycles is not worth a hand-off to other threads.</summary>
    public const double ParallelCycles = DirectConvCost.ParallelCycles;

    /// <summary>Most vectors of a tile.</summary>
    public const int MostTileVectors = 8;

    // What a tile reads of a chunk of input channels leaves room in the first-level cache for weights and sums. Of each channel
    // the processor fetches a vector more than the tile has.
    private const double FlatChunkBytes = 44 * 1024;

    // A multiply-add loads its input; the weight is loaded once for all vectors of a tile. Tiles of one or two vectors are
    // bound by the latency of their sums.
    private const double CyclesPerUnstructuredVector = 0.53;
    private const double CyclesPerUnstructuredWeight = 0.7;
    private const double LeastCyclesPerWeight = 1.65;
    private const double CyclesPerRunVector = 3;
    private const double CyclesPerChunkVector = 2.75;
    private const double CyclesPerChunkTile = 5;
    private const double CyclesPerCopiedRunVector = 2.5;
    private const double CyclesPerStoredVector = 1;
    private const double CyclesPerStoredSegment = 3;
    private const double CyclesPerPartialSegment = 6;
    private const double CyclesPerDealtSegment = 2;
    private const double CyclesPerDealtRun = 80;
    private const double CyclesPerStridedSegment = 5;
    private const double CyclesPerGatheredPixel = 2;

    private const double CyclesPerBlockVector = 0.62;
    private const double CyclesPerBlockStore = 6;
    private const double CyclesPerBlockCopy = 5;

    /// <summary>Whether the pixels of an image form one run: 1x1 kernels without stride and padding.</summary>
    public static bool IsFlat(ConvShape shape) =>
        shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    /// <summary>How a strip is cut into tiles.</summary>
    public static TilePlan.Split StripTiles(StripGrid grid) => TilePlan.Balance(grid.Height, MostTileVectors);

    /// <summary>Expected cycles of the unstructured form for one image whose pixels are dealt to lanes in strips.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="grid">How pixels are dealt to lanes.</param>
    /// <param name="weights">Weights that are not zero.</param>
    public static double StripCycles(ConvShape shape, StripGrid grid, double weights)
    {
        TilePlan.Split tiles = StripTiles(grid);
        int count = tiles.Big + tiles.Small;
        int chunkChannels = UnstructuredWeights.ChunkChannels(shape, weights, StripPanel.TileBytes(shape, grid, tiles.Size));
        double chunks = Math.Ceiling((double)shape.InChannels / shape.Groups / chunkChannels);
        double sums = shape.OutChannels * (((chunks - 1) * CyclesPerChunkVector * grid.Height) + (chunks * CyclesPerChunkTile * count));
        int partialStrips = shape.OutWidth % grid.SegmentPixels == 0 ? 0 : 1;
        double perStored = grid.Segments == 1 ? CyclesPerStoredVector : CyclesPerStoredSegment;
        double stored = (double)shape.OutChannels * grid.Height * grid.Segments
            * (((grid.Strips - partialStrips) * perStored) + (partialStrips * CyclesPerPartialSegment));
        double segments = (double)StripPanel.TileBytes(shape, grid, tiles.Size) / (grid.SegmentPixels * sizeof(float));
        double perSegment = shape.StrideX switch { 1 => CyclesPerDealtSegment, 2 => CyclesPerStridedSegment, _ => grid.SegmentPixels * CyclesPerGatheredPixel };
        double dealt = (shape.InChannels * segments * perSegment) + (chunks * shape.Groups * grid.Segments * CyclesPerDealtRun);
        return stored + (grid.Strips * ((weights * TileCycles(tiles)) + sums + (count * dealt)));
    }

    /// <summary>How a 1x1 layer is cut: vectors of a tile, and chunks of input channels.</summary>
    /// <remarks>
    /// Wide tiles share the weights among more pixels but read more of each channel, so that more chunks are needed for the
    /// input to stay in the first-level cache, whose sums go through the second-level cache in between.
    /// </remarks>
    /// <param name="shape">The layer.</param>
    /// <param name="width">Vector unit.</param>
    /// <param name="weights">Weights that are not zero.</param>
    public static FlatPlan PlanFlat(ConvShape shape, VectorWidth width, double weights)
    {
        int vectors = ((shape.OutHeight * shape.OutWidth) + (int)width - 1) / (int)width;
        var best = new FlatPlan(default, 0, double.PositiveInfinity);
        for (int size = 1; size <= Math.Min(MostTileVectors, vectors); size++)
        {
            TilePlan.Split tiles = TilePlan.Balance(vectors, size);
            double channelBytes = (tiles.Size + 1) * (int)width * sizeof(float);
            var chunks = (int)Math.Ceiling((double)shape.InChannels / shape.Groups * channelBytes / FlatChunkBytes);
            int count = tiles.Big + tiles.Small;
            double cycles = (weights * TileCycles(tiles))
                + (shape.OutChannels * ((chunks * CyclesPerChunkTile * count) + ((CyclesPerRunVector + ((chunks - 1) * CyclesPerChunkVector)) * vectors)));
            if (cycles < best.Cycles) best = new FlatPlan(tiles, chunks, cycles);
        }

        return best;
    }

    /// <summary>Expected cycles of the unstructured form on one thread.</summary>
    public static double UnstructuredCycles(ConvShape shape, VectorWidth width, double density)
    {
        double weights = density * shape.WeightCount;
        if (!IsFlat(shape)) return shape.Batch * StripCycles(shape, StripGrid.Choose(shape, (int)width, weights), weights);
        int pixels = shape.OutHeight * shape.OutWidth;
        double vectors = Math.Ceiling((double)pixels / (int)width);
        double copied = pixels % (int)width == 0 ? 0 : CyclesPerCopiedRunVector;
        return shape.Batch * (PlanFlat(shape, width, weights).Cycles + (vectors * shape.InChannels * copied));
    }

    /// <summary>Expected microseconds of the unstructured form on one thread.</summary>
    public static double UnstructuredMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        UnstructuredCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;

    /// <summary>Expected cycles of the block form on one thread.</summary>
    public static double BlockCycles(ConvShape shape, VectorWidth width, double density)
    {
        double pixels = (double)shape.OutHeight * shape.OutWidth;
        double outputBlocks = Math.Ceiling((double)shape.OutChannels / (int)width);
        bool copies = shape.PadTop + shape.PadLeft + shape.PadBottom + shape.PadRight > 0 || shape.StrideX > 1;
        double copied = copies ? Math.Ceiling((double)shape.InChannels / (int)width) * shape.InHeight * shape.InWidth : 0;
        double taps = (double)shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;
        return shape.Batch * ((pixels * outputBlocks * ((density * taps * CyclesPerBlockVector) + CyclesPerBlockStore)) + (copied * CyclesPerBlockCopy));
    }

    /// <summary>Expected microseconds of the block form on one thread.</summary>
    public static double BlockMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        BlockCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;

    // Cycles that a weight takes in all tiles.
    private static double TileCycles(TilePlan.Split tiles) => (tiles.Big * WeightCycles(tiles.Size)) + (tiles.Small * WeightCycles(tiles.Size - 1));

    private static double WeightCycles(int vectors) => Math.Max(LeastCyclesPerWeight, (vectors * CyclesPerUnstructuredVector) + CyclesPerUnstructuredWeight);

    /// <summary>A cut of the pixels of an image into tiles and of its channels into chunks.</summary>
    /// <param name="Tiles">Vectors of the tiles.</param>
    /// <param name="Chunks">Chunks of input channels.</param>
    /// <param name="Cycles">Expected cycles for an image, without copies.</param>
    internal readonly record struct FlatPlan(TilePlan.Split Tiles, int Chunks, double Cycles);
}
