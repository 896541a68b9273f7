namespace CoInference.Runtime.Data;

/// <summary>
/// Fits images to a network's input the way image classifiers are commonly tested: the short side is scaled, then the
/// centre is cut out. The scaling filter is a triangle that widens when it shrinks (antialiased bilinear).
/// </summary>
internal static class ImageResizer
{
    /// <summary>Scales and crops; an image that already has the size is returned as it is.</summary>
    /// <param name="image">Any number of channels.</param>
    /// <param name="height">Height of the result.</param>
    /// <param name="width">Width of the result.</param>
    /// <param name="crop">Share of the scaled image's fitting side that the crop keeps, above 0 and at most 1.</param>
    public static PixelImage Fit(PixelImage image, int height, int width, double crop)
    {
        if (image.Height == height && image.Width == width) return image;
        double scale = Math.Max(height / crop / image.Height, width / crop / image.Width);
        int scaledHeight = Math.Max(height, (int)Math.Round(image.Height * scale)), scaledWidth = Math.Max(width, (int)Math.Round(image.Width * scale));
        int top = (scaledHeight - height) / 2, left = (scaledWidth - width) / 2;

        // Only the rows and columns that the crop keeps are computed.
        Taps[] columns = MakeTaps(image.Width, scaledWidth, left, width), rows = MakeTaps(image.Height, scaledHeight, top, height);
        int channels = image.Channels;
        var narrow = new float[image.Height * width * channels];
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                for (int c = 0; c < channels; c++)
                {
                    float sum = 0;
                    for (int k = 0; k < columns[x].Weights.Length; k++) sum += columns[x].Weights[k] * image.Pixels[((((y * image.Width) + columns[x].First + k) * channels) + c)];
                    narrow[(((y * width) + x) * channels) + c] = sum;
                }
            }
        }

        var pixels = new byte[height * width * channels];
        for (int y = 0; y < height; y++)
        {
            for (int i = 0; i < width * channels; i++)
            {
                float sum = 0;
                for (int k = 0; k < rows[y].Weights.Length; k++) sum += rows[y].Weights[k] * narrow[((rows[y].First + k) * width * channels) + i];
                pixels[(y * width * channels) + i] = (byte)Math.Clamp(MathF.Round(sum), 0, 255);
            }
        }

        return new PixelImage(channels, height, width, pixels);
    }

    private static Taps[] MakeTaps(int source, int scaled, int start, int count)
    {
        double ratio = (double)source / scaled, support = Math.Max(1, ratio);
        var taps = new Taps[count];
        for (int i = 0; i < count; i++)
        {
            double centre = (i + start + 0.5) * ratio;
            int first = Math.Max(0, (int)Math.Floor(centre - support)), last = Math.Min(source - 1, (int)Math.Ceiling(centre + support) - 1);
            var weights = new float[last - first + 1];
            double sum = 0;
            for (int k = first; k <= last; k++) sum += weights[k - first] = (float)Math.Max(0, 1 - (Math.Abs(k + 0.5 - centre) / support));
            for (int k = 0; k < weights.Length; k++) weights[k] = (float)(weights[k] / sum);
            taps[i] = new Taps(first, weights);
        }

        return taps;
    }

    private readonly record struct Taps(int First, float[] Weights);
}
