using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Runtime.Execution;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of a comparison of matrix product kernels.</summary>
/// <param name="Gemm">The products.</param>
/// <param name="Device">The device.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
internal sealed record ProductRows(string Gemm, string Device, IReadOnlyList<ProductRow> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.kernels-product/1";

    /// <summary>The rows of a comparison.</summary>
    public static ProductRows Of(ProductComparison comparison, string device) => new(comparison.Shape.ToString(), device, [.. comparison.Rows.Select(ProductRow.Of)]);

    /// <summary>The table of the terminal.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("kernel", ">median us", ">p10 us", ">p90 us", ">GFLOP/s", ">max rel error", "pick");
        foreach (ProductRow row in Rows)
        {
            table.Add(row.Kernel, Number(row.MedianUs, "F1"), Number(row.P10Us, "F1"), Number(row.P90Us, "F1"), Number(row.Gflops, "F1"),
                Number(row.MaxRelError, "0.0e0"), row.Picked ? "*" : "");
        }

        return table;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>One kernel.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="MedianUs">Median time of a run in microseconds.</param>
/// <param name="P10Us">10th percentile in microseconds.</param>
/// <param name="P90Us">90th percentile in microseconds.</param>
/// <param name="Gflops">Operations per median time, in 1e9 per second.</param>
/// <param name="MaxRelError">Largest difference from the definition, relative to its largest magnitude; at most the largest double, also where a result is no number.</param>
/// <param name="Picked">Whether the product would run on it.</param>
/// <param name="ErrorBound">What rounding may make of <paramref name="MaxRelError"/>.</param>
/// <param name="Correct">Whether the error is within that bound.</param>
internal sealed record ProductRow(string Kernel, double MedianUs, double P10Us, double P90Us, double Gflops, double MaxRelError, bool Picked, double ErrorBound, bool Correct)
{
    /// <summary>The row of a timing.</summary>
    public static ProductRow Of(ProductTiming timing) => new(
        timing.Kernel, timing.MedianMicroseconds, timing.P10Microseconds, timing.P90Microseconds, timing.Gflops, Math.Min(timing.MaxRelativeError, double.MaxValue),
        timing.IsPicked, timing.ErrorBound, timing.IsCorrect);
}

/// <summary>Source-generated JSON of <see cref="ProductRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ProductRows))]
internal sealed partial class ProductRowsJson : JsonSerializerContext;
