using System.Globalization;

namespace CoInference.Runtime.Data;

/// <summary>Reads the data specifications of the command line.</summary>
public static class DataSpec
{
    private const string Forms = "cifar10:DIR, idx:DIR, folder:DIR[,size=N|HxW][,channels=1|3][,crop=0.875], or shapes10[:seed=N]";

    /// <summary>Reads <c>cifar10:DIR</c>, <c>idx:DIR</c>, <c>folder:DIR[,options]</c> or <c>shapes10[:seed=N]</c>. Opens no file.</summary>
    /// <param name="text">The specification.</param>
    /// <param name="networkInput">What the network takes; a <c>folder:</c> source without a size option fits its images to it.</param>
    /// <exception cref="FormatException">The text is none of these forms; the message says what was expected.</exception>
    public static DataSource Parse(string text, ImageSize? networkInput = null)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string kind = colon < 0 ? text : text[..colon];
        string rest = colon < 0 ? "" : text[(colon + 1)..];
        if (kind == "shapes10") return new Shapes10Source(text, rest.Length == 0 ? Shapes10.DefaultSeed : Seed(rest, text));
        if (kind is not ("cifar10" or "idx" or "folder"))
            throw new FormatException($"Data '{text}' is of no known kind; expected {Forms}.");
        if (rest.Length == 0) throw new FormatException($"Data '{text}' names no folder; expected {Forms}.");
        return kind switch
        {
            "cifar10" => new Cifar10Source(text, rest),
            "idx" => new IdxSource(text, rest),
            _ => Folder(text, rest, networkInput),
        };
    }

    private static FolderSource Folder(string text, string rest, ImageSize? networkInput)
    {
        string[] parts = rest.Split(',');
        int channels = networkInput?.Channels is 1 ? 1 : 3;
        (int Height, int Width)? size = networkInput is null ? null : (networkInput.Height, networkInput.Width);
        double crop = FolderSource.DefaultCrop;
        foreach (string option in parts.AsSpan(1))
        {
            string[] pair = option.Split('=', 2, StringSplitOptions.TrimEntries);
            if (pair.Length != 2) throw new FormatException($"Option '{option}' of data '{text}' is not NAME=VALUE.");
            switch (pair[0])
            {
                case "size":
                    string[] sides = pair[1].Split('x');
                    int height = Number(sides[0], 1, PngFormat.MaxSide, option, text);
                    size = (height, sides.Length == 1 ? height : sides.Length == 2 ? Number(sides[1], 1, PngFormat.MaxSide, option, text) : throw Bad(option, text));
                    break;
                case "channels":
                    channels = pair[1] is "1" or "3" ? pair[1][0] - '0' : throw Bad(option, text);
                    break;
                case "crop":
                    crop = double.TryParse(pair[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value is > 0 and <= 1
                        ? value : throw Bad(option, text);
                    break;
                default:
                    throw new FormatException($"Data '{text}' has an unknown option '{pair[0]}'; expected {Forms}.");
            }
        }

        return new FolderSource(text, parts[0], channels, size, crop);
    }

    private static int Seed(string option, string text) =>
        option.StartsWith("seed=", StringComparison.Ordinal) ? Number(option[5..], 0, int.MaxValue, option, text) : throw Bad(option, text);

    private static int Number(string digits, int low, int high, string option, string text) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= low && value <= high ? value : throw Bad(option, text);

    private static FormatException Bad(string option, string text) => new($"Option '{option}' of data '{text}' has no valid value; expected {Forms}.");
}
