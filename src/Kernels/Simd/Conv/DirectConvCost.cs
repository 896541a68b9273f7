using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Analytic time of direct convolutions, from the tile model of <see cref="TilePlan"/>.</summary>
internal static class DirectConvCost
{
    /// <summary>Cycles per microsecond of a typical server or laptop core under vector load; only ratios matter for ranking.</summary>
    public const double CyclesPerMicrosecond = 2800;

    /// <summary>Work below this many cycles is not worth a hand-off to other threads.</summary>
    public const double ParallelCycles = 25_000;

    private const double TileCallCycles = 30;
    private const double CyclesPerLoadedVector = 1.5;

    /// <summary>Expected cycles on one thread.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="width">Vector unit.</param>
    /// <param name="channelsPerBlock">Channels per input block.</param>
    public static double Cycles(ConvShape shape, VectorWidth width, int channelsPerBlock)
    {
        int lanes = (int)width;
        int blocks = (((shape.OutChannels / shape.Groups) + lanes - 1) / lanes) * (shape.Groups == 1 ? 1 : shape.Groups);
        bool flat = shape is { KernelHeight: 1, KernelWidth: 1, StrideX: 1, StrideY: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };
        int pixels = flat ? shape.OutHeight * shape.OutWidth : shape.OutWidth;
        int rows = flat ? 1 : shape.OutHeight;
        int tileBlocks = TilePlan.ChooseBlocks(width, pixels, blocks);
        double steps = (double)shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;
        double perRow = TilePlan.RowCycles(width, pixels, blocks, tileBlocks) * steps;
        int tiles = (blocks + tileBlocks - 1) / tileBlocks * ((pixels + TilePlan.MaxPixels(width, tileBlocks) - 1) / TilePlan.MaxPixels(width, tileBlocks));
        double inputVectors = (double)shape.InChannels * shape.InHeight * shape.InWidth / Math.Max(channelsPerBlock, Math.Min(lanes, 8));
        double weightVectors = (double)shape.WeightCount / lanes;
        return shape.Batch * ((rows * (perRow + (tiles * TileCallCycles))) + (inputVectors * CyclesPerLoadedVector) + weightVectors);
    }

    /// <summary>Expected microseconds on one thread.</summary>
    public static double Microseconds(ConvShape shape, VectorWidth width, int channelsPerBlock) =>
        Cycles(shape, width, channelsPerBlock) / CyclesPerMicrosecond;
}
