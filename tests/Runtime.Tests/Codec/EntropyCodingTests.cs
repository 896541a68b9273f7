using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Codec;

public class EntropyCodingTests
{
    public static TheoryData<int, int, int> Grids => new()
    {
        { 1, 1, 1 },
        { 3, 7, 2 },
        { 16, 8, 4 },
        { 16, 32, 3 },
        { 5, 48, 8 },
        { 2, 80, 1 },
        { 33, 20, 6 },
    };

    [Theory]
    [MemberData(nameof(Grids))]
    public void CodedFeatureDecodesLikeThePackedOne(int channels, int size, int bits)
    {
        // Entropy coding is lossless: both payloads must give the very same values, also for features far from calibration.
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 6, channels, size, sources: 4);
        var coded = FeatureCodec.Calibrate(values, shape, new CodecDecision(channels, channels, bits, EntropyCoded: true));
        var packed = FeatureCodec.Calibrate(values, shape, new CodecDecision(channels, channels, bits, EntropyCoded: false));
        var random = new Random(8);
        for (int round = 0; round < 8; round++)
        {
            float[] feature = values.AsSpan(round % 6 * shape.Count, shape.Count).ToArray();
            for (int i = 0; i < feature.Length; i++)
            {
                // From calibrated features over ever noisier ones to pure noise with extremes never seen.
                if (random.Next(7) < round) feature[i] = (float)((random.NextDouble() * 8) - 4);
            }

            var payload = new byte[coded.MaxPayloadBytes];
            int length = coded.Encode(feature, payload, out EntropyMode coder);
            Assert.InRange(length, 1, coded.MaxPayloadBytes);
            Assert.Equal(length == coded.MaxPayloadBytes ? EntropyMode.Packed : EntropyMode.Coded, coder);
            var fromCoded = new float[shape.Count];
            coded.Decode(payload.AsSpan(0, length), coder, fromCoded);

            var fromPacked = new float[shape.Count];
            packed.Decode(payload.AsSpan(0, packed.Encode(feature, payload, out coder)), coder, fromPacked);
            Assert.Equal(fromPacked, fromCoded);
        }
    }

    [Fact]
    public void SmoothSparseFeatureShrinks()
    {
        // Half of the values are zero and neighbours are alike: well below the entropy of independent symbols.
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 8, channels: 16, size: 32, sources: 3);
        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(16, 16, 4, EntropyCoded: true));
        var payload = new byte[codec.MaxPayloadBytes];
        int length = codec.Encode(values.AsSpan(0, shape.Count), payload, out EntropyMode coder);
        Assert.Equal(EntropyMode.Coded, coder);
        Assert.True(length < 0.6 * codec.MaxPayloadBytes, $"{length} of {codec.MaxPayloadBytes} bytes");
    }

    [Theory]
    [InlineData(16, 32, 4)]
    [InlineData(6, 9, 3)]
    public void DamagedPayloadIsRefusedOrDecodedWithinBounds(int channels, int size, int bits)
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 3, channels, size, sources: 4);
        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(channels, channels, bits, EntropyCoded: true));
        var payload = new byte[codec.MaxPayloadBytes];
        int length = codec.Encode(values.AsSpan(0, shape.Count), payload, out EntropyMode coder);
        Assert.Equal(EntropyMode.Coded, coder);
        var random = new Random(10);
        var feature = new float[shape.Count];
        int refused = 0;
        for (int round = 0; round < 1000; round++)
        {
            byte[] damaged = payload[..length];
            switch (round % 4)
            {
                case 0: damaged[random.Next(length)] ^= (byte)(1 << random.Next(8)); break;
                case 1: damaged = damaged[..random.Next(length)]; break;
                case 2: damaged = [.. damaged, .. new byte[random.Next(1, 40)]]; break;
                default: random.NextBytes(damaged.AsSpan(random.Next(length))); break;
            }

            try
            {
                codec.Decode(damaged, EntropyMode.Coded, feature);
                Assert.DoesNotContain(feature, value => !float.IsFinite(value));
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        // A flipped bit almost always leaves the decoder off its end; the frame's checksum finds the rest.
        Assert.True(refused > 850, $"{refused} of 1000 refused");
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void PayloadIsTheSameOnEveryInstructionSet(string setting)
    {
        (float[] values, TensorShape shape) = CodecChecks.Feature();
        FeatureCodec.Calibrate(values, shape, new CodecDecision(9, 12, 5, EntropyCoded: true)).Save(CodecChecks.SavedCodec);
        Assert.Equal(CodecChecks.Checksum(), InstructionSets.Run(CodecChecks.PrintChecksum, setting).Trim());
    }

    [Fact]
    public void SteadyStateAllocatesNothingAndThreadsMayShareACodec()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 2, channels: 8, size: 32, sources: 4);
        var codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(6, 8, 4, EntropyCoded: true));
        float[] expected = RoundTrip(codec, values.AsSpan(0, shape.Count));
        Parallel.For(0, 40, _ => Assert.Equal(expected, RoundTrip(codec, values.AsSpan(0, shape.Count))));

        var payload = new byte[codec.MaxPayloadBytes];
        var feature = new float[shape.Count];
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            int length = codec.Encode(values.AsSpan(0, shape.Count), payload, out EntropyMode coder);
            codec.Decode(payload.AsSpan(0, length), coder, feature);
        });
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void DamagedCodecFilesAreRefused()
    {
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(images: 2, channels: 4, size: 6, sources: 3);
        string path = Path.Combine(Path.GetTempPath(), $"codec-{Guid.NewGuid():N}.json");
        try
        {
            FeatureCodec.Calibrate(values, shape, new CodecDecision(3, 4, 2, EntropyCoded: true)).Save(path);
            string good = File.ReadAllText(path);
            Assert.Equal(3, FeatureCodec.Load(path).KeptChannels.Count);
            (string From, string To)[] edits =
            [
                ("coinference.codec/2", "coinference.codec/1"),
                ("\"bits\":2", "\"bits\":9"),
                ("\"bits\":2", "\"bits\":3"),
                ("\"entropyCoded\":true", "\"entropyCoded\":false"),
                ("\"featureShape\":[1,4,", "\"featureShape\":[2,4,"),
                ("\"featureShape\":[1,4,", "\"featureShape\":[1,-4,"),
                ("\"keptChannels\":[", "\"keptChannels\":[7,"),
                ("\"keptChannels\":[", "\"keptChannels\":null,\"x\":["),
                ("\"minimum\":[", "\"minimum\":[1e999,"),
                ("\"step\":[", "\"step\":[-1,"),
                ("\"weights\":[", "\"weights\":[0,"),
                ("\"thresholds\":[", "\"thresholds\":[1,2,3,4,5,6,7,8,"),
                ("\"log\":11", "\"log\":31"),
                ("\"contexts\":[", "\"contexts\":[99,"),
                ("\"frequencies\":[[", "\"frequencies\":[[0,"),
                ("\"frequencies\":[[", "\"frequencies\":[null,["),
                ("{", ""),
            ];
            foreach ((string from, string to) in edits)
            {
                string bad = good.Replace(from, to, StringComparison.Ordinal);
                Assert.NotEqual(good, bad);
                File.WriteAllText(path, bad);
                var failure = Assert.Throws<InvalidDataException>(() => FeatureCodec.Load(path));
                Assert.Contains(path, failure.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            File.Delete(path);
        }
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

/// <summary>Checks that also run in child processes under narrower instruction sets.</summary>
public static class CodecChecks
{
    /// <summary>A codec file that all processes load: calibration itself may round differently on another instruction set.</summary>
    public static string SavedCodec { get; } = Path.Combine(AppContext.BaseDirectory, "codec-check.json");

    /// <summary>The test features.</summary>
    public static (float[] Values, TensorShape Shape) Feature() => SyntheticFeature.Relu(images: 5, channels: 12, size: 33, sources: 5);

    /// <summary>Prints <see cref="Checksum"/>.</summary>
    public static void PrintChecksum() => Console.WriteLine(Checksum());

    /// <summary>Checksum of the payloads of the test features, coded and packed.</summary>
    public static string Checksum()
    {
        (_, TensorShape shape) = Feature();
        var codec = FeatureCodec.Load(SavedCodec);
        var all = new List<byte>();
        var random = new Random(31);
        var feature = new float[shape.Count];
        var payload = new byte[codec.MaxPayloadBytes];
        for (int round = 0; round < 6; round++)
        {
            // Not from Feature(): the sines in it may differ in the last bit where the mathematics library uses vectors.
            for (int i = 0; i < feature.Length; i++) feature[i] = round % 2 == 0 ? (float)random.NextDouble() * 3 : (i / 40 % 5) * 0.21f;
            int length = codec.Encode(feature, payload, out EntropyMode coder);
            all.Add((byte)coder);
            all.AddRange(payload[..length]);
        }

        return Crc32C.Compute(all.ToArray()).ToString("x8");
    }
}
