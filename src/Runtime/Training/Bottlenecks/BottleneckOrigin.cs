using System.Globalization;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training.Bottlenecks;

/// <summary>Where a network with a bottleneck comes from. It travels as metadata of the network (<c>BITS MODEL CUT</c>).</summary>
/// <param name="Cut">Value of the original network at which the bottleneck sits.</param>
/// <param name="Bits">Bits per value of the code that it was trained for.</param>
/// <param name="Model">SHA-256 of the original network's file, lower-case hex.</param>
public sealed record BottleneckOrigin(string Cut, int Bits, string Model)
{
    /// <summary>Key of the metadata.</summary>
    public const string MetadataKey = "coinference.bottleneck";

    /// <summary>The origin of a network; null when it has no bottleneck, or one of which nothing is known.</summary>
    /// <exception cref="InvalidDataException">The metadata is damaged.</exception>
    public static BottleneckOrigin? Of(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (!graph.Metadata.TryGetValue(MetadataKey, out string? text)) return null;
        string[] parts = text.Split(' ', 3);
        return parts.Length == 3 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int bits) && bits is >= 1 and <= 8
            ? new BottleneckOrigin(parts[2], bits, parts[1])
            : throw new InvalidDataException($"The network's metadata '{MetadataKey}' is '{text}', expected bits, a hash and the name of a value.");
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Bits} {Model} {Cut}");
}
