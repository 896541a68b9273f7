using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.Quantized;

/// <summary>Integer convolutions by units: however they are dealt out, the sums are those of the portable kernel.</summary>
public unsafe class IntegerConvTests
{
    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Any_division_of_the_units_gives_the_same_sums(string setting) => InstructionSets.Run(DivideUnits, setting);

    [Fact]
    public void Wrong_weights_are_refused()
    {
        ConvShape shape = ConvShape.Parse("1x8x4x4:8k3p1");
        Assert.Throws<ArgumentException>(() => new IntegerConv(shape, new short[3]));
        ConvShape deep = new() { InChannels = IntegerConv.MaximumTaps + 1, InHeight = 1, InWidth = 1, OutChannels = 1 };
        Assert.Throws<ArgumentException>(() => new IntegerConv(deep, new short[deep.WeightCount]));
    }

    /// <summary>Runs the two parts on either side of every boundary between units, the later one first.</summary>
    [Fact]
    public static void DivideUnits()
    {
        // Weights of nine bits, as a zero point leaves them, take other kernels than those of eight.
        Divide(-128, 127);
        Divide(-255, 255);
    }

    private static void Divide(int least, int most)
    {
        var random = new Random(21);
        foreach (string layer in new[] { "1x12x7x7:100k3s1p1", "2x20x30x9:40k1", "1x64x40x5:24k3s2p1", "1x6x9x30:6k5s1p2g6", "1x8x11x11:32k3s1p1g2", "1x5x20x20:3k3", "1x7x9x50:17k3s3p2d2", "1x33x6x29:32k3p1", "2x3x17x14:64k5s2p2" })
        {
            ConvShape shape = ConvShape.Parse(layer);
            var weights = new short[shape.WeightCount];
            for (int i = 0; i < weights.Length; i++) weights[i] = (short)random.Next(least, most + 1);
            var input = new byte[shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth];
            random.NextBytes(input);
            bool isSigned = random.Next(2) == 0;
            int zeroPoint = isSigned ? -9 : 131;
            var portable = new IntegerConv(shape, weights, portable: true);
            int[] expected = Run(portable, shape, input, isSigned, zeroPoint, portable.Units);
            var kernel = new IntegerConv(shape, weights);
            for (int boundary = 0; boundary <= kernel.Units; boundary++)
                Assert.Equal(expected, Run(kernel, shape, input, isSigned, zeroPoint, boundary));
        }
    }

    private static int[] Run(IntegerConv kernel, ConvShape shape, byte[] input, bool isSigned, int zeroPoint, int boundary)
    {
        var sums = new int[shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth];
        sums.AsSpan().Fill(0x5A5A5A5A);
        var scratch = new AlignedBuffer(kernel.ScratchBytes + 64);
        scratch.Span.Fill(0xCD);
        fixed (byte* x = input)
        fixed (int* y = sums)
        {
            kernel.Run(x, isSigned, zeroPoint, y, storesFloats: false, scratch.Pointer, boundary, kernel.Units);
            kernel.Run(x, isSigned, zeroPoint, y, storesFloats: false, scratch.Pointer, 0, boundary);
        }

        // As floats, all units at once: the nearest ones to the sums.
        var floats = new float[sums.Length];
        fixed (byte* x = input)
        fixed (float* y = floats) kernel.Run(x, isSigned, zeroPoint, (int*)y, storesFloats: true, scratch.Pointer, 0, kernel.Units);
        Assert.Equal(Array.ConvertAll(sums, sum => (float)sum), floats);
        CheckRequantized(kernel, shape, input, isSigned, zeroPoint, sums, scratch);
        GC.KeepAlive(scratch);
        return sums;
    }

    private static void CheckRequantized(IntegerConv kernel, ConvShape shape, byte[] input, bool isSigned, int zeroPoint, int[] sums, AlignedBuffer scratch)
    {
        int pixels = shape.OutHeight * shape.OutWidth;
        int[] bias = [.. Enumerable.Range(0, shape.OutChannels).Select(channel => (channel * 37) - 400)];
        float[] scales = [.. Enumerable.Range(0, shape.OutChannels).Select(channel => 1 / (3000f + (100 * channel)))];
        var bytes = new byte[sums.Length];
        fixed (byte* x = input, y = bytes)
        fixed (int* added = bias)
        fixed (float* factors = scales)
            kernel.RunRequantized(x, isSigned, zeroPoint, new RequantizedOutput(y, added, factors, 7, isSigned: true), scratch.Pointer, 0, kernel.Units);
        for (int i = 0; i < sums.Length; i++)
        {
            int channel = i / pixels % shape.OutChannels;
            float scaled = MathF.Round((sums[i] + bias[channel]) * scales[channel], MidpointRounding.ToEven) + 7;
            Assert.Equal((sbyte)Math.Clamp(scaled, sbyte.MinValue, sbyte.MaxValue), (sbyte)bytes[i]);
        }
    }
}
