using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>
/// Batch normalization by the statistics of the batch (Ioffe and Szegedy 2015), with the addition of a shortcut and a
/// clamp in the same pass over memory. A frozen one, like all before it, goes by its running statistics and keeps them.
/// </summary>
internal sealed class BatchNormStep(
    TrainingValue input, TrainingValue? addend, TrainingValue output, TrainingParameter scale, TrainingParameter shift,
    TrainingParameter mean, TrainingParameter variance, float epsilon, float momentum, ActivationBounds bounds, bool isFrozen)
    : TrainingStep(addend is null ? [input] : [input, addend], output)
{
    private float[] _centre = [], _mean = [], _inverse = [], _a = [], _b = [], _c = [];
    private double[][] _sums = [], _products = [];
    private double _count;

    public override IEnumerable<TrainingParameter> Parameters => isFrozen ? [] : [scale, shift, mean, variance];

    public override bool Measures => !isFrozen;

    public override bool MeasuresGradient => true;

    public override int PassedInput => addend is null ? -1 : 1;

    public override void Allocate(int batch, int parts)
    {
        base.Allocate(batch, parts);
        int filled = Output.Map.Blocks * BorderedMap.Lanes;
        (_centre, _mean, _inverse, _a, _b, _c) = (new float[filled], new float[filled], new float[filled], new float[filled], new float[filled], new float[filled]);
        (_sums, _products) = (new double[parts][], new double[parts][]);
        for (int part = 0; part < parts; part++) (_sums[part], _products[part]) = (new double[filled], new double[filled]);
        _count = (double)batch * input.Height * input.Width;
    }

    public override void Prepare()
    {
        if (isFrozen)
        {
            for (int channel = 0; channel < scale.Values.Length; channel++)
            {
                double slope = scale.Values[channel] / Math.Sqrt((double)variance.Values[channel] + epsilon);
                (_a[channel], _b[channel]) = ((float)slope, (float)(shift.Values[channel] - (slope * mean.Values[channel])));
            }

            return;
        }

        // Sums are taken about the running mean: about zero, the difference of two large sums would lose the digits that matter.
        mean.Values.CopyTo(_centre, 0);
        Clear();
    }

    public override void Measure(int part, int first, int end) => MapPasses.Widest.Moments(input.Map, _centre, first, end, _sums[part], _products[part]);

    public override void EndMeasure()
    {
        for (int channel = 0; channel < scale.Values.Length; channel++)
        {
            double offset = Total(_sums, channel) / _count;
            double spread = Math.Max(0, (Total(_products, channel) / _count) - (offset * offset));
            double centre = _centre[channel] + offset, inverse = 1 / Math.Sqrt(spread + epsilon);
            (_mean[channel], _inverse[channel]) = ((float)centre, (float)inverse);
            _a[channel] = (float)(scale.Values[channel] * inverse);
            _b[channel] = (float)(shift.Values[channel] - (scale.Values[channel] * inverse * centre));
            double unbiased = _count > 1 ? spread * _count / (_count - 1) : spread;
            mean.Values[channel] = (float)((momentum * mean.Values[channel]) + ((1 - momentum) * centre));
            variance.Values[channel] = (float)((momentum * variance.Values[channel]) + ((1 - momentum) * unbiased));
        }

        Clear();
    }

    public override void Forward(int part, int first, int end) =>
        MapPasses.Widest.Affine(input.Map, _a, _b, addend?.Map, Output.Map, first, end, bounds.Low, bounds.High);

    public override void MeasureGradient(int part, int first, int end)
    {
        if (!bounds.IsNone) MapPasses.Widest.Mask(Output.Map, Gradient, first, end, bounds.Low, bounds.High);
        MapPasses.Widest.GradientMoments(Gradient, input.Map, _mean, first, end, _sums[part], _products[part]);
    }

    public override void EndMeasureGradient()
    {
        // dx = scale / sigma (dy - mean(dy) - xhat mean(dy xhat)), the means taken over batch and pixels.
        for (int channel = 0; channel < scale.Values.Length; channel++)
        {
            double sum = Total(_sums, channel), product = Total(_products, channel) * _inverse[channel];
            (shift.Gradients[channel], scale.Gradients[channel]) = ((float)sum, (float)product);
            double a = (double)scale.Values[channel] * _inverse[channel], b = -a * _inverse[channel] * product / _count;
            (_a[channel], _b[channel]) = ((float)a, (float)b);
            _c[channel] = (float)((-a * sum / _count) - (b * _mean[channel]));
        }
    }

    public override void Backward(int part, int first, int end)
    {
        if (InputGradient(0, out bool accumulates) is { } target)
            MapPasses.Widest.Combine(Gradient, _a, input.Map, _b, _c, target, first, end, accumulates);
        if (addend is not null && InputGradient(1, out bool adds) is { } passed) MapPasses.Widest.Add(Gradient, passed, first, end, adds);
    }

    private void Clear()
    {
        foreach (double[] sums in _sums) Array.Clear(sums);
        foreach (double[] products in _products) Array.Clear(products);
    }

    private static double Total(double[][] parts, int channel)
    {
        double total = 0;
        foreach (double[] part in parts) total += part[channel];
        return total;
    }
}
