using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>The feature codec against its definition: bytes, restored values and ranges are equal, not close.</summary>
internal static class CodecChecks
{
    private const float Untouched = -7;

    // A product and a sum for each source, rounded once.
    private const double OfRebuilding = 2e-6;

    // Channels and pixels: planes of one value, off every unit, of whole units, and features longer than a group's 1024 symbols.
    private static readonly (int Channels, int Pixels)[] Features = [(1, 1), (3, 1), (5, 7), (2, 49), (7, 64), (3, 341), (16, 196), (33, 81), (5, 1021)];

    private static readonly (int Images, int Channels, int Pixels)[] Batches = [(1, 1, 1), (3, 5, 7), (2, 3, 5000), (40, 7, 81), (1, 2, 40_001)];

    private static readonly bool[] Either = [false, true];

    public static IEnumerable<KernelCheck> All() =>
    [
        new("codec.pack", Quantized((device, feature, bits, perChannel) => Quantize(device, feature, bits, perChannel, unpacks: false))),
        new("codec.unpack", Quantized((device, feature, bits, perChannel) => Quantize(device, feature, bits, perChannel, unpacks: true))),
        new("codec.range", Batches.SelectMany(size => Either.Select(perChannel =>
            new Func<ComputeDevice, CheckOutcome?>(device => Ranges(device, size.Images, size.Channels, size.Pixels, perChannel))))),
        new("codec.rebuild", new[] { (1, 1, 1), (5, 2, 35), (20, 12, 64), (3, 30, 130) }.Select(size =>
            new Func<ComputeDevice, CheckOutcome?>(device => Rebuild(device, size.Item1, size.Item2, size.Item3)))),
    ];

    private static IEnumerable<Func<ComputeDevice, CheckOutcome?>> Quantized(Func<ComputeDevice, (int Channels, int Pixels), int, bool, CheckOutcome> check) =>
        from feature in Features
        from bits in Enumerable.Range(1, 8)
        from perChannel in Either
        select new Func<ComputeDevice, CheckOutcome?>(device => check(device, feature, bits, perChannel));

    private static CheckOutcome Quantize(ComputeDevice device, (int Channels, int Pixels) feature, int bits, bool perChannel, bool unpacks)
    {
        (int channels, int pixels) = feature;
        int levels = 1 << bits;
        // Some channels are not sent.
        int[] kept = [.. Enumerable.Range(0, channels).Where(channel => channels < 3 || channel % 3 != 1)];
        float[] values = HardFeatures.Values(new Random(bits), channels * pixels);
        QuantizerRange[] ranges = HardFeatures.Ranges(new Random(bits), perChannel ? kept.Length : 1, levels);
        var restored = new float[values.Length];
        Array.Fill(restored, Untouched);
        byte[] packed = Define(values, pixels, kept, ranges, levels, bits, restored);

        using var operands = new DeviceOperands(device);
        DeviceQuantizer quantizer = operands.Keep(new DeviceQuantizer(device, pixels, kept, ranges, levels, bits));
        string name = $"{channels} x {pixels} values at {bits} bits, {(perChannel ? "a range per channel" : "one range")}";
        if (unpacks)
        {
            var blank = new float[values.Length];
            Array.Fill(blank, Untouched);
            DeviceView<float> target = operands.Upload<float>(blank);
            quantizer.Write(packed);
            float[] actual = operands.RunOnce(quantizer.Unpack(target), target);
            return CheckOutcome.Of(name, 0, restored, actual);
        }

        var bytes = new byte[quantizer.PackedBytes];
        Array.Fill(bytes, (byte)0xA5);
        quantizer.Write(bytes);
        operands.Keep(quantizer.Pack(operands.Upload<float>(values))).Run();
        quantizer.Read(bytes);
        return CheckOutcome.OfEqual(name, bytes.Where((value, i) => value != packed[i]).Count(), bytes.Length);
    }

    // Symbol i takes the bits from i * bits on; NaN becomes symbol 0, and ties round to even.
    private static byte[] Define(float[] values, int pixels, int[] kept, QuantizerRange[] ranges, int levels, int bits, float[] restored)
    {
        var packed = new byte[((kept.Length * pixels * bits) + 7) / 8];
        for (int i = 0; i < kept.Length * pixels; i++)
        {
            (int plane, int pixel) = Math.DivRem(i, pixels);
            QuantizerRange range = ranges[ranges.Length == 1 ? 0 : plane];
            float t = (values[(kept[plane] * pixels) + pixel] * range.Inverse) + range.Offset;
            t = t > 0 ? t : 0;
            t = t < levels - 1 ? t : levels - 1;
            int symbol = (int)MathF.Round(t, MidpointRounding.ToEven);
            restored[(kept[plane] * pixels) + pixel] = (symbol * range.Step) + range.Minimum;
            for (int bit = 0; bit < bits; bit++)
            {
                int place = (i * bits) + bit;
                packed[place / 8] |= (byte)(((symbol >> bit) & 1) << (place % 8));
            }
        }

        return packed;
    }

    private static CheckOutcome Ranges(ComputeDevice device, int images, int channels, int pixels, bool perChannel)
    {
        float[] values = RandomValues.Create(pixels, images * channels * pixels, -5, 3);
        // NaN shows in the range of its channel; one range of all would be nothing else.
        if (values.Length > 100) (values[17], values[91]) = (float.PositiveInfinity, float.NegativeInfinity);
        if (perChannel) values[^1] = float.NaN;
        int runs = perChannel ? channels : 1;
        var expected = new float[2 * runs];
        for (int run = 0; run < runs; run++)
        {
            (float minimum, float maximum) = (float.PositiveInfinity, float.NegativeInfinity);
            for (int i = 0; i < values.Length; i++)
            {
                if (perChannel && i / pixels % channels != run) continue;
                (minimum, maximum) = (MathF.Min(minimum, values[i]), MathF.Max(maximum, values[i]));
            }

            (expected[2 * run], expected[(2 * run) + 1]) = (minimum, maximum);
        }

        using var operands = new DeviceOperands(device);
        DeviceRanges ranges = operands.Keep(new DeviceRanges(device, operands.Upload<float>(values), images, channels, perChannel));
        float[] actual = [.. ranges.Find().SelectMany(range => new[] { range.Minimum, range.Maximum })];
        return CheckOutcome.Of($"{images} images of {channels} x {pixels} values, {(perChannel ? "a range per channel" : "one range")}", 0, expected, actual);
    }

    private static CheckOutcome Rebuild(ComputeDevice device, int sources, int targets, int pixels)
    {
        int channels = sources + targets;
        // Targets are spread among the sources.
        int[] dropped = [.. Enumerable.Range(0, targets).Select(i => ((2 * i) + 1) * channels / (2 * targets))];
        int[] kept = [.. Enumerable.Range(0, channels).Except(dropped)];
        float[] feature = RandomValues.Create(sources, channels * pixels), weights = RandomValues.Create(targets, targets * sources);
        float[] bias = RandomValues.Create(pixels, targets), minimum = RandomValues.Create(pixels + 1, targets, -1, 0);
        float[] expected = [.. feature];
        for (int target = 0; target < targets; target++)
        {
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                double sum = bias[target];
                for (int source = 0; source < sources; source++) sum += (double)feature[(kept[source] * pixels) + pixel] * weights[(target * sources) + source];
                expected[(dropped[target] * pixels) + pixel] = (float)Math.Max(minimum[target], sum);
            }
        }

        using var operands = new DeviceOperands(device);
        DeviceView<float> view = operands.Upload<float>(feature);
        DeviceLaunch launch = DeviceOperators.RebuildChannels(
            device, view, pixels, operands.Upload<int>(kept), operands.Upload<int>(dropped), operands.Upload<float>(weights), operands.Upload<float>(bias), operands.Upload<float>(minimum));
        return CheckOutcome.Of($"{targets} of {channels} channels of {pixels} values", OfRebuilding, expected, operands.RunOnce(launch, view));
    }
}
