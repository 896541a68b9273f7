using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Analytic time of the sparse convolutions, in the cycles of <see cref="DirectConvCost"/>.</summary>
internal static class SparseConvCost
{
    /// <summary>Work below this many cycles is not worth a hand-off to other threads.</summary>
    public const double ParallelCycles = DirectConvCost.ParallelCycles;

    // Two loads feed each multiply-add, and the input of many channels comes from the second-level cache.
    private const double CyclesPerUnstructuredVector = 1.1;
    private const double CyclesPerBlockVector = 0.62;
    private const double CyclesPerCopiedVector = 2.5;
    private const double CyclesPerStoredVector = 3;

    /// <summary>Expected cycles of the unstructured form on one thread.</summary>
    public static double UnstructuredCycles(ConvShape shape, VectorWidth width, double density)
    {
        double pixelVectors = Math.Ceiling((double)shape.OutHeight * shape.OutWidth / (int)width);
        double perPixelVector = (density * shape.WeightCount * CyclesPerUnstructuredVector)
            + (shape.InChannels * shape.KernelWidth * CyclesPerCopiedVector)
            + (shape.OutChannels * CyclesPerStoredVector);
        return shape.Batch * pixelVectors * perPixelVector;
    }

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
