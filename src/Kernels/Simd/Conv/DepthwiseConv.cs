using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Depthwise convolution, one filter per channel: any kernel, stride, padding, dilation and batch.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TLanes">Lanes of the vector, the channel block.</typeparam>
internal sealed class DepthwiseConv<TSimd, TVector, TLanes> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const double TapCycles = 0.55;
    private const double PixelCycles = 2;
    private const double RowCycles = 25;

    /// <inheritdoc/>
    public override string Name => TLanes.Value == 1 ? "conv.depthwise.scalar" : $"conv.depthwise.v{TLanes.Value * 32}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Dense;

    /// <inheritdoc/>
    public override VectorWidth Width => (VectorWidth)TLanes.Value;

    /// <inheritdoc/>
    public override string Tile => $"{DepthwiseTiles<TSimd, TVector, N1, N0>.MaxPixels}x{TLanes.Value}";

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => new(TLanes.Value);

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => new(TLanes.Value);

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) =>
        CpuFeatures.Supports(Width) && shape.Groups == shape.InChannels && shape.OutChannels == shape.InChannels;

    /// <inheritdoc/>
    /// <remarks>Bound by memory more than by arithmetic.</remarks>
    protected override double SplitVectorFactor => 1.2;

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density) => Cycles(shape) / DirectConvCost.CyclesPerMicrosecond;

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return new PreparedDepthwiseConv<TSimd, TVector, TLanes>(shape, epilogue, weights, bias);
    }

    /// <summary>Modelled cycles on one thread.</summary>
    internal static double Cycles(ConvShape shape)
    {
        double blocks = (shape.OutChannels + TLanes.Value - 1) / TLanes.Value * (double)shape.Batch;
        double pixels = (double)shape.OutHeight * shape.OutWidth;
        double perPixel = (shape.KernelHeight * shape.KernelWidth * TapCycles) + PixelCycles;
        return (blocks * ((pixels * perPixel) + (shape.OutHeight * RowCycles))) + DirectConvCost.MemoryCycles(shape, TLanes.Value, TLanes.Value);
    }
}
