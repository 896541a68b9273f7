using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Direct convolution that skips single zero weights: NCHW in and out, vectors over pixels, any kernel, stride, padding,
/// dilation, groups and batch.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
internal sealed class UnstructuredConv<TSimd, TVector> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public override string Name => TSimd.Lanes == 1 ? "conv.unstructured.scalar" : $"conv.unstructured.v{TSimd.Lanes * 32}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Unstructured;

    /// <inheritdoc/>
    public override VectorWidth Width => (VectorWidth)TSimd.Lanes;

    /// <inheritdoc/>
    public override string Tile => $"{SparseConvCost.MostTileVectors * TSimd.Lanes}x1";

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => ActivationLayout.Nchw;

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => ActivationLayout.Nchw;

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) => CpuFeatures.Supports(Width) && PreparedStripConv<TSimd, TVector>.Addresses(shape);

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density) => SparseConvCost.UnstructuredMicroseconds(shape, Width, density);

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return shape.IsPointwise
            ? new PreparedFlatConv<TSimd, TVector>(shape, epilogue, weights, bias)
            : new PreparedStripConv<TSimd, TVector>(shape, epilogue, weights, bias);
    }
}
