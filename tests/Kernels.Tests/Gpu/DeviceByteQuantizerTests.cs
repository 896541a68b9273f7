using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Quantized;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>Conversions between floats and 8-bit integers on devices: every byte, scale and zero point is the CPU's.</summary>
[Collection("devices")]
public sealed class DeviceByteQuantizerTests
{
    private const int Planes = 6, Pixels = 83;

    public static TheoryData<string> Devices => TestDevices.All;

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Constant_scales(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        for (int seed = 0; seed < 4; seed++)
        {
            var random = new Random(seed);
            bool isSigned = seed % 2 == 1;
            int channels = seed < 2 ? 3 : 1, inner = seed < 2 ? Pixels : Planes * Pixels;
            float[] scales = [.. Enumerable.Range(0, channels).Select(_ => 0.001f + (0.1f * random.NextSingle()))];
            int[] zeroPoints = [.. Enumerable.Range(0, channels).Select(_ => random.Next(isSigned ? -128 : 0, isSigned ? 128 : 256))];
            var values = new float[Planes * Pixels];
            // Half of them between two bytes, where the last place of a quotient decides.
            for (int i = 0; i < values.Length; i++) values[i] = i % 2 == 0 ? scales[i / inner % channels] * (random.Next(-300, 300) + 0.5f) : (random.NextSingle() - 0.5f) * 100;
            byte[] bytes = new byte[values.Length];
            var restored = new float[values.Length];
            for (int first = 0; first < values.Length; first += inner)
            {
                int channel = first / inner % channels;
                ByteQuantizer.Quantize(values.AsSpan(first, inner), scales[channel], zeroPoints[channel], isSigned, bytes.AsSpan(first, inner));
                ByteQuantizer.Dequantize(bytes.AsSpan(first, inner), isSigned, zeroPoints[channel], scales[channel], restored.AsSpan(first, inner));
            }

            using DeviceBuffer x = TestDevices.Upload<float>(device, values), factors = TestDevices.Upload<float>(device, scales), zeros = TestDevices.Upload<int>(device, zeroPoints);
            using DeviceBuffer y = device.Allocate(values.Length), z = device.Allocate(4L * values.Length);
            using DeviceLaunch quantize = DeviceOperators.Quantize(device, x.View<float>(), factors.View<float>(), zeros.View<int>(), y.View<byte>(), inner, isSigned);
            using DeviceLaunch dequantize = DeviceOperators.Dequantize(device, y.View<byte>(), factors.View<float>(), zeros.View<int>(), z.View<float>(), inner, isSigned);
            quantize.Run();
            dequantize.Run();
            Assert.Equal(bytes, TestDevices.Download<byte>(y, bytes.Length));
            Assert.Equal(restored, TestDevices.Download<float>(z, restored.Length));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Scales_of_the_values_range(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        foreach ((float low, float high) in new[] { (-1f, 2f), (3f, 4f), (-4f, -3f), (0f, 0f), (-1e-20f, 3e-20f) })
        {
            var random = new Random(5);
            float[] values = [.. Enumerable.Range(0, Planes * Pixels).Select(_ => low + ((high - low) * random.NextSingle()))];
            (float scale, byte zeroPoint) = ByteQuantizer.Range(values);
            byte[] bytes = new byte[values.Length];
            ByteQuantizer.Quantize(values, scale, zeroPoint, isSigned: false, bytes);
            using DeviceBuffer x = TestDevices.Upload<float>(device, values), y = device.Allocate(values.Length), step = device.Allocate(4), zero = device.Allocate(4);
            using var ranges = new DeviceRanges(device, x.View<float>(), 1, 1, perChannel: false);
            using DeviceLaunch quantize = DeviceOperators.QuantizeRange(device, x.View<float>(), ranges.Minimum, ranges.Maximum, y.View<byte>(), step.View<float>(), zero.View<byte>(0, 1));
            ranges.Launch.Run();
            quantize.Run();
            Assert.Equal(scale, TestDevices.Download<float>(step, 1)[0]);
            Assert.Equal(zeroPoint, TestDevices.Download<byte>(zero, 1)[0]);
            Assert.Equal(bytes, TestDevices.Download<byte>(y, bytes.Length));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Sums_as_floats(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        int[] sums = [0, 1, -1, 16_777_217, -16_777_219, int.MaxValue, int.MinValue, .. Enumerable.Range(0, 100).Select(i => i * 12_345_677)];
        using DeviceBuffer values = TestDevices.Upload<int>(device, sums);
        using DeviceLaunch convert = DeviceOperators.ConvertToFloat(device, values.View<int>(), values.View<float>());
        convert.Run();
        Assert.Equal(Array.ConvertAll(sums, sum => (float)sum), TestDevices.Download<float>(values, sums.Length));
    }
}
