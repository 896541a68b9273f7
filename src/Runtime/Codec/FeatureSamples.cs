using System.Numerics.Tensors;
using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Codec;

/// <summary>
/// What a codec must know about a feature before it is calibrated: a sample of its pixels, the moments of its channels and
/// the order in which channels are worth sending. Made once per feature; every codec decision for it starts from here.
/// </summary>
public sealed class FeatureSamples
{
    // Enough for means and covariances to three digits; the cost of the covariance grows with it.
    private const int MaxSamples = 16384;
    private const int MaxRank = 4;

    private readonly float[] _features;
    private readonly float[] _columns;

    /// <summary>Draws the sample, computes the moments and ranks the channels.</summary>
    /// <param name="features">Calibration features, N x C x H x W or N x C, row-major.</param>
    /// <param name="featureShape">Shape of one feature with a batch of 1: [1, C], [1, C, W] or [1, C, H, W].</param>
    /// <exception cref="ArgumentException">The shape is no feature, the values do not fill whole features, or one is not finite.</exception>
    public FeatureSamples(ReadOnlySpan<float> features, TensorShape featureShape)
    {
        CheckShape(featureShape);
        if (features.IsEmpty || features.Length % featureShape.Count != 0)
            throw new ArgumentException($"{features.Length} calibration values are not a positive multiple of feature {featureShape}.", nameof(features));
        // A sum of finite floats in double precision cannot overflow; a NaN or infinity anywhere shows in it.
        double sum = 0;
        foreach (float value in features) sum += value;
        if (!double.IsFinite(sum)) throw new ArgumentException("The calibration features contain values that are not finite.", nameof(features));

        Shape = featureShape;
        Channels = featureShape[1];
        Pixels = featureShape.Count / Channels;
        Images = features.Length / featureShape.Count;
        _features = features.ToArray();
        SampleCount = (int)Math.Min((long)Images * Pixels, MaxSamples);
        _columns = Draw();
        Means = new float[Channels];
        for (int c = 0; c < Channels; c++) Means[c] = TensorPrimitives.Sum(Sample(c)) / SampleCount;
        Order = ChannelSelection.Rank(Covariance(), Channels);
    }

    /// <summary>Shape of one feature, with a batch of 1.</summary>
    public TensorShape Shape { get; }

    /// <summary>Channels of the feature.</summary>
    public int Channels { get; }

    /// <summary>Values per channel of one feature.</summary>
    public int Pixels { get; }

    /// <summary>Calibration features.</summary>
    public int Images { get; }

    /// <summary>Pixels in the sample.</summary>
    public int SampleCount { get; }

    /// <summary>All channels, the one worth sending most first: any prefix is a greedy best selection of its size.</summary>
    public IReadOnlyList<int> Order { get; }

    internal float[] Means { get; }

    /// <summary>Checks that a shape is that of one feature.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    internal static void CheckShape(TensorShape shape)
    {
        if (shape.Rank is < 2 or > MaxRank || shape[0] != 1 || shape.Count == 0)
            throw new ArgumentException($"A feature has the shape [1, C], [1, C, W] or [1, C, H, W], not {shape}.", nameof(shape));
    }

    /// <summary>The sampled values of one channel; the same pixels for every channel.</summary>
    internal ReadOnlySpan<float> Sample(int channel) => _columns.AsSpan(channel * SampleCount, SampleCount);

    /// <summary>One calibration feature.</summary>
    public ReadOnlySpan<float> Image(int index) => _features.AsSpan(index * Shape.Count, Shape.Count);

    /// <summary>Smallest and largest value of a channel over all calibration features.</summary>
    internal (float Minimum, float Maximum) Range(int channel)
    {
        float minimum = float.PositiveInfinity, maximum = float.NegativeInfinity;
        for (int image = 0; image < Images; image++)
        {
            (float low, float high) = ValueRange.Find(Image(image).Slice(channel * Pixels, Pixels));
            (minimum, maximum) = (Math.Min(minimum, low), Math.Max(maximum, high));
        }

        return (minimum, maximum);
    }

    private float[] Draw()
    {
        long total = (long)Images * Pixels;
        // Random positions when there are more pixels than samples: a regular stride could visit one image column only.
        var random = new Random(20);
        var columns = new float[Channels * SampleCount];
        for (int s = 0; s < SampleCount; s++)
        {
            long position = total <= MaxSamples ? s : random.NextInt64(total);
            ReadOnlySpan<float> image = Image((int)(position / Pixels));
            int pixel = (int)(position % Pixels);
            for (int c = 0; c < Channels; c++) columns[(c * SampleCount) + s] = image[(c * Pixels) + pixel];
        }

        return columns;
    }

    private double[] Covariance()
    {
        var centered = new float[_columns.Length];
        for (int c = 0; c < Channels; c++) TensorPrimitives.Subtract(Sample(c), Means[c], centered.AsSpan(c * SampleCount, SampleCount));
        var covariance = new double[Channels * Channels];
        for (int i = 0; i < Channels; i++)
        {
            ReadOnlySpan<float> a = centered.AsSpan(i * SampleCount, SampleCount);
            for (int j = 0; j <= i; j++)
            {
                double value = TensorPrimitives.Dot(a, centered.AsSpan(j * SampleCount, SampleCount)) / SampleCount;
                covariance[(i * Channels) + j] = value;
                covariance[(j * Channels) + i] = value;
            }
        }

        return covariance;
    }
}
