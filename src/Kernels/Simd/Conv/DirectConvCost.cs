using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Analytic time of direct convolutions: register tiles by the model of <see cref="TilePlan"/>, plus the copy of padded
/// rows, plus memory traffic that the second-level cache does not hold.
/// </summary>
internal static class DirectConvCost
{
    /// <summary>Cycles per microsecond of a server core under vector load; only ratios matter for ranking.</summary>
    public const double CyclesPerMicrosecond = 2400;

    /// <summary>Work below this many cycles is not worth a hand-off to other threads.</summary>
    public const double ParallelCycles = 25_000;

    /// <summary>Extra cycles of a step whose input block is a single channel: the loops over blocks and taps turn for each.</summary>
    private const double PlanarStepCycles = 2.7;

    private const double CopiedRowCycles = 20;
    private const double CopiedVectorCycles = 2.5;
    private const double GatheredPixelCycles = 5;
    private const double SecondLevelBytes = 512 * 1024;
    private const double ActivationBytesPerCycle = 28;
    private const double WeightBytesPerCycle = 8;

    /// <summary>The tile model of a layer.</summary>
    public static TilePlan.Cost TileCost(ConvShape shape, VectorWidth width, int channelsPerBlock) => new(
        width,
        Steps: (double)shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth,
        StepOverhead: channelsPerBlock == 1 ? PlanarStepCycles : 0,
        HasRowTiles: HasRowTiles(shape));

    /// <summary>Whether layers with one output block use <see cref="DirectRowTile{TSimd,TVector,TChannels,TPixels}"/>.</summary>
    public static bool HasRowTiles(ConvShape shape) => shape is { StrideX: 1, DilationX: 1, KernelWidth: 3 };

    /// <summary>Expected cycles on one thread.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="width">Vector unit.</param>
    /// <param name="channelsPerBlock">Channels per input block.</param>
    public static double Cycles(ConvShape shape, VectorWidth width, int channelsPerBlock)
    {
        int lanes = (int)width;
        int groupBlocks = ((shape.OutChannels / shape.Groups) + lanes - 1) / lanes;
        int pixels = shape.IsPointwise ? shape.OutHeight * shape.OutWidth : shape.OutWidth;
        int rows = shape.IsPointwise ? 1 : shape.OutHeight;
        TilePlan.Cost cost = TileCost(shape, width, channelsPerBlock);
        double compute = rows * shape.Groups * cost.Row(pixels, groupBlocks, cost.ChooseBlocks(pixels, groupBlocks));

        double copy = CopyCycles(shape, lanes, channelsPerBlock);
        return (shape.Batch * (compute + copy)) + MemoryCycles(shape, lanes, channelsPerBlock);
    }

    /// <summary>Expected microseconds on one thread.</summary>
    public static double Microseconds(ConvShape shape, VectorWidth width, int channelsPerBlock) =>
        Cycles(shape, width, channelsPerBlock) / CyclesPerMicrosecond;

    /// <summary>Cycles of the copy that <see cref="InputWindow"/> makes of one image; 0 where it reads the image in place.</summary>
    public static double CopyCycles(ConvShape shape, int lanes, int channelsPerBlock)
    {
        int step = channelsPerBlock == 1 && shape.StrideX == 2 ? 1 : shape.StrideX;
        if (step == 1 && shape is { PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 }) return 0;
        int blocks = (shape.InChannels + channelsPerBlock - 1) / channelsPerBlock;
        double phases = Math.Min(shape.KernelWidth, step);
        double rows = shape.KernelHeight == 1 ? shape.OutHeight : ((shape.OutHeight - 1) * shape.StrideY) + ((shape.KernelHeight - 1) * shape.DilationY) + 1;
        double columns = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        double row = step == 1 ? columns * channelsPerBlock / lanes * CopiedVectorCycles : columns * phases / step * GatheredPixelCycles;
        return blocks * rows * ((phases * CopiedRowCycles) + row);
    }

    /// <summary>Cycles spent waiting for memory beyond the second-level cache.</summary>
    public static double MemoryCycles(ConvShape shape, int outputLanes, int inputLanes)
    {
        double weights = (double)shape.WeightCount * sizeof(float);
        return ActivationCycles(shape, outputLanes, inputLanes) + (weights > SecondLevelBytes ? weights / WeightBytesPerCycle : 0);
    }

    /// <summary>Cycles spent waiting for activations beyond the second-level cache.</summary>
    public static double ActivationCycles(ConvShape shape, int outputLanes, int inputLanes)
    {
        double input = (double)((shape.InChannels + inputLanes - 1) / inputLanes * inputLanes) * shape.InHeight * shape.InWidth;
        double output = (double)((shape.OutChannels + outputLanes - 1) / outputLanes * outputLanes) * shape.OutHeight * shape.OutWidth;
        double bytes = shape.Batch * (input + output) * sizeof(float);
        return bytes > SecondLevelBytes ? bytes / ActivationBytesPerCycle : 0;
    }
}
