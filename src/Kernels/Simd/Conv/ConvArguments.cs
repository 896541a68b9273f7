using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Checks at the public edge of the convolution rows.</summary>
internal static class ConvArguments
{
    /// <summary>Checks what <see cref="ConvKernel.Prepare"/> was given.</summary>
    /// <exception cref="ArgumentException">The shape is invalid or not supported by the row, or a length does not fit it.</exception>
    public static void Require(ConvKernel kernel, ConvShape shape, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        shape.Validate();
        if (!kernel.Supports(shape)) throw new ArgumentException($"Kernel {kernel.Name} does not support convolution {shape}.", nameof(shape));
        if (weights.Length != shape.WeightCount)
            throw new ArgumentException($"Convolution {shape} has {weights.Length} weights, expected {shape.WeightCount}.", nameof(weights));
        if (!bias.IsEmpty && bias.Length != shape.OutChannels)
            throw new ArgumentException($"Convolution {shape} has {bias.Length} bias values, expected {shape.OutChannels} or none.", nameof(bias));
    }
}
