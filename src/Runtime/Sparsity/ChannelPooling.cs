using System.Numerics.Tensors;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>Pooling of pixel-major values.</summary>
internal static class ChannelPooling
{
    /// <summary>The mean over all pixels of each image and channel, [N, C, 1, 1].</summary>
    public static CalibrationActivation GlobalAverage(CalibrationActivation input)
    {
        int pixels = input.Height * input.Width, channels = input.Channels;
        var result = new CalibrationActivation(new TensorShape(input.Images, channels, 1, 1));
        for (int n = 0; n < input.Images; n++)
        {
            Span<float> sum = result.Values.AsSpan(n * channels, channels);
            for (int p = 0; p < pixels; p++) TensorPrimitives.Add(sum, input.Values.AsSpan(((n * pixels) + p) * channels, channels), sum);
            TensorPrimitives.Divide(sum, pixels, sum);
        }

        return result;
    }
}
