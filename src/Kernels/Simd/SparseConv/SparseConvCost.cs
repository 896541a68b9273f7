using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Analytic time of the sparse convolutions, in the cycles of <see cref="DirectConvCost"/>.</summary>
/// <remarks>The cycles are fitted to measured times of random layers; <c>kernels --choice</c> judges what they pick.</remarks>
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

    // Sums that go through memory between chunks of input channels.
    private const double CyclesPerChunkVector = 2.75;

    // Layers whose pixels form one run.
    private const double CyclesPerRunTile = 45;
    private const double CyclesPerRunChannel = 3;
    private const double CyclesPerRunVector = 2;
    private const double CyclesPerPartialVector = 3;
    private const double CyclesPerCrossedLine = 0.4;
    private const double CyclesPerMissedVector = 1.2;
    private const double CyclesPerCopiedVector = 1.3;
    private const double CyclesPerCopiedRun = 6;

    // Layers whose pixels are dealt in strips.
    private const double CyclesPerPlannedTile = 100;
    private const double CyclesPerChunkTile = 8;
    private const double CyclesPerStoredVector = 1;
    private const double CyclesPerStoredSegment = 5;
    private const double CyclesPerPartialSegment = 6;
    private const double CyclesPerDealtSegment = 2;
    private const double CyclesPerDealtRun = 15;
    private const double CyclesPerStridedSegment = 4;
    private const double CyclesPerGatheredPixel = 2;

    // The block form: a kept tap loads its weights once for all pixels of a tile.
    private const double CyclesPerBlockVector = 0.5;
    private const double CyclesPerBlockTap = 1;
    private const double CyclesPerBlockStore = 1.5;
    private const double CyclesPerBlockTile = 2.5;
    private const double CyclesPerBlockRow = 20;

    /// <summary>
    /// Most pixels of a tile of the block form. 32 registers hold the sums and the weights; broadcasts are operands of the
    /// multiply-adds and need none.
    /// </summary>
    public static int MostTilePixels(VectorWidth width) => width == VectorWidth.Vector512 ? 28 : TilePlan.MaxPixels(width, 1);

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
        double dealt = (shape.InChannels * segments * perSegment) + (chunks * shape.Groups * StripPanel.Runs(shape, grid) * CyclesPerDealtRun);
        return stored + (grid.Strips * ((weights * TileCycles(tiles)) + sums + (count * (dealt + CyclesPerPlannedTile))));
    }

    /// <summary>How a 1x1 layer is cut and read.</summary>
    /// <remarks>
    /// Wide tiles share the weights among more pixels but read more of each channel, so that more chunks are needed for the
    /// input to stay in the first-level cache, whose sums go through the second-level cache in between.
    /// </remarks>
    /// <param name="shape">The layer.</param>
    /// <param name="width">Vector unit.</param>
    /// <param name="weights">Weights that are not zero.</param>
    public static FlatPlan PlanFlat(ConvShape shape, VectorWidth width, double weights)
    {
        int pixels = shape.OutHeight * shape.OutWidth, vectors = (pixels + (int)width - 1) / (int)width, groupInputs = shape.InChannels / shape.Groups;
        var best = new FlatPlan(default, 0, false, double.PositiveInfinity);
        for (int size = 1; size <= Math.Min(MostTileVectors, vectors); size++)
        {
            TilePlan.Split tiles = TilePlan.Balance(vectors, size);
            double channelBytes = (tiles.Size + 1) * (int)width * sizeof(float);
            var chunks = (int)Math.Ceiling(groupInputs * channelBytes / FlatChunkBytes);
            int count = tiles.Big + tiles.Small;
            double cycles = (weights * TileCycles(tiles)) + (chunks * count * CyclesPerRunTile)
                + (shape.OutChannels * ((chunks * CyclesPerRunChannel * count) + ((CyclesPerRunVector + ((chunks - 1) * CyclesPerChunkVector)) * vectors)));
            if (cycles < best.Cycles) best = new FlatPlan(tiles, chunks, false, cycles);
        }

        // The last tile is stored once more where its pixels are no whole vectors.
        double partial = pixels % (int)width == 0 ? 0 : shape.OutChannels * best.Tiles.Size * CyclesPerPartialVector;
        int allTiles = best.Tiles.Big + best.Tiles.Small;
        double copy = (shape.InChannels * ((vectors * CyclesPerCopiedVector) + (allTiles * CyclesPerCopiedRun))) + (allTiles * best.Chunks * CyclesPerDealtRun);
        double inPlace = weights * vectors * PlaneCycles(pixels, (int)width, best.Tiles.Size, (groupInputs + best.Chunks - 1) / best.Chunks);
        return best with { Copies = copy < inPlace, Cycles = best.Cycles + partial + Math.Min(copy, inPlace) };
    }

    /// <summary>Expected cycles of the unstructured form on one thread.</summary>
    public static double UnstructuredCycles(ConvShape shape, VectorWidth width, double density)
    {
        double weights = density * shape.WeightCount;
        double image = shape.IsPointwise ? PlanFlat(shape, width, weights).Cycles : StripCycles(shape, StripGrid.Choose(shape, (int)width, weights), weights);
        // Channels without a weight are not read.
        double read = 1 - Math.Pow(1 - density, (double)shape.OutChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth);
        return (shape.Batch * image) + DirectConvCost.ActivationCycles(shape with { InChannels = (int)Math.Ceiling(read * shape.InChannels) }, 1, 1);
    }

    /// <summary>Expected microseconds of the unstructured form on one thread.</summary>
    public static double UnstructuredMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        UnstructuredCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;

    /// <summary>Expected cycles of the block form on one thread.</summary>
    public static double BlockCycles(ConvShape shape, VectorWidth width, double density)
    {
        (int rows, int pixels) = shape.IsPointwise ? (1, shape.OutHeight * shape.OutWidth) : (shape.OutHeight, shape.OutWidth);
        TilePlan.Split tiles = TilePlan.Balance(pixels, MostTilePixels(width));
        double outputBlocks = Math.Ceiling((double)shape.OutChannels / (int)width);
        double kept = density * shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;
        double perPixel = (kept * CyclesPerBlockVector) + CyclesPerBlockStore;
        double perTile = (kept * CyclesPerBlockTap) + CyclesPerBlockTile;
        double row = (outputBlocks * ((pixels * perPixel) + ((tiles.Big + tiles.Small) * perTile))) + CyclesPerBlockRow;
        return (shape.Batch * ((rows * row) + DirectConvCost.CopyCycles(shape, (int)width, (int)width)))
            + DirectConvCost.ActivationCycles(shape, (int)width, (int)width);
    }

    /// <summary>Expected microseconds of the block form on one thread.</summary>
    public static double BlockMicroseconds(ConvShape shape, VectorWidth width, double density) =>
        BlockCycles(shape, width, density) / DirectConvCost.CyclesPerMicrosecond;

    // What a vector of a plane costs more where the plane lies than in a dense copy: vectors at odd addresses cross cache lines, and
    // planes at certain distances crowd into few sets of the first-level cache.
    private static double PlaneCycles(int pixels, int lanes, int tileVectors, int channels)
    {
        const int LineBytes = 64, Sets = 64, Ways = 8, Uneven = 2;
        Span<int> lines = stackalloc int[Sets];
        lines.Clear();
        bool isAligned = pixels % lanes == 0;
        int tileLines = ((tileVectors * lanes * sizeof(float)) + LineBytes - 1) / LineBytes + (isAligned ? 0 : 1);
        for (int channel = 0; channel < channels; channel++)
        {
            var first = (int)((long)channel * pixels * sizeof(float) / LineBytes % Sets);
            for (int line = 0; line < tileLines; line++) lines[(first + line) % Sets]++;
        }

        // What is too much for all sets together misses in a copy too, and a few lines more in some sets than in others do not matter.
        double fair = Math.Max(Ways, (double)tileLines * channels / Sets) + Uneven, missed = 0;
        foreach (int count in lines) missed += Math.Max(0, count - fair);
        double crossing = isAligned ? 0 : (double)lanes * sizeof(float) / LineBytes;
        return (CyclesPerCrossedLine * crossing) + (CyclesPerMissedVector * missed / (tileLines * channels));
    }

    // Cycles that a weight takes in all tiles.
    private static double TileCycles(TilePlan.Split tiles) => (tiles.Big * WeightCycles(tiles.Size)) + (tiles.Small * WeightCycles(tiles.Size - 1));

    private static double WeightCycles(int vectors) => Math.Max(LeastCyclesPerWeight, (vectors * CyclesPerUnstructuredVector) + CyclesPerUnstructuredWeight);

    /// <summary>A cut of the pixels of an image into tiles and of its channels into chunks.</summary>
    /// <param name="Tiles">Vectors of the tiles.</param>
    /// <param name="Chunks">Chunks of input channels.</param>
    /// <param name="Copies">Whether a chunk of a tile is copied before it is read.</param>
    /// <param name="Cycles">Expected cycles for an image.</param>
    internal readonly record struct FlatPlan(TilePlan.Split Tiles, int Chunks, bool Copies, double Cycles);
}
