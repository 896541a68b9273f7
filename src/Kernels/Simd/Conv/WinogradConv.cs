using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Winograd convolution F(m x m, 3 x 3): 3x3 kernels with stride and dilation 1 and one group; any padding and batch. Fewer
/// multiplications than the direct sum, and a larger rounding error: <see cref="ErrorUnits"/>.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TLanes">Lanes of the vector, the channel block of input and output.</typeparam>
/// <typeparam name="TTransform">The transforms, which set m.</typeparam>
/// <typeparam name="TProducts">The products between them.</typeparam>
internal sealed class WinogradConv<TSimd, TVector, TLanes, TTransform, TProducts> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
    where TTransform : IWinogradTransform<TVector>
    where TProducts : IWinogradProducts
{
    /// <summary>Transformed weights beyond this are not worth their memory: reading them takes longer than the direct sum.</summary>
    private const long MaximumWeightBytes = 1L << 29;

    /// <inheritdoc/>
    public override string Name => $"conv.winograd{TTransform.OutputSize}.{TProducts.Suffix}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Dense;

    /// <inheritdoc/>
    public override VectorWidth Width => TProducts.Width;

    /// <inheritdoc/>
    public override string Tile => TProducts.Tile;

    /// <inheritdoc/>
    public override double? ErrorUnits => TTransform.ErrorUnits;

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => new(TLanes.Value);

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => new(TLanes.Value);

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) => CpuFeatures.Supports(Width)
        && shape is { KernelHeight: 3, KernelWidth: 3, StrideY: 1, StrideX: 1, DilationY: 1, DilationX: 1, Groups: 1 }
        && (TTransform.OutputSize + 2) * (TTransform.OutputSize + 2) * sizeof(float) * (long)shape.InChannels * shape.OutChannels <= MaximumWeightBytes;

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density) =>
        WinogradPlan.Create<TVector, TTransform, TProducts>(shape, TLanes.Value).Cycles / DirectConvCost.CyclesPerMicrosecond;

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return new PreparedWinogradConv<TSimd, TVector, TLanes, TTransform, TProducts>(shape, epilogue, weights, bias);
    }
}
