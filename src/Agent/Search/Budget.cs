using System.Globalization;

namespace CoInference.Agent.Search;

/// <summary>An end-to-end latency target.</summary>
/// <param name="Value">Milliseconds, or a factor on the fastest baseline that prunes nothing.</param>
/// <param name="IsRelative">Whether the value is such a factor.</param>
public sealed record Budget(double Value, bool IsRelative)
{
    /// <summary>Reads <c>12ms</c> or <c>0.5x</c>.</summary>
    /// <exception cref="FormatException">The text is neither, or not positive.</exception>
    public static Budget Parse(string text)
    {
        bool relative = text.EndsWith('x');
        int unit = relative ? 1 : text.EndsWith("ms", StringComparison.Ordinal) ? 2 : 0;
        return unit > 0 && double.TryParse(text.AsSpan(0, text.Length - unit), NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && value > 0 && double.IsFinite(value)
            ? new Budget(value, relative)
            : throw new FormatException($"Budget '{text}' is not of the form 12ms or 0.5x.");
    }

    /// <summary>The budget in milliseconds.</summary>
    /// <param name="baselineMs">Latency of the fastest baseline that prunes nothing.</param>
    public double Milliseconds(double baselineMs) => IsRelative ? Value * baselineMs : Value;

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Value}{(IsRelative ? "x" : "ms")}");
}
