using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Tests.Codec;

/// <summary>The codec of a feature that stays on a device against the codec of the CPU: payloads and restored channels are equal, not close.</summary>
[Collection("devices")]
public class DeviceFeatureCodecTests
{
    public static TheoryData<string, int> Widths
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (string device in RealDevices.Ids)
            {
                for (int bits = 1; bits <= 8; bits++) data.Add(device, bits);
                data.Add(device, 32);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Widths))]
    public void Payloads_and_values_are_those_of_the_cpu(string deviceId, int bits)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var random = new Random(100 + bits);
        // Planes of one value, off every unit, and features beyond a group's 1024 symbols.
        foreach (int side in new[] { 1, 3, 5, 8, 17, 33 })
        {
            int channels = 2 + random.Next(9);
            (float[] values, TensorShape shape) = SyntheticFeature.Relu(4, channels, side, 3, seed: 7 * side);
            var samples = new FeatureSamples(values, shape);
            foreach (bool perTensor in new[] { true, false })
            {
                var options = new CodecOptions { PerTensorRange = perTensor };
                int kept = 1 + random.Next(channels);
                Check(device, new FeatureCodec(CodecParameters.Calibrate(samples, new CodecDecision(kept, channels, bits, EntropyCoded: false), options)), values.AsSpan(0, shape.Count));
                if (bits <= 8) Check(device, new FeatureCodec(CodecParameters.Calibrate(samples, new CodecDecision(kept, channels, bits, EntropyCoded: true), options)), values.AsSpan(0, shape.Count));
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Widths))]
    public void What_is_no_number_or_infinite_gives_the_bytes_of_the_cpu(string deviceId, int bits)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(4, 6, 9, 3);
        var codec = new FeatureCodec(CodecParameters.Calibrate(new FeatureSamples(values, shape), new CodecDecision(6, 6, bits, EntropyCoded: false), new CodecOptions()));
        float[] odd = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, -0f, float.BitIncrement(1e-37f), -float.NaN];
        float[] feature = values[..shape.Count];
        for (int i = 0; i < feature.Length; i += 3) feature[i] = odd[i / 3 % odd.Length];
        Check(device, codec, feature);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void A_feature_in_the_middle_of_a_buffer_keeps_its_neighbours(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(4, 5, 7, 3);
        FeatureCodec codec = FeatureCodec.Calibrate(new FeatureSamples(values, shape), new CodecDecision(5, 5, 4, EntropyCoded: false));
        Check(device, codec, values.AsSpan(0, shape.Count), offset: 3);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void A_damaged_payload_and_a_view_of_another_length_are_refused(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        (float[] values, TensorShape shape) = SyntheticFeature.Relu(4, 5, 7, 3);
        FeatureCodec codec = FeatureCodec.Calibrate(new FeatureSamples(values, shape), new CodecDecision(5, 5, 4, EntropyCoded: false));
        using DeviceBuffer buffer = device.Allocate(sizeof(float) * (shape.Count + 1));
        Assert.Throws<ArgumentException>(() => new DeviceFeatureCodec(codec, device, buffer.View<float>()));
        using var onDevice = new DeviceFeatureCodec(codec, device, buffer.View<float>(0, shape.Count));
        Assert.Throws<InvalidDataException>(() => onDevice.Decode(new byte[codec.MaxPayloadBytes - 1], EntropyMode.Packed));
        Assert.Throws<ArgumentException>(() => onDevice.Encode(new byte[codec.MaxPayloadBytes - 1], out _));
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void The_stages_are_timed_against_a_copy_there(string deviceId)
    {
        CodecComparison comparison = CodecComparison.RunOnDevice(RealDevices.Get(deviceId), 3, 9, 7, [8, 3], rounds: 1);
        Assert.Equal(["copy", "range", "quantize + pack", "unpack + dequantize", "quantize + pack", "unpack + dequantize"], comparison.Rows.Select(row => row.Stage));
        Assert.All(comparison.Rows, row => Assert.True(row is { MedianMicroseconds: > 0, CopyShare: > 0 }, row.Stage));
        DevicePeaks peaks = DevicePeaks.Measure(RealDevices.Get(deviceId));
        Assert.True(peaks is { Gflops: > 0.1 and < 1e6, CopyGbps: > 0.1 and < 1e5 }, $"{peaks}");
    }

    private static void Check(ComputeDevice device, FeatureCodec codec, ReadOnlySpan<float> feature, int offset = 0)
    {
        string what = $"{codec.FeatureShape}, {codec.Decision}";
        byte[] expected = new byte[codec.MaxPayloadBytes], actual = new byte[codec.MaxPayloadBytes];
        int length = codec.Encode(feature, expected, out EntropyMode coder);
        float[] restored = new float[feature.Length], all = new float[feature.Length + (2 * offset)];
        codec.Decode(expected.AsSpan(0, length), coder, restored);

        for (int i = 0; i < all.Length; i++) all[i] = -7;
        feature.CopyTo(all.AsSpan(offset));
        using DeviceBuffer buffer = DeviceMemory.Upload<float>(device, all);
        using var onDevice = new DeviceFeatureCodec(codec, device, buffer.View<float>(offset, feature.Length));
        Assert.Equal(length, onDevice.Encode(actual, out EntropyMode deviceCoder));
        Assert.Equal(coder, deviceCoder);
        Assert.True(expected.AsSpan(0, length).SequenceEqual(actual.AsSpan(0, length)), what);

        onDevice.Decode(actual.AsSpan(0, length), coder);
        buffer.Read(System.Runtime.InteropServices.MemoryMarshal.AsBytes(all.AsSpan()));
        int pixels = feature.Length / codec.Decision.TotalChannels;
        for (int i = 0; i < restored.Length; i++)
        {
            // Channels that were not sent are sums over those that were, which may round in another order.
            float value = all[offset + i], expectedValue = restored[i];
            bool isSame = codec.KeptChannels.Contains(i / pixels)
                ? BitConverter.SingleToInt32Bits(expectedValue) == BitConverter.SingleToInt32Bits(value)
                : Math.Abs(expectedValue - value) <= 1e-5 * (1 + Math.Abs(expectedValue));
            Assert.True(isSame, $"{what}: value {i} is {value}, expected {expectedValue}");
        }

        for (int i = 0; i < offset; i++) Assert.Equal((-7f, -7f), (all[i], all[^(i + 1)]));
    }
}
