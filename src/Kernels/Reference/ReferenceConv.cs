using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Reference;

/// <summary>The definition of convolution, one multiplication at a time: the oracle for every other convolution kernel.</summary>
public static class ReferenceConv
{
    /// <summary>Computes y = activation(conv(x, w) + bias + residual) in NCHW, summing in double precision.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="epilogue">What follows the sum.</param>
    /// <param name="input">[Batch, InChannels, InHeight, InWidth].</param>
    /// <param name="weights">[OutChannels, InChannels / Groups, KernelHeight, KernelWidth].</param>
    /// <param name="bias">[OutChannels], or empty.</param>
    /// <param name="residual">[Batch, OutChannels, OutHeight, OutWidth]; read only if the epilogue has a residual.</param>
    /// <param name="output">[Batch, OutChannels, OutHeight, OutWidth]; may be the residual's memory.</param>
    /// <exception cref="ArgumentException">The shape is invalid or a length does not fit it; the message names it.</exception>
    public static void Run(
        ConvShape shape,
        Epilogue epilogue,
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> bias,
        ReadOnlySpan<float> residual,
        Span<float> output)
    {
        shape.Validate();
        int outHeight = shape.OutHeight, outWidth = shape.OutWidth;
        int outputCount = shape.Batch * shape.OutChannels * outHeight * outWidth;
        RequireLength(nameof(input), input.Length, shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth, shape);
        RequireLength(nameof(weights), weights.Length, shape.WeightCount, shape);
        RequireLength(nameof(bias), bias.Length, bias.IsEmpty ? 0 : shape.OutChannels, shape);
        RequireLength(nameof(residual), residual.Length, epilogue.HasResidual ? outputCount : residual.Length, shape);
        RequireLength(nameof(output), output.Length, outputCount, shape);

        for (int image = 0, at = 0; image < shape.Batch; image++)
        {
            for (int channel = 0; channel < shape.OutChannels; channel++)
            {
                for (int y = 0; y < outHeight; y++)
                {
                    for (int x = 0; x < outWidth; x++, at++)
                    {
                        double sum = bias.IsEmpty ? 0 : bias[channel];
                        sum += Taps(shape, input, weights, image, channel, y, x);
                        if (epilogue.HasResidual) sum += residual[at];
                        if (epilogue.Activation == FusedActivation.Clamp) sum = Math.Min(Math.Max(sum, epilogue.Minimum), epilogue.Maximum);
                        output[at] = (float)sum;
                    }
                }
            }
        }
    }

    private static double Taps(
        ConvShape shape, ReadOnlySpan<float> input, ReadOnlySpan<float> weights, int image, int outChannel, int outY, int outX)
    {
        int groupInputs = shape.InChannels / shape.Groups;
        int firstInput = outChannel / (shape.OutChannels / shape.Groups) * groupInputs;
        double sum = 0;
        for (int channel = 0; channel < groupInputs; channel++)
        {
            int plane = ((image * shape.InChannels) + firstInput + channel) * shape.InHeight * shape.InWidth;
            int filter = ((outChannel * groupInputs) + channel) * shape.KernelHeight * shape.KernelWidth;
            for (int ky = 0; ky < shape.KernelHeight; ky++)
            {
                int y = (outY * shape.StrideY) + (ky * shape.DilationY) - shape.PadTop;
                if ((uint)y >= (uint)shape.InHeight) continue;
                for (int kx = 0; kx < shape.KernelWidth; kx++)
                {
                    int x = (outX * shape.StrideX) + (kx * shape.DilationX) - shape.PadLeft;
                    if ((uint)x >= (uint)shape.InWidth) continue;
                    sum += (double)input[plane + (y * shape.InWidth) + x] * weights[filter + (ky * shape.KernelWidth) + kx];
                }
            }
        }

        return sum;
    }

    private static void RequireLength(string name, int actual, int expected, ConvShape shape)
    {
        if (actual != expected) throw new ArgumentException($"Convolution {shape}: {name} has {actual} values, expected {expected}.", name);
    }
}
