using System.Globalization;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Data;

/// <summary>How pixel bytes become network input: x = (v · <paramref name="Scale"/> − mean[c]) / std[c], per channel.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Scale">Factor on the byte; 1/255 or 1.</param>
/// <param name="Mean">Mean per channel; a single value serves all channels.</param>
/// <param name="Std">Standard deviation per channel; a single value serves all channels.</param>
public sealed record Preprocessing(string Name, double Scale, IReadOnlyList<double> Mean, IReadOnlyList<double> Std)
{
    /// <summary>Key of a model's metadata that names the preset it was trained with.</summary>
    public const string MetadataKey = "preprocessing";

    /// <summary>ImageNet statistics on 0..1 values.</summary>
    public static Preprocessing ImageNet { get; } = new("imagenet", 1.0 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

    /// <summary>CIFAR-10 statistics on 0..1 values.</summary>
    public static Preprocessing Cifar10 { get; } = new("cifar10", 1.0 / 255, [0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]);

    /// <summary>0..1 values.</summary>
    public static Preprocessing Unit { get; } = new("unit", 1.0 / 255, [0], [1]);

    /// <summary>-1..1 values.</summary>
    public static Preprocessing Symmetric { get; } = new("symmetric", 1.0 / 127.5, [1], [1]);

    /// <summary>The bytes themselves, 0..255.</summary>
    public static Preprocessing Raw { get; } = new("raw", 1, [0], [1]);

    /// <summary>The presets, by name on the command line.</summary>
    public static IReadOnlyList<Preprocessing> Presets { get; } = [ImageNet, Cifar10, Unit, Symmetric, Raw];

    /// <summary>Reads the name of a preset, or <c>mean=0.49,0.48,0.45;std=0.25,0.24,0.26[;scale=1]</c>; the scale is 1/255 when not given.</summary>
    /// <exception cref="FormatException">The text is neither; the message says what was expected.</exception>
    public static Preprocessing Parse(string text)
    {
        if (Presets.FirstOrDefault(preset => preset.Name == text) is { } named) return named;
        IReadOnlyList<double>? mean = null, std = null;
        double scale = 1.0 / 255;
        foreach (string part in text.Split(';', StringSplitOptions.TrimEntries))
        {
            string[] pair = part.Split('=', 2, StringSplitOptions.TrimEntries);
            double[] values = pair.Length == 2 ? Array.ConvertAll(pair[1].Split(','), digits => Number(digits, text)) : throw Malformed(text);
            switch (pair[0])
            {
                case "mean" when values.Length is 1 or 3: mean = values; break;
                case "std" when values.Length is 1 or 3 && values.All(value => value > 0): std = values; break;
                case "scale" when values.Length == 1 && values[0] > 0: scale = values[0]; break;
                default: throw Malformed(text);
            }
        }

        return mean is not null && std is not null ? new Preprocessing(text, scale, mean, std) : throw Malformed(text);
    }

    /// <summary>Converts one image. The arithmetic is done in double and rounded once.</summary>
    /// <param name="image">Bytes in CHW order.</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="destination">As many floats as the image has bytes.</param>
    /// <exception cref="ArgumentException">There are more channels than means or deviations, and more than one of these.</exception>
    public void Apply(ReadOnlySpan<byte> image, int channels, Span<float> destination)
    {
        if ((Mean.Count != 1 && Mean.Count < channels) || (Std.Count != 1 && Std.Count < channels))
            throw new ArgumentException($"Preprocessing '{Name}' has {Mean.Count} means and {Std.Count} deviations; the image has {channels} channels.", nameof(channels));
        int plane = image.Length / channels;
        Span<float> table = stackalloc float[256];
        for (int c = 0; c < channels; c++)
        {
            double mean = Mean[Mean.Count == 1 ? 0 : c], std = Std[Std.Count == 1 ? 0 : c];
            for (int v = 0; v < table.Length; v++) table[v] = (float)(((v * Scale) - mean) / std);
            ReadOnlySpan<byte> source = image.Slice(c * plane, plane);
            Span<float> target = destination.Slice(c * plane, plane);
            for (int i = 0; i < source.Length; i++) target[i] = table[source[i]];
        }
    }

    /// <summary>Converts the first images of a set.</summary>
    /// <param name="images">The set.</param>
    /// <param name="most">Images to convert, when there are as many.</param>
    /// <returns>[N, C, H, W].</returns>
    public Tensor Apply(ImageSet images, int most)
    {
        ArgumentNullException.ThrowIfNull(images);
        int count = Math.Min(images.Count, most);
        var tensor = new Tensor(ElementType.Float32, new TensorShape(count, images.Channels, images.Height, images.Width));
        Span<float> values = tensor.Values<float>();
        for (int i = 0; i < count; i++) Apply(images.Image(i), images.Channels, values.Slice(i * images.ImageBytes, images.ImageBytes));
        return tensor;
    }

    private static double Number(string digits, string text) =>
        double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value : throw Malformed(text);

    private static FormatException Malformed(string text) => new(
        $"Preprocessing '{text}' is neither one of {string.Join(", ", Presets.Select(preset => preset.Name))} nor of the form mean=M[,M,M];std=S[,S,S][;scale=F].");
}
