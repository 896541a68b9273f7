using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Normalizations of [N, C, D1, D2, ...] tensors.</summary>
public static class Normalization
{
    /// <summary>(x - mean) / sqrt(variance + epsilon) · scale + bias, per channel with given statistics.</summary>
    /// <param name="input">[N, C, ...].</param>
    /// <param name="scale">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="mean">[C].</param>
    /// <param name="variance">[C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <exception cref="ArgumentException">A parameter does not have one value per channel.</exception>
    public static Tensor Batch(Tensor input, Tensor scale, Tensor bias, Tensor mean, Tensor variance, double epsilon)
    {
        int channels = CheckPerChannel(input.Shape, scale, bias, mean, variance);
        (double[] factors, double[] offsets) = (Doubles.Of(scale), Doubles.Of(bias));
        (double[] means, double[] variances) = (Doubles.Of(mean), Doubles.Of(variance));
        for (int c = 0; c < channels; c++)
        {
            factors[c] /= Math.Sqrt(variances[c] + epsilon);
            offsets[c] -= means[c] * factors[c];
        }

        double[] x = Doubles.Of(input);
        int plane = PlaneOf(input.Shape);
        for (int i = 0; i < x.Length; i++)
        {
            int c = i / plane % channels;
            x[i] = (x[i] * factors[c]) + offsets[c];
        }

        return Doubles.Store(input.Type, input.Shape, x);
    }

    /// <summary>Batch normalization with the batch's own statistics, and the running statistics moved towards them.</summary>
    /// <param name="input">[N, C, ...].</param>
    /// <param name="scale">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="mean">Running mean before, [C].</param>
    /// <param name="variance">Running variance before, [C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="momentum">Share of the running statistics that stays.</param>
    /// <exception cref="ArgumentException">A parameter does not have one value per channel.</exception>
    public static (Tensor Output, Tensor Mean, Tensor Variance) BatchTraining(
        Tensor input, Tensor scale, Tensor bias, Tensor mean, Tensor variance, double epsilon, double momentum)
    {
        int channels = CheckPerChannel(input.Shape, scale, bias, mean, variance);
        double[] x = Doubles.Of(input);
        int plane = PlaneOf(input.Shape);
        var means = new double[channels];
        var variances = new double[channels];
        double count = channels == 0 ? 1 : Math.Max(1, x.Length / channels);
        for (int i = 0; i < x.Length; i++) means[i / plane % channels] += x[i] / count;
        for (int i = 0; i < x.Length; i++) variances[i / plane % channels] += Math.Pow(x[i] - means[i / plane % channels], 2) / count;
        Tensor batchMean = Doubles.Store(ElementType.Float64, mean.Shape, means);
        Tensor batchVariance = Doubles.Store(ElementType.Float64, variance.Shape, variances);
        Tensor output = Batch(input, scale, bias, batchMean, batchVariance, epsilon);
        (double[] runningMean, double[] runningVariance) = (Doubles.Of(mean), Doubles.Of(variance));
        for (int c = 0; c < channels; c++)
        {
            runningMean[c] = (runningMean[c] * momentum) + (means[c] * (1 - momentum));
            runningVariance[c] = (runningVariance[c] * momentum) + (variances[c] * (1 - momentum));
        }

        return (output, Doubles.Store(mean.Type, mean.Shape, runningMean), Doubles.Store(variance.Type, variance.Shape, runningVariance));
    }

    /// <summary>Normalizes each channel of each image with its own statistics.</summary>
    /// <param name="input">[N, C, D1, ...].</param>
    /// <param name="scale">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <exception cref="ArgumentException">A parameter does not have one value per channel.</exception>
    public static Tensor Instance(Tensor input, Tensor scale, Tensor bias, double epsilon)
    {
        int channels = CheckPerChannel(input.Shape, scale, bias);
        double[] x = Doubles.Of(input);
        (double[] factors, double[] offsets) = (Doubles.Of(scale), Doubles.Of(bias));
        int plane = PlaneOf(input.Shape);
        for (int start = 0; start < x.Length; start += plane)
        {
            Span<double> values = x.AsSpan(start, plane);
            double mean = 0;
            foreach (double value in values) mean += value / plane;
            double variance = 0;
            foreach (double value in values) variance += (value - mean) * (value - mean) / plane;
            int c = start / plane % channels;
            double factor = factors[c] / Math.Sqrt(variance + epsilon);
            for (int i = 0; i < values.Length; i++) values[i] = ((values[i] - mean) * factor) + offsets[c];
        }

        return Doubles.Store(input.Type, input.Shape, x);
    }

    /// <summary>Divides each element by (bias + alpha / size · sum of squares over neighbouring channels)^beta.</summary>
    /// <param name="input">[N, C, ...].</param>
    /// <param name="size">Channels in a neighbourhood.</param>
    /// <param name="alpha">Scale of the sum.</param>
    /// <param name="beta">Exponent.</param>
    /// <param name="bias">Added to the scaled sum.</param>
    /// <exception cref="ArgumentException">The size is less than 1, or the input has no channels.</exception>
    public static Tensor LocalResponse(Tensor input, int size, double alpha, double beta, double bias)
    {
        if (size < 1) throw new ArgumentException($"The size is {size}, expected at least 1.");
        if (input.Shape.Rank < 2) throw new ArgumentException($"Input {input.Shape} has no channels.");
        double[] x = Doubles.Of(input);
        var y = new double[x.Length];
        int channels = input.Shape[1];
        int plane = PlaneOf(input.Shape);
        for (int i = 0; i < x.Length; i++)
        {
            int c = i / plane % channels;
            int first = Math.Max(0, c - ((size - 1) / 2));
            int last = (int)Math.Min(channels - 1, c + ((long)size / 2));
            double sum = 0;
            for (int neighbour = first; neighbour <= last; neighbour++)
            {
                double value = x[i + ((neighbour - c) * plane)];
                sum += value * value;
            }

            y[i] = x[i] / Math.Pow(bias + (alpha / size * sum), beta);
        }

        return Doubles.Store(input.Type, input.Shape, y);
    }

    private static int CheckPerChannel(TensorShape input, params ReadOnlySpan<Tensor> parameters)
    {
        int channels = input.Rank switch
        {
            0 => throw new ArgumentException("A scalar has no channels."),
            1 => 1,
            _ => input[1],
        };
        foreach (Tensor parameter in parameters)
        {
            if (parameter.Count != channels) throw new ArgumentException($"A parameter has shape {parameter.Shape}, expected [{channels}].");
        }

        return channels;
    }

    private static int PlaneOf(TensorShape shape)
    {
        int plane = 1;
        for (int axis = 2; axis < shape.Rank; axis++) plane *= shape[axis];
        return Math.Max(1, plane);
    }
}
