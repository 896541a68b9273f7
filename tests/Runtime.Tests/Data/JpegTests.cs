using CoInference.Runtime.Data;

namespace CoInference.Runtime.Tests.Data;

/// <summary>JPEG through libjpeg-turbo; skipped where it is not installed.</summary>
public class JpegTests
{
    [SkippableTheory]
    [InlineData(3, 32, 32, 95)]
    [InlineData(3, 17, 45, 90)]
    [InlineData(1, 28, 28, 90)]
    public void Smooth_images_come_back_nearly_as_they_were(int channels, int height, int width, int quality)
    {
        RequireLibrary();
        PixelImage image = Smooth(channels, height, width);
        byte[] file = JpegCodec.Encode(image, quality);
        Assert.True(JpegCodec.IsJpeg(file));
        PixelImage decoded = ImageFile.Decode(file);
        Assert.Equal((channels, height, width), (decoded.Channels, decoded.Height, decoded.Width));
        double error = image.Pixels.Zip(decoded.Pixels, (a, b) => Math.Pow(a - b, 2)).Average();
        Assert.True(error < 40, $"mean squared error {error}");
    }

    [SkippableFact]
    public void Lower_quality_is_smaller_and_further_off()
    {
        RequireLibrary();
        ImageSet images = DataSpec.Parse("shapes10").Load(Split.Test, 20);
        int[] qualities = [95, 75, 30];
        (double Bytes, double Error)[] points = [.. qualities.Select(quality => (
            Enumerable.Range(0, images.Count).Average(i => JpegCodec.Encode(PixelImage.FromPlanes(images.Image(i), 3, 32, 32), quality).Length),
            images.Pixels.Zip(JpegCodec.RoundTrip(images, quality).Pixels, (a, b) => Math.Pow(a - b, 2)).Average()))];
        Assert.True(points[0].Bytes > points[1].Bytes && points[1].Bytes > points[2].Bytes);
        Assert.True(points[0].Error < points[1].Error && points[1].Error < points[2].Error);
    }

    [SkippableFact]
    public void Damaged_files_are_refused()
    {
        RequireLibrary();
        byte[] file = JpegCodec.Encode(Smooth(3, 32, 32), 80);
        Assert.Throws<InvalidDataException>(() => JpegCodec.Decode(file.AsSpan(0, 40), "short"));
        var random = new Random(1);
        for (int trial = 0; trial < 500; trial++)
        {
            byte[] mutated = [.. file];
            for (int i = 0; i < 4; i++) mutated[random.Next(2, mutated.Length)] = (byte)random.Next(256);
            try
            {
                JpegCodec.Decode(mutated, "mutated");
            }
            catch (InvalidDataException failure)
            {
                Assert.Contains("mutated", failure.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void What_cannot_be_encoded_is_named()
    {
        Assert.Throws<ArgumentException>(() => JpegCodec.Encode(new PixelImage(4, 1, 1, new byte[4]), 75));
        Assert.Throws<ArgumentOutOfRangeException>(() => JpegCodec.Encode(new PixelImage(1, 1, 1, new byte[1]), 0));
    }

    private static void RequireLibrary() => Skip.IfNot(JpegCodec.IsAvailable, "libjpeg-turbo (libturbojpeg.so.0) is not installed");

    private static PixelImage Smooth(int channels, int height, int width)
    {
        var pixels = new byte[channels * height * width];
        for (int i = 0; i < pixels.Length; i++)
        {
            int pixel = i / channels, y = pixel / width, x = pixel % width;
            pixels[i] = (byte)(128 + (60 * Math.Sin((y + (i % channels)) / 7.0)) + (50 * Math.Cos(x / 9.0)));
        }

        return new PixelImage(channels, height, width, pixels);
    }
}
