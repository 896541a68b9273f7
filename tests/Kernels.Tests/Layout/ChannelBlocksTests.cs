using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.Layout;

/// <summary>Changes of layout, whole and in parts, against an index computed for each value.</summary>
public unsafe class ChannelBlocksTests
{
    private const float Untouched = float.MaxValue;

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Every_part_holds_the_values_of_its_place(string setting) => InstructionSets.Run(Every_part_holds_the_values_of_its_place_in_this_process, setting);

    [Fact]
    public static void Every_part_holds_the_values_of_its_place_in_this_process()
    {
        var random = new Random(1);
        int[] blocks = [1, 4, 8, 16];
        for (int trial = 0; trial < 600; trial++)
        {
            int from = blocks[random.Next(4)], to = blocks[random.Next(4)];
            if (from == to) continue;
            int channels = random.Next(1, 70), pixels = random.Next(1, 150), unit = Math.Max(from, to);
            int units = (channels + unit - 1) / unit, first = random.Next(units), firstPixel = random.Next(pixels);
            var part = new ChannelBlocks.Part(
                first * unit, random.Next(first + 1, units + 1) * unit, firstPixel, random.Next(firstPixel + 1, pixels + 1));
            Check(channels, pixels, from, to, part);
        }
    }

    private static void Check(int channels, int pixels, int from, int to, ChannelBlocks.Part part)
    {
        ActivationLayout source = new(from), target = new(to);
        float[] values = new float[source.PaddedChannels(channels) * pixels];
        for (int channel = 0; channel < channels; channel++)
        {
            for (int pixel = 0; pixel < pixels; pixel++) values[Index(channel, pixel, pixels, from)] = (channel * 1000) + pixel + 1;
        }

        float[] result = new float[target.PaddedChannels(channels) * pixels];
        Array.Fill(result, Untouched);
        fixed (float* input = values, output = result)
        {
            if (from == 1) ChannelBlocks.Pack(input, output, channels, pixels, to, part);
            else if (to == 1) ChannelBlocks.Unpack(input, output, channels, pixels, from, part);
            else ChannelBlocks.Repack(input, from, output, to, channels, pixels, part);
        }

        for (int channel = 0; channel < target.PaddedChannels(channels); channel++)
        {
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                bool inside = channel >= part.FirstChannel && channel < part.EndChannel && pixel >= part.FirstPixel && pixel < part.EndPixel;
                float expected = !inside ? Untouched : channel < channels ? (channel * 1000) + pixel + 1 : 0;
                float actual = result[Index(channel, pixel, pixels, to)];
                Assert.True(expected == actual, $"{channels} channels, {pixels} pixels, {from} to {to}, {part}: channel {channel}, pixel {pixel} is {actual}, expected {expected}");
            }
        }
    }

    private static int Index(int channel, int pixel, int pixels, int block) => (((channel / block * pixels) + pixel) * block) + (channel % block);
}
