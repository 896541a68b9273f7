using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>Conversions between floats and 8-bit integers, equal to the CPU's.</summary>
internal static class ByteQuantizationChecks
{
    // Images, channels and pixels: one value, off every group of threads, whole groups, several passes of the range.
    private static readonly (int Images, int Channels, int Pixels)[] Features = [(1, 1, 1), (2, 3, 35), (1, 4, 64), (3, 7, 1301)];

    public static IEnumerable<KernelCheck> All() =>
    [
        Check("bytes.quantize", Quantize),
        Check("bytes.dequantize", Dequantize),
        Check("bytes.quantize-range", QuantizeRange),
        Check("bytes.convert", Convert),
    ];

    private static KernelCheck Check(string name, Func<ComputeDevice, int, (int Images, int Channels, int Pixels), CheckOutcome> run) =>
        new(name, Features.Select((feature, i) => new Func<ComputeDevice, CheckOutcome?>(device => run(device, i, feature))));

    private static CheckOutcome Quantize(ComputeDevice device, int index, (int Images, int Channels, int Pixels) feature)
    {
        (float[] x, float[] scales, int[] zeroPoints, bool isSigned, string name) = Operands(index, feature);
        var expected = new byte[x.Length];
        for (int plane = 0; plane < feature.Images * feature.Channels; plane++)
        {
            int channel = plane % feature.Channels, start = plane * feature.Pixels;
            ByteQuantizer.Quantize(x.AsSpan(start, feature.Pixels), scales[channel], zeroPoints[channel], isSigned, expected.AsSpan(start, feature.Pixels));
        }

        using var operands = new DeviceOperands(device);
        DeviceView<byte> y = operands.Upload<byte>(new byte[x.Length]);
        byte[] actual = operands.RunOnce(DeviceOperators.Quantize(device, operands.Upload<float>(x), operands.Upload<float>(scales), operands.Upload<int>(zeroPoints), y, feature.Pixels, isSigned), y);
        return CheckOutcome.OfEqual(name, Differences<byte>(expected, actual), x.Length);
    }

    private static CheckOutcome Dequantize(ComputeDevice device, int index, (int Images, int Channels, int Pixels) feature)
    {
        (float[] values, float[] scales, int[] zeroPoints, bool isSigned, string name) = Operands(index, feature);
        var x = new byte[values.Length];
        new Random(index).NextBytes(x);
        var expected = new float[x.Length];
        for (int plane = 0; plane < feature.Images * feature.Channels; plane++)
        {
            int channel = plane % feature.Channels, start = plane * feature.Pixels;
            ByteQuantizer.Dequantize(x.AsSpan(start, feature.Pixels), isSigned, zeroPoints[channel], scales[channel], expected.AsSpan(start, feature.Pixels));
        }

        using var operands = new DeviceOperands(device);
        DeviceView<float> y = operands.Target(x.Length);
        float[] actual = operands.RunOnce(DeviceOperators.Dequantize(device, operands.Upload<byte>(x), operands.Upload<float>(scales), operands.Upload<int>(zeroPoints), y, feature.Pixels, isSigned), y);
        return CheckOutcome.OfEqual(name, Differences<float>(expected, actual), x.Length);
    }

    // Values on both sides of 0, on one side of it only, and none but 0.
    private static CheckOutcome QuantizeRange(ComputeDevice device, int index, (int Images, int Channels, int Pixels) feature)
    {
        float[] x = index switch
        {
            0 => [0],
            1 => RandomValues.Create(index, feature.Images * feature.Channels * feature.Pixels, 3, 4),
            _ => RandomValues.Create(index, feature.Images * feature.Channels * feature.Pixels, -1, index),
        };
        (float scale, byte zeroPoint) = ByteQuantizer.Range(x);
        var expected = new byte[x.Length];
        ByteQuantizer.Quantize(x, scale, zeroPoint, isSigned: false, expected);
        using var operands = new DeviceOperands(device);
        DeviceView<float> source = operands.Upload<float>(x), step = operands.Target(1);
        DeviceView<byte> y = operands.Upload<byte>(new byte[x.Length]), zero = operands.Upload<byte>([0xA5]);
        using (device.Gate.EnterScope())
        {
            var ranges = operands.Keep(new DeviceRanges(device, source, 1, 1, perChannel: false));
            ranges.Launch.Run();
            operands.Keep(DeviceOperators.QuantizeRange(device, source, ranges.Minimum, ranges.Maximum, y, step, zero)).Run();
        }

        int wrong = Differences<byte>(expected, operands.Read(y)) + Differences<float>([scale], operands.Read(step)) + Differences<byte>([zeroPoint], operands.Read(zero));
        return CheckOutcome.OfEqual($"{x.Length} values, their scale and zero point", wrong, x.Length + 2);
    }

    private static CheckOutcome Convert(ComputeDevice device, int index, (int Images, int Channels, int Pixels) feature)
    {
        var random = new Random(index);
        var x = new int[feature.Images * feature.Channels * feature.Pixels];
        for (int i = 0; i < x.Length; i++) x[i] = random.Next(int.MinValue, int.MaxValue);
        using var operands = new DeviceOperands(device);
        DeviceView<float> y = operands.Target(x.Length);
        float[] actual = operands.RunOnce(DeviceOperators.ConvertToFloat(device, operands.Upload<int>(x), y), y);
        return CheckOutcome.OfEqual($"{x.Length} values", Differences<float>(Array.ConvertAll(x, value => (float)value), actual), x.Length);
    }

    // Half of the values lie on the border between two bytes, where the last place of a quotient decides, some beyond the range.
    private static (float[] X, float[] Scales, int[] ZeroPoints, bool IsSigned, string Name) Operands(int index, (int Images, int Channels, int Pixels) feature)
    {
        var random = new Random(index);
        bool isSigned = index % 2 == 1;
        float[] scales = RandomValues.Create(index, feature.Channels, 0.001, 0.1);
        var zeroPoints = new int[feature.Channels];
        for (int channel = 0; channel < zeroPoints.Length; channel++) zeroPoints[channel] = random.Next(isSigned ? -128 : 0, isSigned ? 128 : 256);
        float[] x = RandomValues.Create(index + 1, feature.Images * feature.Channels * feature.Pixels, -10, 10);
        for (int i = 0; i < x.Length; i += 2) x[i] = scales[i / feature.Pixels % feature.Channels] * (random.Next(-300, 300) + 0.5f);
        return (x, scales, zeroPoints, isSigned, $"{feature.Images}x{feature.Channels}x{feature.Pixels} values, {(isSigned ? "signed " : "")}bytes");
    }

    private static int Differences<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual)
        where T : IEquatable<T>
    {
        int differences = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (!expected[i].Equals(actual[i])) differences++;
        }

        return differences;
    }
}
