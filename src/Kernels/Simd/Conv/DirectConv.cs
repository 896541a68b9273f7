using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Direct convolution with register tiles of pixels x output channel blocks: any kernel, stride, padding, dilation and
/// batch, and groups whose channels fill whole blocks. The planar variant reads NCHW, for the first layer of a network.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TLanes">Lanes of the vector, the channel block of the output.</typeparam>
/// <typeparam name="TChannels">Channels per input block: <typeparamref name="TLanes"/>, or 1 to read NCHW.</typeparam>
internal sealed class DirectConv<TSimd, TVector, TLanes, TChannels> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
    where TChannels : IConstant
{
    private static bool ReadsPlanar => TChannels.Value == 1;

    /// <inheritdoc/>
    public override string Name => TLanes.Value == 1 ? "conv.direct.scalar" : $"conv.{(ReadsPlanar ? "planar" : "direct")}.v{TLanes.Value * 32}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Dense;

    /// <inheritdoc/>
    public override VectorWidth Width => (VectorWidth)TLanes.Value;

    /// <inheritdoc/>
    public override string Tile => $"{TilePlan.MaxPixels(Width, 2)}x{2 * TLanes.Value}";

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => new(TChannels.Value);

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => new(TLanes.Value);

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) => CpuFeatures.Supports(Width)
        && (shape.Groups == 1
            || ((shape.InChannels / shape.Groups) % TChannels.Value == 0 && (shape.OutChannels / shape.Groups) % TLanes.Value == 0));

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density) => DirectConvCost.Microseconds(shape, Width, TChannels.Value);

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return new PreparedDirectConv<TSimd, TVector, TLanes, TChannels>(shape, epilogue, weights, bias);
    }
}
