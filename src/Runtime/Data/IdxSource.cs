using System.Buffers.Binary;

namespace CoInference.Runtime.Data;

/// <summary>
/// The IDX files of the MNIST family: one-channel images and labels in two files per split, plain or gzip-compressed.
/// </summary>
/// <remarks>
/// Training files start with <c>train-images</c> and <c>train-labels</c>, test files with <c>t10k-</c> or <c>test-</c>.
/// </remarks>
internal sealed class IdxSource(string spec, string folder) : DataSource
{
    private const int ImageMagic = 2051, LabelMagic = 2049, MinClasses = 10;

    public override string Spec => spec;

    protected override ImageSet Read(Split split, int limit)
    {
        DataFiles.RequireFolder(folder);
        string[] prefixes = split == Split.Test ? ["t10k", "test"] : ["train"];
        string imagePath = Find(prefixes, "images"), labelPath = Find(prefixes, "labels");
        byte[] images = DataFiles.Read(imagePath), labels = DataFiles.Read(labelPath);

        int count = Header(images, imagePath, ImageMagic, words: 4, 1);
        int height = Header(images, imagePath, ImageMagic, words: 4, 2);
        int width = Header(images, imagePath, ImageMagic, words: 4, 3);
        int labelCount = Header(labels, labelPath, LabelMagic, words: 2, 1);
        if (count < 1 || height is < 1 or > PngFormat.MaxSide || width is < 1 or > PngFormat.MaxSide || images.Length - 16 != (long)count * height * width)
            throw new InvalidDataException($"'{imagePath}' holds {images.Length} bytes, which is not the {count} images of {height}x{width} that its header announces.");
        if (labelCount != count || labels.Length - 8 != labelCount)
            throw new InvalidDataException($"'{labelPath}' holds {labels.Length} bytes and announces {labelCount} labels; '{imagePath}' has {count} images.");

        int classes = MinClasses;
        foreach (byte label in labels.AsSpan(8)) classes = Math.Max(classes, label + 1);
        int[] chosen = split == Split.Test ? Enumerable.Range(0, count).ToArray() : SplitCarver.Carve(count, split);
        if (chosen.Length > limit) chosen = chosen[..limit];

        int imageBytes = height * width;
        var pixels = new byte[(long)chosen.Length * imageBytes];
        for (int i = 0; i < chosen.Length; i++) images.AsSpan(16 + (chosen[i] * imageBytes), imageBytes).CopyTo(pixels.AsSpan(i * imageBytes));
        return new ImageSet(1, height, width, classes, pixels, Array.ConvertAll(chosen, i => (int)labels[8 + i]));
    }

    private string Find(string[] prefixes, string content)
    {
        List<string> found = Directory.EnumerateFiles(folder)
            .Where(path => prefixes.Any(prefix => Path.GetFileName(path).StartsWith($"{prefix}-{content}", StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal).ToList();
        return found.Count > 0 ? found[0]
            : throw new InvalidDataException($"Data folder '{folder}' holds no IDX file {string.Join(" or ", prefixes.Select(prefix => $"{prefix}-{content}*"))}.");
    }

    private static int Header(byte[] bytes, string path, int magic, int words, int word)
    {
        if (bytes.Length < words * 4) throw new InvalidDataException($"'{path}' holds {bytes.Length} bytes, fewer than an IDX header.");
        int found = BinaryPrimitives.ReadInt32BigEndian(bytes);
        if (found != magic) throw new InvalidDataException($"'{path}' starts with {found}; an IDX file of this kind starts with {magic}.");
        return BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(word * 4));
    }
}
