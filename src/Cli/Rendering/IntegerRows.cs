using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of a comparison of integer kernels.</summary>
/// <param name="Conv">The layer.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
internal sealed record IntegerRows(string Conv, IReadOnlyList<IntegerRow> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.kernels-integer/1";

    /// <summary>The rows of a comparison.</summary>
    public static IntegerRows Of(IntegerComparison comparison) => new(comparison.Shape.ToString(), [.. comparison.Rows.Select(IntegerRow.Of)]);

    /// <summary>The table of the terminal.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("kernel", "type", ">median us", ">p10 us", ">p90 us", ">GOP/s", ">vs direct f32", ">wrong sums", "pick");
        foreach (IntegerRow row in Rows)
        {
            table.Add(row.Kernel, row.Type, Number(row.MedianUs, "F1"), Number(row.P10Us, "F1"), Number(row.P90Us, "F1"), Number(row.Gops, "F1"),
                Number(row.VsDirect, "F2"), row.WrongSums?.ToString(CultureInfo.InvariantCulture) ?? "", row.Picked ? "*" : "");
        }

        return table;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>One kernel.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Type">Type of the input: u8 or f32.</param>
/// <param name="Threads">Threads.</param>
/// <param name="MedianUs">Median time of a run in microseconds.</param>
/// <param name="P10Us">10th percentile in microseconds.</param>
/// <param name="P90Us">90th percentile in microseconds.</param>
/// <param name="Gops">Operations per median time, in 1e9 per second.</param>
/// <param name="VsDirect">Median time of the fastest direct float kernel of the same run over that of this kernel.</param>
/// <param name="WrongSums">Sums that differ from the integer reference; null for float kernels.</param>
/// <param name="Picked">Whether a session would run the layer of integers on it.</param>
internal sealed record IntegerRow(
    string Kernel, string Type, int Threads, double MedianUs, double P10Us, double P90Us, double Gops, double VsDirect, int? WrongSums, bool Picked)
{
    /// <summary>The row of a timing.</summary>
    public static IntegerRow Of(IntegerTiming timing) => new(
        timing.Kernel, timing.Type == ElementType.UInt8 ? "u8" : "f32", timing.Threads, timing.MedianMicroseconds, timing.P10Microseconds,
        timing.P90Microseconds, timing.Gops, timing.VersusDirect, timing.WrongSums, timing.IsPicked);
}

/// <summary>Source-generated JSON of <see cref="IntegerRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(IntegerRows))]
internal sealed partial class IntegerRowsJson : JsonSerializerContext;
