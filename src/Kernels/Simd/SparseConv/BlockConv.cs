using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Direct convolution that skips blocks of zero weights: one vector of output channels x one input tap is kept or dropped
/// as a whole. Blocked layout in and out; any kernel, stride, padding, dilation and batch, and groups whose outputs fill
/// whole blocks.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type; its lanes are the channels of a block.</typeparam>
internal sealed class BlockConv<TSimd, TVector> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public override string Name => $"conv.block.v{TSimd.Lanes * 32}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Block;

    /// <inheritdoc/>
    public override VectorWidth Width => (VectorWidth)TSimd.Lanes;

    /// <inheritdoc/>
    public override string Tile => $"{SparseConvCost.MostTilePixels(Width)}x{TSimd.Lanes}";

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => new(TSimd.Lanes);

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => new(TSimd.Lanes);

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) => CpuFeatures.Supports(Width)
        && (shape.Groups == 1 || (shape.OutChannels / shape.Groups) % TSimd.Lanes == 0)
        && PreparedBlockConv<TSimd, TVector>.Addresses(shape);

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density) => SparseConvCost.BlockMicroseconds(shape, Width, density);

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return new PreparedBlockConv<TSimd, TVector>(shape, epilogue, weights, bias);
    }
}
