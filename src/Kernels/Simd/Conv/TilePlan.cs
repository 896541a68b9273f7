using System.Runtime.Intrinsics.Arm;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// How a row of output pixels and the output channel blocks are cut into register tiles. Sizes are balanced, so that no
/// thin remainder is left: 32 pixels in tiles of at most 14 become 11 + 11 + 10.
/// </summary>
/// <remarks>
/// The cost model counts, per input channel and tap, the cycles of the busiest resource of a core that can start two
/// multiply-adds and two loads and issue four operations per cycle, with a multiply-add latency of four cycles.
/// </remarks>
internal static class TilePlan
{
    private static readonly int[] WideFile = [0, 16, 14, 9, 7];
    private static readonly int[] NarrowFile = [0, 12, 6, 4, 2];

    /// <summary>Most output channel blocks of a tile.</summary>
    public const int MaxBlocks = 4;

    /// <summary>Most pixels of a tile with <paramref name="blocks"/> channel blocks that the register file holds.</summary>
    public static int MaxPixels(VectorWidth width, int blocks) =>
        (width == VectorWidth.Vector512 || (width == VectorWidth.Vector128 && AdvSimd.IsSupported) ? WideFile : NarrowFile)[blocks];

    /// <summary>Cuts <paramref name="count"/> into the fewest balanced parts of at most <paramref name="largest"/>.</summary>
    public static Split Balance(int count, int largest)
    {
        int parts = (count + largest - 1) / largest;
        int size = (count + parts - 1) / parts;
        int big = count - (parts * (size - 1));
        return new Split(size, big, parts - big);
    }

    /// <summary>The cost model of a layer's tiles.</summary>
    /// <param name="Width">Vector unit.</param>
    /// <param name="Steps">Input channels x taps.</param>
    /// <param name="StepOverhead">Cycles that each step costs on top.</param>
    /// <param name="HasRowTiles">Whether tiles of one block share their broadcasts among the kernel columns.</param>
    internal readonly record struct Cost(VectorWidth Width, double Steps, double StepOverhead, bool HasRowTiles)
    {
        private const double TileCycles = 20;
        private const double AccumulatorCycles = 1.5;

        /// <summary>Modelled cycles for a row of <paramref name="pixels"/> and all <paramref name="channelBlocks"/>.</summary>
        public double Row(int pixels, int channelBlocks, int tileBlocks)
        {
            Split groups = Balance(channelBlocks, tileBlocks);
            return (groups.Big * Group(pixels, groups.Size)) + (groups.Small * Group(pixels, groups.Size - 1));
        }

        /// <summary>The channel blocks per tile with the least modelled time.</summary>
        public int ChooseBlocks(int pixels, int channelBlocks)
        {
            int best = 1;
            for (int blocks = 2; blocks <= Math.Min(MaxBlocks, channelBlocks); blocks++)
            {
                if (Row(pixels, channelBlocks, blocks) < Row(pixels, channelBlocks, best)) best = blocks;
            }

            return best;
        }

        private double Group(int pixels, int blocks)
        {
            if (blocks == 0) return 0;
            Split tiles = Balance(pixels, MaxPixels(Width, blocks));
            double cycles = tiles.Big * Tile(tiles.Size, blocks);
            return tiles.Small == 0 ? cycles : cycles + (tiles.Small * Tile(tiles.Size - 1, blocks));
        }

        private double Tile(int pixels, int blocks) =>
            (Steps * (Step(pixels, blocks) + StepOverhead)) + TileCycles + (AccumulatorCycles * pixels * blocks);

        private double Step(int pixels, int blocks)
        {
            double multiplyAdds = pixels * blocks;
            bool shares = HasRowTiles && blocks == 1;
            double loads = shares ? (pixels + 5) / 3.0 : pixels + blocks;
            double issued = multiplyAdds + blocks + (blocks > 1 || shares ? loads : 0) + 3;
            return Math.Max(Math.Max(multiplyAdds / 2, loads / 2), Math.Max(4.0, issued / 4));
        }
    }

    /// <summary><see cref="Big"/> parts of <see cref="Size"/> and <see cref="Small"/> parts of one less.</summary>
    internal readonly record struct Split(int Size, int Big, int Small);
}
