using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Codec;

namespace CoInference.Cli.Verbs;

/// <summary>JSON form of a codec comparison.</summary>
/// <param name="Feature">Channels, height and width of the feature.</param>
/// <param name="Rows">One row per stage and number of bits.</param>
internal sealed record CodecRows(string Feature, IReadOnlyList<CodecRow> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.codec-kernels/1";

    /// <summary>Times the stages of a feature given as CxHxW, for a list of bits such as 8,4,2; on the CPU when there is no device.</summary>
    /// <exception cref="UsageException">A text has another form.</exception>
    public static CodecRows Measure(string feature, string bits, int rounds, ComputeDevice? device, CancellationToken cancellation)
    {
        int[] shape = [.. feature.Split('x').Select(text => Positive(text, int.MaxValue))];
        int[] widths = [.. bits.Split(',').Select(text => Positive(text, 8))];
        if (shape.Length != 3 || shape.Contains(0) || shape.Aggregate(1L, (product, size) => product * size) > 1 << 28)
            throw new UsageException($"--codec {feature}: expected CxHxW with at most 2^28 values, e.g. 64x32x32.");
        if (widths.Contains(0)) throw new UsageException($"--bits {bits}: expected numbers from 1 to 8, e.g. 8,4,2.");
        if (rounds < 1) throw new UsageException($"--rounds {rounds}: expected at least 1.");
        CodecComparison comparison = device is not null
            ? CodecComparison.RunOnDevice(device, shape[0], shape[1], shape[2], widths, rounds, cancellation)
            : CodecComparison.Run(shape[0], shape[1], shape[2], widths, rounds, cancellation);
        return new CodecRows(feature, [.. comparison.Rows.Select(CodecRow.Of)]);
    }

    /// <summary>The rows as a table.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("stage", ">bits", ">bytes moved", ">median us", ">p10 us", ">p90 us", ">GB/s", ">of copy", ">Msymbols/s");
        foreach (CodecRow row in Rows)
        {
            table.Add(row.Stage, Number(row.Bits, "0"), Number(row.Bytes, "0"), Number(row.MedianUs, "F1"), Number(row.P10Us, "F1"), Number(row.P90Us, "F1"),
                Number(row.Gbps, "F1"), Number(row.CopyShare, "F2"), Number(row.Msymbols, "F0"));
        }

        return table;
    }

    private static int Positive(string text, int limit) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= limit ? value : 0;

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>One stage of the codec.</summary>
/// <param name="Stage">What was timed.</param>
/// <param name="Bits">Bits per symbol; 32 for stages that see floats only.</param>
/// <param name="Bytes">Bytes read plus bytes written, each once.</param>
/// <param name="MedianUs">Median time in microseconds.</param>
/// <param name="P10Us">10th percentile in microseconds.</param>
/// <param name="P90Us">90th percentile in microseconds.</param>
/// <param name="Gbps">Bytes per median time, in 1e9 per second.</param>
/// <param name="CopyShare">That rate over the rate of a copy of the feature in the same run.</param>
/// <param name="Msymbols">Values per median time, in 1e6 per second.</param>
internal sealed record CodecRow(string Stage, int Bits, long Bytes, double MedianUs, double P10Us, double P90Us, double Gbps, double CopyShare, double Msymbols)
{
    /// <summary>The row of a timing.</summary>
    public static CodecRow Of(CodecStageTiming timing) => new(
        timing.Stage, timing.Bits, timing.Bytes, timing.MedianMicroseconds, timing.P10Microseconds, timing.P90Microseconds,
        timing.GigabytesPerSecond, timing.CopyShare, timing.MegasymbolsPerSecond);
}

/// <summary>Source-generated JSON of <see cref="CodecRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(CodecRows))]
internal sealed partial class CodecRowsJson : JsonSerializerContext;
