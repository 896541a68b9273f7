using System.Globalization;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Codec;

/// <summary>
/// The range that a learned code was trained to be quantized over. It travels as metadata of the network
/// (<c>VALUE LOW HIGH</c>), and the codec of a cut at that value uses it in place of a calibrated one.
/// </summary>
/// <param name="Value">Name of the value.</param>
/// <param name="Low">Value of the lowest level.</param>
/// <param name="High">Value of the highest level.</param>
public sealed record CodeRange(string Value, float Low, float High)
{
    /// <summary>Key of the metadata.</summary>
    public const string MetadataKey = "coinference.code-range";

    /// <summary>The range for a cut at <paramref name="value"/>, or null when the network has none.</summary>
    /// <exception cref="InvalidDataException">The metadata is damaged.</exception>
    public static CodeRange? Of(Graph graph, string value)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (!graph.Metadata.TryGetValue(MetadataKey, out string? text)) return null;
        string[] parts = text.Split(' ');
        if (parts.Length != 3 || !Parse(parts[1], out float low) || !Parse(parts[2], out float high) || !(high > low))
            throw new InvalidDataException($"The network's metadata '{MetadataKey}' is '{text}', expected a value's name and an ascending range.");
        return parts[0] == value ? new CodeRange(parts[0], low, high) : null;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Value} {Low:R} {High:R}");

    private static bool Parse(string text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);
}
