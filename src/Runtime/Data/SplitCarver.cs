namespace CoInference.Runtime.Data;

/// <summary>
/// Divides a list of images deterministically: a fixed pseudo-random order of all indices, of which a share at the end
/// is set apart. The order does not follow the files, because files are often sorted or cycle through the classes.
/// </summary>
public static class SplitCarver
{
    private const int ShareDivisor = 5;
    private const int MaxSearchValidation = 5000;
    private const ulong OrderSeed = 0x5EED_0F_5B1175;

    /// <summary>Indices of <paramref name="split"/> within <paramref name="trainImages"/> training images: a fifth, at most 5,000, is search-validation.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="split"/> is the test split, which is never carved from training images.</exception>
    public static int[] Carve(int trainImages, Split split)
    {
        int[] order = Shuffled(trainImages);
        int kept = trainImages - Math.Min(MaxSearchValidation, trainImages / ShareDivisor);
        return split switch
        {
            Split.Train => order[..kept],
            Split.SearchValidation => order[kept..],
            _ => throw new ArgumentOutOfRangeException(nameof(split), split, "Only training images are carved."),
        };
    }

    /// <summary>Separates a data set without a test split of its own: a fifth of all images is the test split, the rest is training.</summary>
    public static (int[] Train, int[] Test) CarveTest(int images)
    {
        int[] order = Shuffled(images);
        int kept = images - (images / ShareDivisor);
        return (order[..kept], order[kept..]);
    }

    /// <summary>The numbers 0 to <paramref name="count"/> - 1 in the fixed shuffled order (Fisher-Yates).</summary>
    public static int[] Shuffled(int count)
    {
        var order = new int[count];
        for (int i = 0; i < count; i++) order[i] = i;
        var random = new SplitMix64(OrderSeed);
        for (int i = count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
