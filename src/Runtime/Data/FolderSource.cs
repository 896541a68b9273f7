namespace CoInference.Runtime.Data;

/// <summary>
/// PNG and JPEG images in one folder per class. The class folders lie in <c>train</c>, <c>val</c> (or <c>validation</c>) and
/// <c>test</c> folders, or directly in the given one; a missing search-validation split is carved from training, a
/// missing set of split folders means that a fifth of all images is the test split.
/// </summary>
internal sealed class FolderSource(string spec, string folder, int channels, (int Height, int Width)? size, double crop) : DataSource
{
    /// <summary>Share of the short side that the centre crop keeps: 224 of 256.</summary>
    public const double DefaultCrop = 0.875;

    private const int MaxClasses = 100_000;

    public override string Spec => spec;

    protected override ImageSet Read(Split split, int limit)
    {
        DataFiles.RequireFolder(folder);
        string? train = Existing("train"), validation = Existing("val") ?? Existing("validation"), test = Existing("test");
        string[] roots = train is null && validation is null && test is null ? [folder] : new[] { train, validation, test }.OfType<string>().ToArray();
        string[] classes = roots.SelectMany(Directory.EnumerateDirectories).Select(path => Path.GetFileName(path)!)
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        if (classes.Length is 0 or > MaxClasses) throw new InvalidDataException($"Data folder '{folder}' holds {classes.Length} class folders; 1 to {MaxClasses} are expected.");

        List<(string Path, int Label)> files = Choose(split, train, validation, test, classes);
        if (files.Count == 0) throw new InvalidDataException($"Data folder '{folder}' holds no PNG or JPEG images for the {split} split.");
        if (files.Count > limit) files = files[..limit];
        return Decode(files, classes.Length);
    }

    private List<(string Path, int Label)> Choose(Split split, string? train, string? validation, string? test, string[] classes)
    {
        if (train is null && validation is null && test is null)
        {
            List<(string Path, int Label)> all = List(folder, classes);
            (int[] rest, int[] held) = SplitCarver.CarveTest(all.Count);
            return Pick(all, split == Split.Test ? held : Array.ConvertAll(SplitCarver.Carve(rest.Length, split), i => rest[i]));
        }

        if (split == Split.Test || (split == Split.SearchValidation && validation is not null))
        {
            string root = (split == Split.Test ? test : validation) ?? throw new InvalidDataException($"Data folder '{folder}' has split folders but no 'test' folder.");
            List<(string Path, int Label)> all = List(root, classes);
            return Pick(all, SplitCarver.Shuffled(all.Count));
        }

        if (train is null) throw new InvalidDataException($"Data folder '{folder}' has split folders but no 'train' folder.");
        List<(string Path, int Label)> trained = List(train, classes);
        return Pick(trained, validation is null ? SplitCarver.Carve(trained.Count, split) : SplitCarver.Shuffled(trained.Count));
    }

    private ImageSet Decode(List<(string Path, int Label)> files, int classes)
    {
        byte[]? pixels = null;
        int height = 0, width = 0, imageBytes = 0;
        for (int i = 0; i < files.Count; i++)
        {
            PixelImage image = ImageFile.Decode(DataFiles.Read(files[i].Path), files[i].Path);
            if (size is { } target) image = ImageResizer.Fit(image, target.Height, target.Width, crop);
            if (pixels is null)
            {
                (height, width, imageBytes) = (image.Height, image.Width, channels * image.Height * image.Width);
                if ((long)imageBytes * files.Count > Array.MaxLength)
                    throw new InvalidDataException($"{files.Count} images of {channels}x{height}x{width} do not fit in memory; give a limit or a smaller size.");
                pixels = new byte[imageBytes * files.Count];
            }
            else if (image.Height != height || image.Width != width)
            {
                throw new InvalidDataException($"'{files[i].Path}' is {image.Height}x{image.Width} but '{files[0].Path}' is {height}x{width}; "
                    + "give a common size, e.g. folder:DIR,size=224.");
            }

            image.CopyPlanes(channels, pixels.AsSpan(i * imageBytes, imageBytes));
        }

        return new ImageSet(channels, height, width, classes, pixels!, files.ConvertAll(file => file.Label).ToArray());
    }

    private string? Existing(string name) => Directory.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name) : null;

    private static List<(string Path, int Label)> Pick(List<(string Path, int Label)> all, int[] chosen) => chosen.Select(i => all[i]).ToList();

    private static List<(string Path, int Label)> List(string root, string[] classes)
    {
        var files = new List<(string Path, int Label)>();
        for (int label = 0; label < classes.Length; label++)
        {
            string path = Path.Combine(root, classes[label]);
            if (!Directory.Exists(path)) continue;
            files.AddRange(Directory.EnumerateFiles(path).Where(ImageFile.HasImageName)
                .Order(StringComparer.Ordinal).Select(file => (file, label)));
        }

        return files;
    }
}
