using CoInference.Runtime.Data;

namespace CoInference.Runtime.Training;

/// <summary>Puts images into a training batch, channels innermost.</summary>
internal static class TrainingImages
{
    private const int MaxShift = 2;

    private static readonly float[][] Tables = MakeTables();

    /// <summary>What the network is trained on.</summary>
    public static Preprocessing Preprocessing => Preprocessing.ImageNet;

    /// <summary>Copies an image as it is.</summary>
    public static void Copy(ImageSet images, int image, FeatureMap target, int slot) => Copy(images, image, target, slot, false, false, 0, 0);

    /// <summary>Copies an image, mirrored at random in both directions and shifted by up to two pixels; what is uncovered is the mean colour.</summary>
    public static void CopyAugmented(ImageSet images, int image, FeatureMap target, int slot, Random random) =>
        Copy(images, image, target, slot, random.Next(2) == 0, random.Next(2) == 0, random.Next(-MaxShift, MaxShift + 1), random.Next(-MaxShift, MaxShift + 1));

    private static void Copy(ImageSet images, int image, FeatureMap target, int slot, bool mirrorX, bool mirrorY, int shiftX, int shiftY)
    {
        ReadOnlySpan<byte> source = images.Image(image);
        Span<float> destination = target.Values.AsSpan(slot * target.ImageSize, target.ImageSize);
        int height = images.Height, width = images.Width, plane = height * width;
        for (int y = 0, at = 0; y < height; y++)
        {
            int fromY = (mirrorY ? height - 1 - y : y) + shiftY;
            for (int x = 0; x < width; x++)
            {
                int fromX = (mirrorX ? width - 1 - x : x) + shiftX;
                bool inside = (uint)fromY < (uint)height && (uint)fromX < (uint)width;
                for (int c = 0; c < images.Channels; c++) destination[at++] = inside ? Tables[c][source[(c * plane) + (fromY * width) + fromX]] : 0;
            }
        }
    }

    private static float[][] MakeTables()
    {
        // One conversion of all byte values per channel, so that training and inference round alike.
        var bytes = new byte[3 * 256];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)i;
        var values = new float[bytes.Length];
        Preprocessing.Apply(bytes, 3, values);
        return [values[..256], values[256..512], values[512..]];
    }
}
