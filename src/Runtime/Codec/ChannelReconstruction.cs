using System.Numerics.Tensors;

namespace CoInference.Runtime.Codec;

/// <summary>The affine map from the channels that are sent, as the decoder sees them, to those that are not.</summary>
/// <param name="Weights">[dropped, kept].</param>
/// <param name="Bias">[dropped].</param>
/// <param name="Minimum">[dropped], smallest calibrated value of each channel: after a ReLU nothing below 0 is rebuilt.</param>
internal sealed record ChannelReconstruction(float[] Weights, float[] Bias, float[] Minimum)
{
    // Keeps the normal equations solvable when kept channels are nearly dependent, without a visible bias.
    private const double Ridge = 1e-5;

    /// <summary>Fits the map by least squares on the sample, with the kept channels quantized as they will be.</summary>
    /// <param name="samples">The calibrated feature.</param>
    /// <param name="kept">Channels that are sent.</param>
    /// <param name="dropped">Channels to rebuild.</param>
    /// <param name="restored">[kept, samples]: sampled values of the kept channels after the quantizer.</param>
    public static ChannelReconstruction Fit(FeatureSamples samples, int[] kept, int[] dropped, float[] restored)
    {
        int count = samples.SampleCount;
        int h = kept.Length;
        var means = new double[h];
        for (int k = 0; k < h; k++)
        {
            Span<float> row = restored.AsSpan(k * count, count);
            float mean = TensorPrimitives.Sum<float>(row) / count;
            TensorPrimitives.Subtract(row, mean, row);
            means[k] = mean;
        }

        double[] factor = FactorizedGram(restored, h, count);
        var weights = new float[dropped.Length * h];
        var bias = new float[dropped.Length];
        var minimum = new float[dropped.Length];
        var right = new double[h];
        for (int d = 0; d < dropped.Length; d++)
        {
            ReadOnlySpan<float> target = samples.Sample(dropped[d]);
            // The regressors are centered, so the target's mean drops out of the products.
            for (int k = 0; k < h; k++) right[k] = TensorPrimitives.Dot(restored.AsSpan(k * count, count), target);
            Solve(factor, right);
            double intercept = samples.Means[dropped[d]];
            for (int k = 0; k < h; k++)
            {
                weights[(d * h) + k] = (float)right[k];
                intercept -= right[k] * means[k];
            }

            bias[d] = (float)intercept;
            minimum[d] = samples.Range(dropped[d]).Minimum;
        }

        return new ChannelReconstruction(weights, bias, minimum);
    }

    private static double[] FactorizedGram(float[] centered, int h, int count)
    {
        var gram = new double[h * h];
        double trace = 0;
        for (int i = 0; i < h; i++)
        {
            for (int j = 0; j <= i; j++) gram[(i * h) + j] = TensorPrimitives.Dot(centered.AsSpan(i * count, count), centered.AsSpan(j * count, count));
            trace += gram[(i * h) + i];
        }

        double ridge = (Ridge * trace / h) + double.Epsilon;
        for (int i = 0; i < h; i++) gram[(i * h) + i] = Math.Max(gram[(i * h) + i] + ridge, 1e-30);
        for (int i = 0; i < h; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double value = gram[(i * h) + j];
                for (int k = 0; k < j; k++) value -= gram[(i * h) + k] * gram[(j * h) + k];
                gram[(i * h) + j] = i == j ? Math.Sqrt(Math.Max(value, 1e-30)) : value / gram[(j * h) + j];
            }
        }

        return gram;
    }

    private static void Solve(double[] factor, double[] right)
    {
        int h = right.Length;
        for (int i = 0; i < h; i++)
        {
            double value = right[i];
            for (int k = 0; k < i; k++) value -= factor[(i * h) + k] * right[k];
            right[i] = value / factor[(i * h) + i];
        }

        for (int i = h - 1; i >= 0; i--)
        {
            double value = right[i];
            for (int k = i + 1; k < h; k++) value -= factor[(k * h) + i] * right[k];
            right[i] = value / factor[(i * h) + i];
        }
    }
}
