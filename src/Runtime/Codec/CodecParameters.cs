using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Codec;

/// <summary>All that defines a codec: what calibration finds and the codec file stores.</summary>
/// <param name="FeatureShape">Shape of the feature, with a batch of 1.</param>
/// <param name="Decision">Channels, bits and whether symbols may be entropy coded.</param>
/// <param name="Kept">Channels that are sent, ascending.</param>
/// <param name="Minimum">Value of symbol 0: one per kept channel, or one for all; empty when nothing is quantized.</param>
/// <param name="Step">Distance between neighbouring levels, as many as <paramref name="Minimum"/>; 0 for a constant channel.</param>
/// <param name="Reconstruction">Map to the channels that are not sent, ascending; null when all are sent.</param>
/// <param name="Entropy">Distributions of the symbols; null when the decision is not to entropy code.</param>
internal sealed record CodecParameters(
    TensorShape FeatureShape,
    CodecDecision Decision,
    int[] Kept,
    float[] Minimum,
    float[] Step,
    ChannelReconstruction? Reconstruction,
    EntropyModel? Entropy)
{
    /// <summary>Bits of a decision that sends float32 values.</summary>
    public const int RawBits = 32;

    private const int MaxEntropySymbols = 1 << 20;

    // Below this the reciprocal of the step leaves the range of a float.
    private const float SmallestStep = 1e-37f;

    /// <summary>Whether values are sent as float32.</summary>
    public bool IsRaw => Decision.Bits == RawBits;

    /// <summary>Reciprocal of a step as the quantizer uses it.</summary>
    public static float Inverse(float step) => step == 0 ? 0 : 1f / step;

    /// <summary>The symbol of value 0, not rounded, as the quantizer uses it.</summary>
    public static float Offset(float minimum, float step) => -(minimum * Inverse(step));

    /// <summary>Channels that are not sent, ascending.</summary>
    public static int[] Dropped(int channels, int[] kept) => [.. Enumerable.Range(0, channels).Except(kept)];

    /// <summary>Checks a decision against a feature.</summary>
    /// <exception cref="ArgumentException">It does not fit; the message says how.</exception>
    public static void CheckDecision(CodecDecision decision, int channels)
    {
        if (decision.TotalChannels != channels)
            throw new ArgumentException($"The codec decision is for {decision.TotalChannels} channels, the feature has {channels}.", nameof(decision));
        if (decision.Channels < 1 || decision.Channels > channels)
            throw new ArgumentException($"The codec decision keeps {decision.Channels} of {channels} channels.", nameof(decision));
        if (decision.Bits is not ((>= 1 and <= 8) or RawBits))
            throw new ArgumentException($"The codec decision has {decision.Bits} bits, expected 1 to 8, or {RawBits} for unquantized values.", nameof(decision));
        if (decision.Bits == RawBits && decision.EntropyCoded)
            throw new ArgumentException("Unquantized values cannot be entropy coded.", nameof(decision));
    }

    /// <summary>Finds the parameters of a decision.</summary>
    /// <exception cref="ArgumentException">The decision does not fit the feature.</exception>
    public static CodecParameters Calibrate(FeatureSamples samples, CodecDecision decision, CodecOptions options)
    {
        CheckDecision(decision, samples.Channels);
        int[] kept = [.. samples.Order.Take(decision.Channels).Order()];
        int[] dropped = Dropped(samples.Channels, kept);
        (float[] minimum, float[] step) = decision.Bits == RawBits ? ([], []) : Ranges(samples, kept, 1 << decision.Bits, options);
        ChannelReconstruction? reconstruction = dropped.Length == 0 ? null
            : ChannelReconstruction.Fit(samples, kept, dropped, Restored(samples, kept, minimum, step, decision.Bits));
        EntropyModel? entropy = decision.EntropyCoded
            ? EntropyModel.Fit(SymbolGrid.Of(samples.Shape, kept.Length), decision.Bits, Symbols(samples, kept, minimum, step, decision.Bits))
            : null;
        return new CodecParameters(samples.Shape, decision, kept, minimum, step, reconstruction, entropy);
    }

    // Distributions settle long before this many symbols; their cost must not, because a search calibrates many codecs.
    private static unsafe byte[] Symbols(FeatureSamples samples, int[] kept, float[] minimum, float[] step, int bits)
    {
        int count = kept.Length * samples.Pixels;
        int images = Math.Clamp(MaxEntropySymbols / count, 1, samples.Images);
        var symbols = new byte[checked(images * count)];
        fixed (byte* target = symbols)
        {
            for (int i = 0; i < images; i++)
            {
                fixed (float* feature = samples.Image((int)((long)samples.Images * i / images)))
                {
                    for (int k = 0; k < kept.Length; k++)
                    {
                        int r = minimum.Length == 1 ? 0 : k;
                        AffineQuantizer.Quantize(
                            feature + ((nint)kept[k] * samples.Pixels), target + ((nint)i * count) + ((nint)k * samples.Pixels),
                            samples.Pixels, Inverse(step[r]), Offset(minimum[r], step[r]), 1 << bits);
                    }
                }
            }
        }

        return symbols;
    }

    private static (float[] Minimum, float[] Step) Ranges(FeatureSamples samples, int[] kept, int levels, CodecOptions options)
    {
        int ranges = options.PerTensorRange ? 1 : kept.Length;
        var minimum = new float[ranges];
        var step = new float[ranges];
        for (int r = 0; r < ranges; r++)
        {
            int[] channels = options.PerTensorRange ? kept : [kept[r]];
            (float Minimum, float Maximum)[] ends = Array.ConvertAll(channels, samples.Range);
            float low = ends.Min(end => end.Minimum);
            float high = ends.Max(end => end.Maximum);
            if (options.Given is { } given)
            {
                (low, high) = (given.Low, given.High);
            }
            else if (options.Clip)
            {
                var histogram = new ClippingRange.SampleHistogram(low, high);
                foreach (int channel in channels) histogram.Add(samples.Sample(channel));
                (low, high) = ClippingRange.Find(histogram, levels);
            }

            float distance = (float)(((double)high - low) / (levels - 1));
            minimum[r] = low;
            step[r] = distance >= SmallestStep && float.IsFinite(distance) && float.IsFinite(Offset(low, distance)) ? distance : 0;
        }

        return (minimum, step);
    }

    private static unsafe float[] Restored(FeatureSamples samples, int[] kept, float[] minimum, float[] step, int bits)
    {
        int count = samples.SampleCount;
        var restored = new float[kept.Length * count];
        var symbols = new byte[count];
        for (int k = 0; k < kept.Length; k++)
        {
            Span<float> row = restored.AsSpan(k * count, count);
            samples.Sample(kept[k]).CopyTo(row);
            if (bits == RawBits) continue;
            int r = minimum.Length == 1 ? 0 : k;
            fixed (float* values = row)
            fixed (byte* levels = symbols)
            {
                AffineQuantizer.Quantize(values, levels, count, Inverse(step[r]), Offset(minimum[r], step[r]), 1 << bits);
                AffineQuantizer.Dequantize(levels, values, count, step[r], minimum[r]);
            }
        }

        return restored;
    }
}
