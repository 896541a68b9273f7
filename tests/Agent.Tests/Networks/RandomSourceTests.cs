using CoInference.Agent.Networks;

namespace CoInference.Agent.Tests.Networks;

public class RandomSourceTests
{
    [Fact]
    public void Sequence_is_that_of_the_published_generator()
    {
        // First outputs of xoshiro256** seeded with SplitMix64 from 0, as the authors' C programs print them.
        var random = new RandomSource(0);
        Assert.Equal(0x99EC5F36CB75F2B4UL, random.NextBits());
        Assert.Equal(0xBF6E1F784956452AUL, random.NextBits());
        Assert.Equal(0x1A5F849D4933E6E0UL, random.NextBits());
    }

    [Fact]
    public void Stored_state_continues_the_sequence()
    {
        var random = new RandomSource(11);
        for (int i = 0; i < 5; i++) random.NextNormal();
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        random.Save(writer);
        double[] expected = [.. Enumerable.Range(0, 20).Select(_ => random.NextNormal())];
        stream.Position = 0;
        using var reader = new BinaryReader(stream);
        var copy = new RandomSource(99);
        copy.Restore(reader);
        Assert.Equal(expected, Enumerable.Range(0, 20).Select(_ => copy.NextNormal()));
    }

    /// <summary>With 40,000 draws the standard error of the mean is below 0.0025; 0.01 is four of them.</summary>
    [Theory]
    [InlineData(0.5, 0.5, 0.5)]
    [InlineData(0.0, 0.5, 0.3571)]
    [InlineData(1.0, 0.1, 0.9202)]
    [InlineData(0.3, 0.02, 0.3)]
    public void Truncated_normal_stays_inside_and_has_the_right_mean(double mean, double deviation, double expected)
    {
        var random = new RandomSource(4);
        double sum = 0;
        for (int i = 0; i < 40_000; i++)
        {
            double value = random.NextTruncatedNormal(mean, deviation);
            Assert.InRange(value, 0, 1);
            sum += value;
        }

        Assert.Equal(expected, sum / 40_000, 0.01);
    }

    [Fact]
    public void Indices_are_even_and_in_range()
    {
        var random = new RandomSource(12);
        var counts = new int[7];
        for (int i = 0; i < 70_000; i++) counts[random.NextIndex(7)]++;
        // Binomial with n = 70,000 and p = 1/7: deviation 93, so 500 is more than five of them.
        Assert.All(counts, count => Assert.InRange(count, 9_500, 10_500));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.NextIndex(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.NextTruncatedNormal(1.5, 0.1));
    }
}
