using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Convolution in groups whose channels do not fill whole blocks: each group runs as a planar direct convolution of its
/// own and is then moved to its place in NCHW.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TLanes">Lanes of the vector.</typeparam>
internal sealed class GroupedConv<TSimd, TVector, TLanes> : ConvKernel
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const double MovedFloatCycles = 8;
    private const double GroupCallCycles = 1500;

    /// <inheritdoc/>
    public override string Name => $"conv.grouped.v{TLanes.Value * 32}";

    /// <inheritdoc/>
    public override WeightForm Form => WeightForm.Dense;

    /// <inheritdoc/>
    public override VectorWidth Width => (VectorWidth)TLanes.Value;

    /// <inheritdoc/>
    public override string Tile => $"{TilePlan.MaxPixels(Width, 1)}x{TLanes.Value}";

    /// <inheritdoc/>
    public override ActivationLayout InputLayout(ConvShape shape) => ActivationLayout.Nchw;

    /// <inheritdoc/>
    public override ActivationLayout OutputLayout(ConvShape shape) => ActivationLayout.Nchw;

    /// <inheritdoc/>
    public override bool Supports(ConvShape shape) => CpuFeatures.Supports(Width) && shape.Groups > 1;

    /// <inheritdoc/>
    protected override double ModelMicroseconds(ConvShape shape, double density)
    {
        double moved = (double)shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth * MovedFloatCycles;
        double group = DirectConvCost.Cycles(GroupShape(shape), Width, channelsPerBlock: 1);
        return ((shape.Batch * shape.Groups * (group + GroupCallCycles)) + moved) / DirectConvCost.CyclesPerMicrosecond;
    }

    /// <inheritdoc/>
    public override PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        ConvArguments.Require(this, shape, weights, bias);
        return new PreparedGroupedConv<TSimd, TVector, TLanes>(shape, epilogue, weights, bias);
    }

    /// <summary>One group of one image as a layer of its own.</summary>
    internal static ConvShape GroupShape(ConvShape shape) => shape with
    {
        Batch = 1,
        Groups = 1,
        InChannels = shape.InChannels / shape.Groups,
        OutChannels = shape.OutChannels / shape.Groups,
    };
}
