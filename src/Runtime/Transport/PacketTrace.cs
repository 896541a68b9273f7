using System.Buffers.Text;
using System.IO.Compression;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A recorded link as mahimahi stores it (Netravali et al., 2015): the times at which one packet may cross. At the end the recording
/// starts over.
/// </summary>
public sealed class PacketTrace
{
    /// <summary>Bytes that cross at each of the times.</summary>
    public const int PacketBytes = 1500;

    private const int MaxFileBytes = 256 << 20;

    // A packet at the very time of the start crosses, whatever the last bit of the division by the length says.
    private const double Rounding = 1e-9;

    private readonly double[] _times;

    /// <summary>Creates a trace.</summary>
    /// <param name="milliseconds">Times of the packets from the start of the recording, in whole milliseconds, never falling; several may share one.</param>
    /// <exception cref="InvalidDataException">There are none, one is negative or falls, or the last is 0.</exception>
    public PacketTrace(IReadOnlyList<long> milliseconds)
    {
        ArgumentNullException.ThrowIfNull(milliseconds);
        if (milliseconds.Count == 0) throw new InvalidDataException("The link trace has no packet.");
        for (int i = 0; i < milliseconds.Count; i++)
        {
            if (milliseconds[i] < (i == 0 ? 0 : milliseconds[i - 1]))
                throw new InvalidDataException($"Packet {i + 1} of the link trace is at {milliseconds[i]} ms, expected times that are not negative and never fall.");
        }

        if (milliseconds[^1] == 0) throw new InvalidDataException("The link trace ends at 0 ms, expected a positive length.");
        _times = [.. milliseconds.Select(time => time / 1000.0)];
    }

    /// <summary>Seconds until the recording starts over.</summary>
    public double Seconds => _times[^1];

    /// <summary>Mean rate in bytes per second.</summary>
    public double BytesPerSecond => _times.Length * PacketBytes / Seconds;

    /// <summary>Reads a trace: text, one whole number of milliseconds a line; gzip when the name ends in <c>.gz</c>.</summary>
    /// <exception cref="InvalidDataException">A line is no such number, or the times do not make a trace; the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static PacketTrace Load(string path)
    {
        using Stream file = File.OpenRead(path);
        using Stream text = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            return Parse(text);
        }
        catch (InvalidDataException failure)
        {
            throw new InvalidDataException($"{path}: {failure.Message}", failure);
        }
    }

    /// <summary>When a number of bytes, sent from a time on, has crossed. A packet's time carries at most <see cref="PacketBytes"/>, of this sender alone.</summary>
    /// <param name="start">Seconds on the clock of the trace.</param>
    /// <param name="bytes">Bytes; at least one packet is used.</param>
    public double Finish(double start, double bytes)
    {
        long packets = Math.Max(1, (long)Math.Ceiling(bytes / PacketBytes));
        double from = Math.Max(0, start - Rounding), round = Math.Floor(from / Seconds), offset = from - (round * Seconds);
        int first = Array.BinarySearch(_times, offset);
        if (first < 0) first = ~first;
        else while (first > 0 && _times[first - 1] == _times[first]) first--;
        long last = first + packets - 1;
        return ((round + (last / _times.Length)) * Seconds) + _times[last % _times.Length];
    }

    private static PacketTrace Parse(Stream text)
    {
        var content = new MemoryStream();
        var chunk = new byte[1 << 16];
        for (int read; (read = text.Read(chunk)) > 0; content.Write(chunk, 0, read))
        {
            if (content.Length + read > MaxFileBytes) throw new InvalidDataException($"the link trace has more than {MaxFileBytes} bytes.");
        }

        var times = new List<long>();
        int line = 0;
        foreach (Range range in MemoryExtensions.Split<byte>(content.GetBuffer().AsSpan(0, (int)content.Length), (byte)'\n'))
        {
            line++;
            ReadOnlySpan<byte> number = content.GetBuffer().AsSpan(0, (int)content.Length)[range].Trim(" \t\r"u8);
            if (number.IsEmpty) continue;
            if (!Utf8Parser.TryParse(number, out long time, out int consumed) || consumed != number.Length)
                throw new InvalidDataException($"line {line} of the link trace is no whole number of milliseconds.");
            times.Add(time);
        }

        return new PacketTrace(times);
    }
}
