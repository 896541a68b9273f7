using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Codec;

public class FeatureCodecTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void ErrorOfUnclippedRangesIsAtMostHalfAStep(int bits)
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 4, channels: 6, size: 9, sources: 5);
        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(6, 6, bits, EntropyCoded: false), new CodecOptions { Clip = false });
        for (int image = 0; image < 4; image++)
        {
            ReadOnlySpan<float> feature = values.AsSpan(image * shape.Count, shape.Count);
            float[] restored = RoundTrip(codec, feature);
            for (int c = 0; c < 6; c++)
            {
                float high = Enumerable.Range(0, 4).Max(n => Max(values.AsSpan((n * shape.Count) + (c * 81), 81)));
                float step = high / ((1 << bits) - 1);
                // Two float32 roundings in each direction, on values up to high.
                for (int p = c * 81; p < (c + 1) * 81; p++) Assert.True(Math.Abs(restored[p] - feature[p]) <= (step / 2) + (4e-7f * high), $"{restored[p]} for {feature[p]}, step {step}");
            }
        }
    }

    [Fact]
    public void ClippingLowersTheErrorAtFewBits()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 8, channels: 8, size: 16, sources: 7);
        foreach (int bits in new[] { 1, 2, 3 })
        {
            var decision = new CodecDecision(8, 8, bits, EntropyCoded: false);
            double clipped = MeanError(FeatureCodec.Calibrate(values, shape, decision), values);
            double plain = MeanError(FeatureCodec.Calibrate(values, shape, decision, new CodecOptions { Clip = false }), values);
            Assert.True(clipped < plain, $"{bits} bits: clipped {clipped}, plain {plain}");
        }
    }

    [Fact]
    public void DroppedChannelsOfALinearMixtureAreRebuilt()
    {
        // Twelve channels before the ReLU span four dimensions, so four of them carry everything; 8 bits leave steps of 1/255.
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 6, channels: 12, size: 8, sources: 4);
        for (int i = 0; i < values.Length; i++) values[i] = 0;
        var random = new Random(3);
        var mixing = new float[48];
        for (int i = 0; i < mixing.Length; i++) mixing[i] = (float)random.NextDouble() - 0.5f;
        for (int n = 0; n < 6; n++)
        {
            for (int p = 0; p < 64; p++)
            {
                for (int s = 0; s < 4; s++)
                {
                    float source = (float)random.NextDouble();
                    for (int c = 0; c < 12; c++) values[(n * shape.Count) + (c * 64) + p] += source * mixing[(c * 4) + s];
                }
            }
        }

        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(4, 12, 8, EntropyCoded: false));
        Assert.Equal(4, codec.KeptChannels.Count);
        Assert.True(MeanError(codec, values) < 0.01, $"error {MeanError(codec, values)}");
    }

    [Fact]
    public void RawDecisionIsLossless()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 2, channels: 3, size: 5, sources: 3);
        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(3, 3, 32, EntropyCoded: false));
        Assert.Equal(shape.Count * 4, codec.MaxPayloadBytes);
        Assert.Equal(values[..shape.Count], RoundTrip(codec, values.AsSpan(0, shape.Count)));
    }

    [Fact]
    public void FeatureWithoutPixelsRoundTrips()
    {
        var random = new Random(5);
        var values = new float[40 * 64];
        for (int i = 0; i < values.Length; i++) values[i] = (float)random.NextDouble() - 0.5f;
        var codec = FeatureCodec.Calibrate(values, new TensorShape(1, 64), new CodecDecision(64, 64, 8, EntropyCoded: false));
        Assert.True(MeanError(codec, values) < 1.0 / 255, "steps of 1/255 at most");
    }

    [Fact]
    public void FileIsReadBackExactly()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 4, channels: 8, size: 8, sources: 5);
        string path = Path.Combine(Path.GetTempPath(), $"codec-{Guid.NewGuid():N}.json");
        try
        {
            foreach (CodecDecision decision in new[] { new CodecDecision(5, 8, 3, true), new CodecDecision(8, 8, 8, false), new CodecDecision(2, 8, 32, false) })
            {
                var codec = FeatureCodec.Calibrate(values, shape, decision);
                codec.Save(path);
                var loaded = FeatureCodec.Load(path);
                Assert.Equal(decision, loaded.Decision);
                ReadOnlySpan<float> feature = values.AsSpan(0, shape.Count);
                Assert.Equal(RoundTrip(codec, feature), RoundTrip(loaded, feature));
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void DecisionMustFitTheFeature()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 1, channels: 4, size: 4, sources: 2);
        Assert.Throws<ArgumentException>(() => FeatureCodec.Calibrate(values, shape, new CodecDecision(5, 4, 8, false)));
        Assert.Throws<ArgumentException>(() => FeatureCodec.Calibrate(values, shape, new CodecDecision(4, 5, 8, false)));
        Assert.Throws<ArgumentException>(() => FeatureCodec.Calibrate(values, shape, new CodecDecision(4, 4, 9, false)));
        values[3] = float.NaN;
        Assert.Throws<ArgumentException>(() => FeatureCodec.Calibrate(values, shape, new CodecDecision(4, 4, 8, false)));
    }

    private static float Max(ReadOnlySpan<float> values)
    {
        float max = float.NegativeInfinity;
        foreach (float value in values) max = Math.Max(max, value);
        return max;
    }

    private static double MeanError(FeatureCodec codec, float[] values)
    {
        int count = codec.FeatureShape.Count;
        double sum = 0;
        for (int start = 0; start < values.Length; start += count) sum += SyntheticFeature.Rms(values.AsSpan(start, count), RoundTrip(codec, values.AsSpan(start, count)));
        return sum * count / values.Length;
    }

    private static float[] RoundTrip(FeatureCodec codec, ReadOnlySpan<float> feature)
    {
        var payload = new byte[codec.MaxPayloadBytes];
        int length = codec.Encode(feature, payload, out EntropyMode coder);
        var restored = new float[feature.Length];
        codec.Decode(payload.AsSpan(0, length), coder, restored);
        return restored;
    }
}
