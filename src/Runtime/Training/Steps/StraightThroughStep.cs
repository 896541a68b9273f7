using System.Numerics.Tensors;
using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>The levels of an affine quantizer: level k stands for (k - <paramref name="ZeroPoint"/>) <paramref name="Scale"/>.</summary>
/// <param name="Scale">Distance between levels.</param>
/// <param name="ZeroPoint">Level of the value 0.</param>
/// <param name="Lowest">Lowest level.</param>
/// <param name="Highest">Highest level.</param>
internal readonly record struct QuantizerLevels(float Scale, int ZeroPoint, int Lowest, int Highest)
{
    public int Count => Highest - Lowest + 1;

    public float Low => (Lowest - ZeroPoint) * Scale;

    public float High => (Highest - ZeroPoint) * Scale;
}

/// <summary>
/// Rounds to the levels of a quantizer; the gradient passes straight through within their range and stops outside it
/// (Bengio et al. 2013). With a rate weight the loss grows with the entropy of the levels, channel by channel: a value
/// between two levels counts for both by its nearness, which makes the entropy differentiable.
/// </summary>
internal sealed unsafe class StraightThroughStep(TrainingValue input, TrainingValue output, QuantizerLevels levels, float rateWeight) : TrainingStep([input], output)
{
    /// <summary>Added to each level's count, so that a level that nothing hits has a finite code length.</summary>
    private const double Prior = 0.1;

    private double[][] _counts = [];

    /// <summary>Change of the rate with the count of each level, [channel, level].</summary>
    private float[] _slopes = [];
    private int _batch;

    /// <summary>Bits per image of the last batch under its own channel-wise frequencies; 0 without a rate weight.</summary>
    public double Rate { get; private set; }

    /// <summary>What the rate adds to the loss.</summary>
    public double Loss => Rate * rateWeight;

    public override bool Measures => rateWeight > 0;

    public override void Allocate(int batch, int parts)
    {
        base.Allocate(batch, parts);
        _batch = batch;
        if (!Measures) return;
        _counts = new double[parts][];
        for (int part = 0; part < parts; part++) _counts[part] = new double[input.Channels * levels.Count];
        _slopes = new float[input.Channels * levels.Count];
    }

    public override void Prepare()
    {
        foreach (double[] counts in _counts) Array.Clear(counts);
    }

    public override void Measure(int part, int first, int end)
    {
        double[] counts = _counts[part];
        for (int image = first; image < end; image++)
        {
            for (int channel = 0; channel < input.Channels; channel++)
            {
                int at = channel * levels.Count;
                for (int y = 0; y < input.Height; y++)
                {
                    float* x = Row(input.Map, image, channel, y);
                    for (int column = 0; column < input.Width; column++, x += BorderedMap.Lanes)
                    {
                        (int below, float share) = Place(*x);
                        counts[at + below] += 1 - share;
                        if (share > 0) counts[at + below + 1] += share;
                    }
                }
            }
        }
    }

    public override void EndMeasure()
    {
        double bits = 0, values = (double)_batch * input.Height * input.Width, total = values + (Prior * levels.Count);
        for (int i = 0; i < _slopes.Length; i++)
        {
            double count = 0;
            foreach (double[] part in _counts) count += part[i];
            double length = -Math.Log2((count + Prior) / total);
            bits += count * length;
            _slopes[i] = (float)(length - (count / ((count + Prior) * Math.Log(2))));
        }

        Rate = bits / _batch;
    }

    public override void Forward(int part, int first, int end)
    {
        int count = input.Width * BorderedMap.Lanes;
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < input.Map.Blocks; block++)
            {
                for (int row = 0; row < input.Height; row++)
                {
                    var x = new ReadOnlySpan<float>(input.Map.Plane(image, block) + (row * input.Map.RowStride), count);
                    var y = new Span<float>(Output.Map.Plane(image, block) + (row * Output.Map.RowStride), count);
                    TensorPrimitives.Divide(x, levels.Scale, y);
                    TensorPrimitives.Round(y, y);
                    TensorPrimitives.Clamp(y, levels.Lowest - levels.ZeroPoint, levels.Highest - levels.ZeroPoint, y);
                    TensorPrimitives.Multiply(y, levels.Scale, y);
                }
            }
        }
    }

    public override void Backward(int part, int first, int end)
    {
        if (InputGradient(0, out bool accumulates) is not { } target) return;
        float rate = rateWeight / (levels.Scale * _batch);
        for (int image = first; image < end; image++)
        {
            for (int channel = 0; channel < input.Channels; channel++)
            {
                for (int y = 0; y < input.Height; y++)
                {
                    float* x = Row(input.Map, image, channel, y), arrived = Row(Gradient, image, channel, y), to = Row(target, image, channel, y);
                    for (int column = 0; column < input.Width; column++, x += BorderedMap.Lanes, arrived += BorderedMap.Lanes, to += BorderedMap.Lanes)
                    {
                        float gradient = *x >= levels.Low && *x <= levels.High ? *arrived + (rate * Slope(channel, *x)) : 0;
                        *to = accumulates ? *to + gradient : gradient;
                    }
                }
            }
        }
    }

    private static float* Row(BorderedMap map, int image, int channel, int row) =>
        map.Plane(image, channel / BorderedMap.Lanes) + (row * map.RowStride) + (channel % BorderedMap.Lanes);

    /// <summary>The level below a value, from 0, and how near the value is to the one above.</summary>
    private (int Below, float Share) Place(float value)
    {
        float place = Math.Clamp((value / levels.Scale) + levels.ZeroPoint - levels.Lowest, 0, levels.Count - 1);
        int below = Math.Min((int)place, levels.Count - 2);
        return (below, place - below);
    }

    /// <summary>Change of the rate in bits per level: what one level's count gains, the other loses.</summary>
    private float Slope(int channel, float value)
    {
        if (!Measures) return 0;
        int below = (channel * levels.Count) + Place(value).Below;
        return _slopes[below + 1] - _slopes[below];
    }
}
