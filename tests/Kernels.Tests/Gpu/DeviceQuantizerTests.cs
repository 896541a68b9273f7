using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Codec;
using CoInference.Runtime.DeviceChecks;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The codec on devices against the one on the CPU: bytes and values are equal, not close.</summary>
[Collection("devices")]
public sealed class DeviceQuantizerTests
{
    public static TheoryData<string, int> Widths
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (string device in TestDevices.Ids)
            {
                for (int bits = 1; bits <= 8; bits++) data.Add(device, bits);
            }

            return data;
        }
    }

    // Planes of one value, off every unit, of whole units, and features longer than a group's 1024 symbols.
    [SkippableTheory]
    [MemberData(nameof(Widths))]
    public void Bytes_and_restored_values_are_those_of_the_cpu(string deviceId, int bits)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        var random = new Random(bits);
        foreach ((int channels, int pixels) in new[] { (1, 1), (3, 1), (5, 7), (2, 49), (7, 64), (3, 341), (16, 196), (33, 81), (64, 256), (5, 1021) })
        {
            for (int perChannel = 0; perChannel < 2; perChannel++)
            {
                int[] kept = [.. Enumerable.Range(0, channels).Where(c => channels < 3 || c % 3 != 1)];
                Check(device, random, channels, pixels, kept, perChannel == 1, 1 << bits, bits);
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevices.All), MemberType = typeof(TestDevices))]
    public void Fewer_levels_than_a_byte_holds_leave_one_symbol_in_a_byte(string deviceId) =>
        Check(TestDevices.Get(deviceId), new Random(9), channels: 6, pixels: 77, [0, 2, 5], perChannel: true, levels: 8, bits: 8);

    [SkippableTheory]
    [MemberData(nameof(TestDevices.All), MemberType = typeof(TestDevices))]
    public void Views_off_the_alignment_of_four_values_give_the_same_bytes(string deviceId)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        float[] values = HardFeatures.Values(new Random(4), 3 * 64);
        using DeviceBuffer buffer = device.Allocate(sizeof(float) * (values.Length + 1));
        buffer.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()), sizeof(float));
        QuantizerRange[] ranges = HardFeatures.Ranges(new Random(4), 1, 16);
        using var quantizer = new DeviceQuantizer(device, 64, [0, 1, 2], ranges, 16, 4);
        using DeviceLaunch pack = quantizer.Pack(buffer.View<float>(1, values.Length));
        pack.Run();
        var packed = new byte[quantizer.PackedBytes];
        quantizer.Read(packed);
        Assert.Equal(OnCpu(values, 64, [0, 1, 2], ranges, 16, 4, new float[values.Length]), packed);
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevices.All), MemberType = typeof(TestDevices))]
    public void Ranges_are_those_of_the_cpu(string deviceId)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        var random = new Random(12);
        foreach ((int images, int channels, int pixels) in new[] { (1, 1, 1), (3, 5, 7), (2, 3, 5000), (40, 7, 81), (1, 2, 40_001) })
        {
            var values = new float[images * channels * pixels];
            for (int i = 0; i < values.Length; i++) values[i] = (float)((random.NextDouble() * 8) - 5);
            if (values.Length > 100) (values[17], values[91]) = (float.PositiveInfinity, float.NegativeInfinity);
            using DeviceBuffer buffer = TestDevices.Upload<float>(device, values);
            for (int perChannel = 0; perChannel < 2; perChannel++)
            {
                using var ranges = new DeviceRanges(device, buffer.View<float>(0, values.Length), images, channels, perChannel == 1);
                (float Minimum, float Maximum)[] found = ranges.Find();
                Assert.Equal(perChannel == 1 ? channels : 1, found.Length);
                for (int c = 0; c < found.Length; c++)
                {
                    float[] of = [.. values.Where((_, i) => perChannel == 0 || i / pixels % channels == c)];
                    Assert.Equal(ValueRange.Find(of), found[c]);
                }
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevices.All), MemberType = typeof(TestDevices))]
    public void A_value_that_is_no_number_shows_in_its_range_only(string deviceId)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        using DeviceBuffer buffer = TestDevices.Upload<float>(device, [1, 2, 3, float.NaN, 5, 6]);
        using var ranges = new DeviceRanges(device, buffer.View<float>(0, 6), images: 1, channels: 3, perChannel: true);
        Assert.Equal([(1f, 2f), (float.NaN, float.NaN), (5f, 6f)], ranges.Find());
    }

    private static void Check(ComputeDevice device, Random random, int channels, int pixels, int[] kept, bool perChannel, int levels, int bits)
    {
        float[] values = HardFeatures.Values(random, channels * pixels);
        QuantizerRange[] ranges = HardFeatures.Ranges(random, perChannel ? kept.Length : 1, levels);
        var expected = new float[values.Length];
        Array.Fill(expected, -7f);
        byte[] bytes = OnCpu(values, pixels, kept, ranges, levels, bits, expected);

        using DeviceBuffer feature = TestDevices.Upload<float>(device, values);
        DeviceView<float> view = feature.View<float>(0, values.Length);
        using var quantizer = new DeviceQuantizer(device, pixels, kept, ranges, levels, bits);
        using DeviceLaunch pack = quantizer.Pack(view);
        using DeviceLaunch unpack = quantizer.Unpack(view);
        pack.Run();
        var packed = new byte[quantizer.PackedBytes];
        quantizer.Read(packed);
        Assert.True(bytes.AsSpan().SequenceEqual(packed), $"{channels} x {pixels} values at {bits} bits: byte {bytes.AsSpan().CommonPrefixLength(packed)} of {bytes.Length} differs.");

        var blank = new float[values.Length];
        Array.Fill(blank, -7f);
        feature.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(blank.AsSpan()));
        quantizer.Write(packed);
        unpack.Run();
        Assert.Equal(Bits(expected), Bits(TestDevices.Download<float>(feature, values.Length)));
    }

    private static unsafe byte[] OnCpu(float[] values, int pixels, int[] kept, QuantizerRange[] ranges, int levels, int bits, float[] restored)
    {
        var symbols = new byte[kept.Length * pixels];
        var packed = new byte[BitPacking.PackedBytes(symbols.Length, bits)];
        fixed (float* source = values, target = restored)
        fixed (byte* symbol = symbols, bytes = packed)
        {
            for (int k = 0; k < kept.Length; k++)
            {
                QuantizerRange range = ranges[ranges.Length == 1 ? 0 : k];
                AffineQuantizer.Quantize(source + (kept[k] * pixels), symbol + (k * pixels), pixels, range.Inverse, range.Offset, levels);
                AffineQuantizer.Dequantize(symbol + (k * pixels), target + (kept[k] * pixels), pixels, range.Step, range.Minimum);
            }

            BitPacking.Pack(symbol, bytes, symbols.Length, bits);
        }

        return packed;
    }

    private static uint[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToUInt32Bits);
}
