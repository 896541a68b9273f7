using CoInference.Kernels.Simd.Codec;

namespace CoInference.Kernels.Tests.Codec;

/// <summary>Checks that also run in child processes under narrower instruction sets.</summary>
public static unsafe class CodecKernelChecks
{
    /// <summary>Prints the checksum of the quantized test values.</summary>
    public static void PrintSymbols() => Console.WriteLine(Symbols(AffineQuantizer.Quantize).ToString("x8"));

    /// <summary>The checksum that the scalar definition gives.</summary>
    public static uint ScalarSymbols() => Symbols((source, symbols, count, inverse, offset, levels) =>
    {
        for (int i = 0; i < count; i++) symbols[i] = AffineQuantizer.Symbol(source[i], inverse, offset, levels - 1);
    });

    /// <summary>All checks but the symbols themselves.</summary>
    public static void PackRestoreRebuild()
    {
        PackAndRestore();
        PackInOnePass();
        PackPlanes();
        FindRanges();
        InterleaveLanes();
        RebuildChannels();
    }

    // One pass over the floats gives the very bytes and values of its two halves, whatever the length.
    private static void PackInOnePass()
    {
        var random = new Random(12);
        for (int bits = 1; bits <= 8; bits++)
        {
            foreach (int count in Enumerable.Range(0, 70).Concat([127, 128, 192, 1000, 4099, 8192]))
            {
                float step = 0.013f, minimum = -0.4f, inverse = 1 / step, offset = -(minimum * inverse);
                float[] values = Values(random, count);
                for (int i = 0; i < count; i++)
                {
                    values[i] = random.Next(16) switch
                    {
                        0 => float.NaN,
                        1 => float.PositiveInfinity,
                        2 => float.NegativeInfinity,
                        3 => -1e30f,
                        4 => 1e30f,
                        _ => values[i],
                    };
                }

                int packedBytes = BitPacking.PackedBytes(count, bits);
                byte[] symbols = new byte[count], expected = new byte[packedBytes], packed = new byte[packedBytes + 1];
                float[] expectedValues = new float[count], restored = new float[count + 1];
                (packed[packedBytes], restored[count]) = (0xA5, 7);
                fixed (float* v = values, e = expectedValues, r = restored)
                fixed (byte* s = symbols, x = expected, p = packed)
                {
                    for (int i = 0; i < count; i++) s[i] = AffineQuantizer.Symbol(v[i], inverse, offset, (1 << bits) - 1);
                    BitPacking.Pack(s, x, count, bits);
                    AffineQuantizer.Dequantize(s, e, count, step, minimum);
                    PackedQuantizer.Pack(v, p, count, inverse, offset, bits);
                    PackedQuantizer.Unpack(p, r, count, step, minimum, bits);
                }

                Assert.Equal(expected, packed[..packedBytes]);
                Assert.Equal(expectedValues, restored[..count]);
                Assert.Equal((0xA5, 7f), (packed[packedBytes], restored[count]));
            }
        }
    }

    // All planes at once give the bytes and values of one plane after the other, whichever channels they are.
    private static void PackPlanes()
    {
        var random = new Random(15);
        int[] channels = [5, 0, 3, 2];
        foreach (int pixels in new[] { 1, 63, 64, 100, 128, 320 })
        {
            for (int bits = 1; bits <= 8; bits++)
            {
                foreach (int rangeStep in new[] { 0, 1 })
                {
                    float[] feature = Values(random, 6 * pixels), restored = new float[6 * pixels], expectedValues = new float[6 * pixels];
                    float[] steps = [0.02f, 0.013f, 0.05f, 0.031f], minima = [-0.7f, -0.4f, -1f, 0f];
                    float[] inverse = Array.ConvertAll(steps, step => 1 / step), offset = [.. minima.Select((minimum, i) => -(minimum * inverse[i]))];
                    int planeBytes = BitPacking.PackedBytes(pixels, bits);
                    byte[] expected = new byte[4 * planeBytes], packed = new byte[4 * planeBytes];
                    fixed (int* c = channels)
                    fixed (float* f = feature, r = restored, e = expectedValues, s = steps, m = minima, i = inverse, o = offset)
                    fixed (byte* x = expected, p = packed)
                    {
                        for (int k = 0; k < 4; k++)
                        {
                            PackedQuantizer.Pack(f + (channels[k] * pixels), x + (k * planeBytes), pixels, i[k * rangeStep], o[k * rangeStep], bits);
                            PackedQuantizer.Unpack(x + (k * planeBytes), e + (channels[k] * pixels), pixels, s[k * rangeStep], m[k * rangeStep], bits);
                        }

                        var planes = new QuantizedPlanes { Feature = f, Channels = c, Count = 4, Pixels = pixels, Scale = i, Shift = o, RangeStep = rangeStep };
                        PackedQuantizer.PackPlanes(planes, p, bits);
                        PackedQuantizer.UnpackPlanes(planes with { Feature = r, Scale = s, Shift = m }, p, bits);
                    }

                    Assert.Equal(expected, packed);
                    Assert.Equal(expectedValues, restored);
                }
            }
        }
    }

    private static void FindRanges()
    {
        var random = new Random(13);
        foreach (int count in Enumerable.Range(1, 200).Concat([1000, 4099]))
        {
            float[] values = Values(random, count);
            Assert.Equal((values.Min(), values.Max()), ValueRange.Find(values));
        }

        Assert.Equal((float.PositiveInfinity, float.NegativeInfinity), ValueRange.Find([]));
    }

    private static void InterleaveLanes()
    {
        var random = new Random(14);
        foreach (int lanes in new[] { 1, 4, 5, 16 })
        {
            foreach (int length in new[] { 0, 1, 15, 16, 17, 48, 133 })
            {
                foreach (int longLanes in new[] { 0, 1, lanes - 1 })
                {
                    const int extra = 9;
                    var runs = new byte[(lanes * length) + (longLanes * extra)];
                    random.NextBytes(runs);
                    var columns = new byte[lanes * (length + extra)];
                    var back = new byte[runs.Length];
                    fixed (byte* r = runs, c = columns, b = back)
                    {
                        LaneInterleaving.ToColumns(r, c, lanes, length, longLanes, extra);
                        LaneInterleaving.ToRuns(c, b, lanes, length, longLanes, extra);
                    }

                    Assert.Equal(runs, back);
                    int at = 0;
                    for (int lane = 0; lane < lanes; lane++)
                    {
                        for (int i = 0; i < (lane < longLanes ? length + extra : length); i++) Assert.Equal(runs[at++], columns[(i * lanes) + lane]);
                    }
                }
            }
        }
    }

    // Every width and many lengths: the packed bits, the symbols back, the values of the symbols.
    private static void PackAndRestore()
    {
        var random = new Random(4);
        for (int bits = 1; bits <= 8; bits++)
        {
            foreach (int count in Enumerable.Range(0, 70).Concat([127, 128, 1000, 4099]))
            {
                var symbols = new byte[count + 1];
                for (int i = 0; i < count; i++) symbols[i] = (byte)random.Next(1 << bits);
                int packedBytes = BitPacking.PackedBytes(count, bits);
                var packed = new byte[packedBytes + 1];
                packed[packedBytes] = 0xA5;
                var restored = new byte[count + 1];
                restored[count] = 0x5A;
                fixed (byte* s = symbols, p = packed, r = restored)
                {
                    BitPacking.Pack(s, p, count, bits);
                    BitPacking.Unpack(p, r, count, bits);
                }

                for (int bit = 0; bit < packedBytes * 8; bit++)
                {
                    int expected = bit < count * bits ? (symbols[bit / bits] >> (bit % bits)) & 1 : 0;
                    if (((packed[bit / 8] >> (bit % 8)) & 1) != expected) Assert.Fail($"bit {bit} of {count} symbols of {bits} bits");
                }

                Assert.Equal(symbols[..count], restored[..count]);
                // Nothing is written behind the end.
                Assert.Equal((0xA5, 0x5A), (packed[packedBytes], restored[count]));

                var values = new float[count];
                float step = 0.37f, minimum = -1.25f;
                fixed (byte* s = symbols)
                fixed (float* v = values) AffineQuantizer.Dequantize(s, v, count, step, minimum);
                for (int i = 0; i < count; i++)
                {
                    float scaled = symbols[i] * step;
                    if (values[i] != scaled + minimum) Assert.Fail($"symbol {symbols[i]} became {values[i]}, expected {scaled + minimum}");
                }
            }
        }
    }

    // Affine maps of several sizes against sums in double precision.
    private static void RebuildChannels()
    {
        var random = new Random(9);
        foreach ((int channels, int keep, int pixels) in new[] { (5, 2, 1), (9, 4, 3), (16, 7, 16), (12, 3, 49), (40, 17, 64), (7, 6, 9) })
        {
            int[] kept = [.. Enumerable.Range(0, channels).OrderBy(_ => random.Next()).Take(keep).Order()];
            int[] dropped = [.. Enumerable.Range(0, channels).Except(kept)];
            float[] feature = Values(random, channels * pixels), weights = Values(random, dropped.Length * keep), bias = Values(random, dropped.Length);
            var minimum = new float[dropped.Length];
            Array.Fill(minimum, -0.5f);
            float[] original = [.. feature];
            fixed (float* f = feature, w = weights, b = bias, m = minimum) ChannelMap.Apply(f, pixels, kept, dropped, w, b, m);
            for (int p = 0; p < pixels; p++)
            {
                foreach (int k in kept) Assert.Equal(original[(k * pixels) + p], feature[(k * pixels) + p]);
                for (int d = 0; d < dropped.Length; d++)
                {
                    double sum = bias[d];
                    for (int k = 0; k < keep; k++) sum += (double)weights[(d * keep) + k] * original[(kept[k] * pixels) + p];
                    // At most 18 float32 roundings of sums below 18.
                    Assert.Equal(Math.Max(-0.5, sum), feature[(dropped[d] * pixels) + p], 2e-5);
                }
            }
        }
    }

    private delegate void Quantizer(float* source, byte* symbols, int count, float inverse, float offset, int levels);

    private static uint Symbols(Quantizer quantize)
    {
        var random = new Random(77);
        var all = new List<byte>();
        for (int round = 0; round < 400; round++)
        {
            int bits = 1 + (round % 8), count = random.Next(1, 300);
            float step = (float)Math.Pow(10, (random.NextDouble() * 6) - 4), minimum = (float)((random.NextDouble() * 4) - 2);
            float inverse = 1f / step, offset = -(minimum * inverse);
            var values = new float[count];
            for (int i = 0; i < count; i++)
            {
                values[i] = random.Next(12) switch
                {
                    0 => float.NaN,
                    1 => float.PositiveInfinity,
                    2 => float.NegativeInfinity,
                    3 => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)),
                    // Half-way between two levels, where rounding decides.
                    4 or 5 or 6 => minimum + ((random.Next(1 << bits) + 0.5f) * step),
                    _ => minimum + ((float)random.NextDouble() * step * (1 << bits)),
                };
            }

            var symbols = new byte[count];
            fixed (float* v = values)
            fixed (byte* s = symbols) quantize(v, s, count, inverse, offset, 1 << bits);
            all.AddRange(symbols);
        }

        return Crc32C.Compute(all.ToArray());
    }

    private static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (random.NextSingle() * 2) - 1;
        return values;
    }
}
