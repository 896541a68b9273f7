using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;

namespace CoInference.Runtime.Conditions;

/// <summary>Strength of the radio signal: of the first wireless interface, or recorded.</summary>
public sealed class SignalStrength : IDisposable
{
    private const string WirelessPath = "/proc/net/wireless";

    private readonly PolledFile? _wireless;
    private readonly (double Seconds, double Dbm)[] _recorded;
    private readonly long _origin = Stopwatch.GetTimestamp();

    private SignalStrength(PolledFile? wireless, (double, double)[] recorded) => (_wireless, _recorded) = (wireless, recorded);

    /// <summary>Whether there is anything to read.</summary>
    public bool IsKnown => _wireless is not null || _recorded.Length > 0;

    /// <summary>The signal of this machine's first wireless interface; unknown when it has none.</summary>
    /// <param name="path">Where the kernel tells it.</param>
    public static SignalStrength OfInterface(string path = WirelessPath) => new(PolledFile.TryOpen(path, 1024), []);

    /// <summary>Reads a recording: text, one line per change with the seconds from the start and the dBm from then on, separated by a space.</summary>
    /// <exception cref="InvalidDataException">A line is not of that form; the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SignalStrength Load(string path)
    {
        var recorded = new List<(double Seconds, double Dbm)>();
        string[] lines = File.ReadAllLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            string[] words = lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length != 2 || !double.TryParse(words[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
                || !double.TryParse(words[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double dbm)
                || !(seconds >= (recorded.Count == 0 ? 0 : recorded[^1].Seconds)) || !(dbm is >= -200 and <= 50))
            {
                throw new InvalidDataException($"{path}: line {i + 1} is '{lines[i]}', expected seconds that never fall and dBm from -200 to 50.");
            }

            recorded.Add((seconds, dbm));
        }

        return recorded.Count > 0 ? new SignalStrength(null, [.. recorded]) : throw new InvalidDataException($"{path}: the recording is empty.");
    }

    /// <summary>The strength now in dBm; NaN when it is not known. A recording stays at its last value.</summary>
    public double Read()
    {
        if (_recorded.Length > 0) return At(Stopwatch.GetElapsedTime(_origin).TotalSeconds);
        if (_wireless is null) return double.NaN;
        // Two lines of headings, then one line per interface: name, status, quality, level, noise, ...
        ReadOnlySpan<byte> text = _wireless.Read();
        for (int heading = 0; heading < 2; heading++)
        {
            int end = text.IndexOf((byte)'\n');
            if (end < 0) return double.NaN;
            text = text[(end + 1)..];
        }

        for (int word = 0; word < 3; word++)
        {
            text = text.TrimStart((byte)' ');
            int space = text.IndexOf((byte)' ');
            if (space < 0) return double.NaN;
            text = text[space..];
        }

        return Utf8Parser.TryParse(text.TrimStart((byte)' '), out double dbm, out _) ? dbm : double.NaN;
    }

    /// <summary>Closes what is read from.</summary>
    public void Dispose() => _wireless?.Dispose();

    private double At(double seconds)
    {
        int i = _recorded.Length - 1;
        while (i > 0 && _recorded[i].Seconds > seconds) i--;
        return _recorded[i].Dbm;
    }
}
