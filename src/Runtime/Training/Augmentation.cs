using System.Globalization;
using CoInference.Kernels.Simd.Training;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Training;

/// <summary>
/// Random changes of training images: a shift by up to some pixels, which is a crop of the padded image, mirroring, and mixing of pairs
/// (Zhang et al. 2017), which with a teacher shows the student what the teacher says between the images, too (Beyer et al. 2021).
/// </summary>
/// <param name="Shift">Most pixels by which an image is shifted in each direction; what is uncovered is zero after preprocessing.</param>
/// <param name="MirrorsLeftRight">Whether half of the images are mirrored left to right.</param>
/// <param name="MirrorsUpDown">Whether half of the images are mirrored upside down.</param>
/// <param name="Mixes">Whether each image is mixed with another of its batch, of which it takes up to a half.</param>
public sealed record Augmentation(int Shift = 0, bool MirrorsLeftRight = false, bool MirrorsUpDown = false, bool Mixes = false)
{
    /// <summary>Crops of images padded by four pixels and left-right mirroring (He et al. 2015).</summary>
    public static Augmentation Cifar { get; } = new(4, MirrorsLeftRight: true);

    /// <summary>Reads <c>none</c>, or a list of <c>shift=N</c>, <c>mirror</c> (left to right), <c>flip</c> (upside down) and <c>mix</c>.</summary>
    /// <exception cref="FormatException">The text is neither; the message says what was expected.</exception>
    public static Augmentation Parse(string text)
    {
        var result = new Augmentation();
        if (text == "none") return result;
        foreach (string part in text.Split(','))
        {
            result = part switch
            {
                "mirror" => result with { MirrorsLeftRight = true },
                "flip" => result with { MirrorsUpDown = true },
                "mix" => result with { Mixes = true },
                _ when part.StartsWith("shift=", StringComparison.Ordinal)
                    && int.TryParse(part.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out int shift) && shift <= 64 => result with { Shift = shift },
                _ => throw new FormatException($"Augmentation '{text}': '{part}' is none of shift=N, mirror, flip, mix; or the whole is 'none'."),
            };
        }

        return result;
    }

    /// <summary>Puts an image into a batch.</summary>
    internal void Copy(ImageSet images, int image, float[] table, BorderedMap target, int slot, ref SplitMix64 random)
    {
        bool mirrorX = MirrorsLeftRight && random.Next(2) == 0, mirrorY = MirrorsUpDown && random.Next(2) == 0;
        int shiftX = Shift == 0 ? 0 : random.Next((2 * Shift) + 1) - Shift, shiftY = Shift == 0 ? 0 : random.Next((2 * Shift) + 1) - Shift;
        ReadOnlySpan<byte> source = images.Image(image);
        int height = images.Height, width = images.Width;
        for (int c = 0; c < images.Channels; c++)
        {
            ReadOnlySpan<float> values = table.AsSpan(c * 256, 256);
            for (int y = 0; y < height; y++)
            {
                int fromY = (mirrorY ? height - 1 - y : y) + shiftY;
                bool rowInside = (uint)fromY < (uint)height;
                int row = ((c * height) + fromY) * width;
                for (int x = 0; x < width; x++)
                {
                    int fromX = (mirrorX ? width - 1 - x : x) + shiftX;
                    target.At(slot, c, y, x) = rowInside && (uint)fromX < (uint)width ? values[source[row + fromX]] : 0;
                }
            }
        }
    }

    /// <summary>Mixes two images of a batch, each into the other.</summary>
    /// <returns>The share of itself that either keeps, at least a half.</returns>
    internal static float Mix(BorderedMap batch, int first, int second, (int Channels, int Height, int Width) image, ref SplitMix64 random)
    {
        const int Steps = 1 << 20;
        float share = 0.5f + (0.5f * random.Next(Steps) / Steps);
        for (int c = 0; c < image.Channels; c++)
        {
            for (int y = 0; y < image.Height; y++)
            {
                for (int x = 0; x < image.Width; x++)
                {
                    float own = batch.At(first, c, y, x), other = batch.At(second, c, y, x);
                    batch.At(first, c, y, x) = (share * own) + ((1 - share) * other);
                    batch.At(second, c, y, x) = (share * other) + ((1 - share) * own);
                }
            }
        }

        return share;
    }

    /// <summary>The input value of every byte value of every channel.</summary>
    internal static float[] Table(Preprocessing preprocessing, int channels)
    {
        var bytes = new byte[channels * 256];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)i;
        var table = new float[bytes.Length];
        preprocessing.Apply(bytes, channels, table);
        return table;
    }
}
