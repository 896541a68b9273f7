using System.Globalization;
using System.Text.Json.Serialization;

namespace CoInference.Runtime.Plans;

/// <summary>A constant link between device and edge.</summary>
/// <param name="MegabitsPerSecond">Rate in 10^6 bits per second; infinity when unlimited.</param>
/// <param name="RoundTripMs">Round-trip time in milliseconds.</param>
public sealed record LinkSpec(
    [property: JsonConverter(typeof(LinkRateConverter))] double MegabitsPerSecond, double RoundTripMs)
{
    /// <summary>Time on the wire for one request and its reply: serialisation of both plus one round trip, in milliseconds.</summary>
    /// <param name="requestBytes">Bytes from device to edge, headers included.</param>
    /// <param name="replyBytes">Bytes from edge to device, headers included.</param>
    public double TransferMs(double requestBytes, double replyBytes = 0) =>
        RoundTripMs + ((requestBytes + replyBytes) * 8.0 / (MegabitsPerSecond * 1000.0));

    /// <summary>Reads <c>5.85mbps</c>, <c>5.85mbps,rtt=10ms</c>, <c>1gbps</c>, <c>500kbps,rtt=40ms</c>.</summary>
    /// <exception cref="FormatException">The text is not a link; the message says what was expected.</exception>
    public static LinkSpec Parse(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        double scale = parts[0] switch
        {
            var p when p.EndsWith("kbps", StringComparison.OrdinalIgnoreCase) => 1e-3,
            var p when p.EndsWith("mbps", StringComparison.OrdinalIgnoreCase) => 1,
            var p when p.EndsWith("gbps", StringComparison.OrdinalIgnoreCase) => 1e3,
            _ => throw Malformed(text),
        };
        double rate = Number(parts[0][..^4], text) * scale;
        double roundTrip = 0;
        foreach (string part in parts.AsSpan(1))
        {
            if (!part.StartsWith("rtt=", StringComparison.OrdinalIgnoreCase) || !part.EndsWith("ms", StringComparison.OrdinalIgnoreCase)) throw Malformed(text);
            roundTrip = Number(part[4..^2], text);
        }

        return rate > 0 && roundTrip >= 0 ? new LinkSpec(rate, roundTrip) : throw Malformed(text);
    }

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{MegabitsPerSecond:0.###}mbps,rtt={RoundTripMs:0.###}ms");

    private static double Number(string digits, string text) =>
        double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value : throw Malformed(text);

    private static FormatException Malformed(string text) =>
        new($"Link '{text}' is not of the form RATE[kbps|mbps|gbps][,rtt=Nms], e.g. 5.85mbps,rtt=10ms.");
}
