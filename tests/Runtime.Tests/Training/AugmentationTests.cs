using CoInference.Kernels.Simd.Training;
using CoInference.Runtime.Data;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

public sealed class AugmentationTests
{
    [Fact]
    public void Mixed_images_share_what_they_were()
    {
        const int Height = 3, Width = 5;
        var shares = new List<float>();
        for (ulong seed = 0; seed < 40; seed++)
        {
            var batch = new BorderedMap(2, 1, Height, Width, border: 1);
            for (int i = 0; i < Height * Width; i++) (batch.At(0, 0, i / Width, i % Width), batch.At(1, 0, i / Width, i % Width)) = (1 + i, -2 * i);
            var random = new SplitMix64(seed);
            float share = Augmentation.Mix(batch, 0, 1, (1, Height, Width), ref random);
            shares.Add(share);
            for (int i = 0; i < Height * Width; i++)
            {
                Assert.Equal((share * (1 + i)) + ((1 - share) * -2 * i), batch.At(0, 0, i / Width, i % Width), 1e-5f);
                Assert.Equal((share * -2 * i) + ((1 - share) * (1 + i)), batch.At(1, 0, i / Width, i % Width), 1e-5f);
            }
        }

        Assert.All(shares, share => Assert.InRange(share, 0.5f, 1));
        Assert.InRange(shares.Average(), 0.7f, 0.8f);
    }

    [Theory]
    [InlineData("none", 0, false, false, false)]
    [InlineData("shift=4,mirror", 4, true, false, false)]
    [InlineData("mix,flip", 0, false, true, true)]
    public void Lists_are_read(string text, int shift, bool mirrors, bool flips, bool mixes) =>
        Assert.Equal(new Augmentation(shift, mirrors, flips, mixes), Augmentation.Parse(text));

    [Theory]
    [InlineData("mirror,")]
    [InlineData("shift=65")]
    [InlineData("none,mix")]
    public void Other_lists_are_refused(string text) => Assert.Contains(text, Assert.Throws<FormatException>(() => Augmentation.Parse(text)).Message, StringComparison.Ordinal);
}
