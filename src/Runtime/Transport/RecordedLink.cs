using System.Diagnostics;
using System.Globalization;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A recorded link: each direction costs what its recording says for the moment, plus half a round trip. Its clock starts when it is
/// made and goes on over lost connections; at its end a recording starts over.
/// </summary>
public sealed class RecordedLink : IShapedLink
{
    private readonly PacketTrace _up;
    private readonly PacketTrace _down;
    private readonly double _oneWaySeconds;
    private readonly double _offset;
    private readonly long _origin = Stopwatch.GetTimestamp();

    /// <summary>Starts the clock.</summary>
    /// <param name="up">Recording of the way to the edge.</param>
    /// <param name="down">Recording of the way back.</param>
    /// <param name="roundTripMs">Round-trip time, which recordings do not hold.</param>
    /// <param name="offsetSeconds">Where in the recordings to start.</param>
    public RecordedLink(PacketTrace up, PacketTrace down, double roundTripMs, double offsetSeconds = 0)
    {
        ArgumentNullException.ThrowIfNull(up);
        ArgumentNullException.ThrowIfNull(down);
        if (!(roundTripMs is >= 0 and < 1e6)) throw new ArgumentOutOfRangeException(nameof(roundTripMs), roundTripMs, "Expected 0 to 1e6 milliseconds.");
        if (!(offsetSeconds is >= 0 and < 1e9)) throw new ArgumentOutOfRangeException(nameof(offsetSeconds), offsetSeconds, "Expected 0 to 1e9 seconds.");
        (_up, _down, _oneWaySeconds, _offset) = (up, down, roundTripMs / 2000, offsetSeconds);
    }

    /// <summary>What was recorded, for reports.</summary>
    public string Name { get; private init; } = "recorded";

    /// <summary>
    /// Reads <c>FILE[,rtt=40ms][,start=30s]</c>. A file <c>NAME.up</c> or <c>NAME.up.gz</c> is the way to the edge, and the file
    /// <c>NAME.down</c> beside it the way back; any other file is both. The round trip is 20 ms when it is not given.
    /// </summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    /// <exception cref="InvalidDataException">A file is no recording; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static RecordedLink Load(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        double roundTripMs = 20, offset = 0;
        foreach (string part in parts.AsSpan(1))
        {
            if (part.StartsWith("rtt=", StringComparison.Ordinal) && part.EndsWith("ms", StringComparison.Ordinal)) roundTripMs = Number(part[4..^2], text);
            else if (part.StartsWith("start=", StringComparison.Ordinal) && part.EndsWith('s')) offset = Number(part[6..^1], text);
            else throw Malformed(text);
        }

        PacketTrace up = PacketTrace.Load(parts[0]);
        string back = WayBack(parts[0]);
        return new RecordedLink(up, back == parts[0] ? up : PacketTrace.Load(back), roundTripMs, offset) { Name = string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(parts[0])},rtt={roundTripMs:0.###}ms,start={offset:0.###}s") };
    }

    /// <inheritdoc/>
    public long ArrivalAtEdge(long sent, int bytes) => Arrival(_up, sent, bytes);

    /// <inheritdoc/>
    public long ArrivalAtDevice(long sent, int bytes) => Arrival(_down, sent, bytes);

    private long Arrival(PacketTrace trace, long sent, int bytes)
    {
        double start = _offset + Math.Max(0, (double)(sent - _origin) / Stopwatch.Frequency);
        return sent + (long)((trace.Finish(start, bytes) - start + _oneWaySeconds) * Stopwatch.Frequency);
    }

    private static string WayBack(string path)
    {
        string ending = path.EndsWith(".up.gz", StringComparison.Ordinal) ? ".up.gz" : path.EndsWith(".up", StringComparison.Ordinal) ? ".up" : "";
        if (ending.Length == 0) return path;
        string back = string.Concat(path.AsSpan(0, path.Length - ending.Length), ending.Replace("up", "down", StringComparison.Ordinal));
        return File.Exists(back) ? back : path;
    }

    private static double Number(string digits, string text) =>
        double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value is >= 0 and < 1e6 ? value : throw Malformed(text);

    private static FormatException Malformed(string text) => new($"Link trace '{text}' is not of the form FILE[,rtt=Nms][,start=Ns].");
}
