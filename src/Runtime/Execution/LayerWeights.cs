using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Weights and bias of a convolution or fully connected layer as the graph stores them.</summary>
/// <param name="Values">
/// [OutChannels, InChannels / Groups, taps...], or [InChannels, OutChannels] when <paramref name="Transposed"/>.
/// </param>
/// <param name="Bias">OutChannels values or one for all; null for none.</param>
/// <param name="OutChannels">Output channels.</param>
/// <param name="Transposed">Whether output channels are the last dimension of the values.</param>
/// <param name="Scale">Factor of all values (alpha of Gemm).</param>
/// <param name="BiasScale">Factor of the bias (beta of Gemm).</param>
internal sealed record LayerWeights(
    Tensor Values, Tensor? Bias, int OutChannels, bool Transposed = false, float Scale = 1, float BiasScale = 1)
{
    /// <summary>Constant per-channel multiplications and additions after the layer, in order.</summary>
    public IReadOnlyList<ChannelConstant> Folded { get; init; } = [];

    /// <summary>The zeros of the values; counted on first use.</summary>
    public WeightZeros Zeros => WeightZeros.Of(Values, OutChannels, Transposed);

    /// <summary>The values in the order of a convolution with everything folded in, and one bias per output channel.</summary>
    public (float[] Values, float[] Bias) Materialize(ConvShape shape)
    {
        float[] values = Values.Values<float>().ToArray();
        int taps = values.Length / OutChannels;
        if (Transposed)
        {
            var turned = new float[values.Length];
            for (int tap = 0; tap < taps; tap++)
            {
                for (int output = 0; output < OutChannels; output++) turned[(output * taps) + tap] = values[(tap * OutChannels) + output];
            }

            values = turned;
        }

        var bias = new float[shape.OutChannels];
        if (Bias is { } given)
        {
            ReadOnlySpan<float> source = given.Values<float>();
            for (int output = 0; output < bias.Length; output++) bias[output] = BiasScale * source[source.Length == 1 ? 0 : output];
        }

        for (int output = 0; output < OutChannels; output++)
        {
            double scale = Scale;
            double shift = bias[output];
            foreach (ChannelConstant constant in Folded)
            {
                float factor = constant.Values[constant.Values.Length == 1 ? 0 : output];
                if (constant.IsProduct) (scale, shift) = (scale * factor, shift * factor);
                else shift += factor;
            }

            bias[output] = (float)shift;
            if (scale == 1) continue;
            foreach (ref float value in values.AsSpan(output * taps, taps)) value = (float)(value * scale);
        }

        return (values, bias);
    }
}

/// <summary>A constant that multiplies, or is added to, each channel of an activation.</summary>
/// <param name="Values">One value per channel, or one for all.</param>
/// <param name="IsProduct">Whether it multiplies; otherwise it is added.</param>
internal sealed record ChannelConstant(float[] Values, bool IsProduct);
