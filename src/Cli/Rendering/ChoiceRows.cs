using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Runtime.Execution;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of a survey of kernel choices.</summary>
/// <param name="Threads">Threads.</param>
/// <param name="EstimatedMean">Geometric mean of pick/best when estimates choose.</param>
/// <param name="EstimatedWorst">Least pick/best when estimates choose.</param>
/// <param name="MeasuredMean">Geometric mean of pick/best when measurements choose.</param>
/// <param name="MeasuredWorst">Least pick/best when measurements choose.</param>
/// <param name="Rows">One row per layer.</param>
internal sealed record ChoiceRows(
    int Threads, double EstimatedMean, double EstimatedWorst, double MeasuredMean, double MeasuredWorst, IReadOnlyList<ChoiceRow> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.kernel-choice/1";

    /// <summary>The last line of the terminal's output.</summary>
    [JsonIgnore]
    public string Summary => string.Create(
        CultureInfo.InvariantCulture,
        $"pick / best over {Rows.Count} layers, {Threads} thread(s): by estimate mean {EstimatedMean:F3}, worst {EstimatedWorst:F2}; after measuring mean {MeasuredMean:F3}, worst {MeasuredWorst:F2}");

    /// <summary>The rows of a survey.</summary>
    public static ChoiceRows Of(IReadOnlyList<KernelChoice> choices, int threads) => new(
        threads,
        Mean(choices.Select(choice => choice.EstimatedOverBest)),
        choices.Min(choice => choice.EstimatedOverBest),
        Mean(choices.Select(choice => choice.MeasuredOverBest)),
        choices.Min(choice => choice.MeasuredOverBest),
        [.. choices.Select(ChoiceRow.Of)]);

    /// <summary>The table of the terminal.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("layer", "fastest", ">us", "by estimate", ">pick/best", "after measuring", ">pick/best", "wrong");
        foreach (ChoiceRow row in Rows)
        {
            table.Add(row.Conv, row.Best, Number(row.BestUs, "F1"), row.Estimated, Number(row.EstimatedOverBest, "F2"), row.Measured, Number(row.MeasuredOverBest, "F2"),
                string.Join(" ", row.Wrong));
        }

        return table;
    }

    private static double Mean(IEnumerable<double> ratios) => Math.Exp(ratios.Average(Math.Log));

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>The choices for one layer.</summary>
/// <param name="Conv">The layer.</param>
/// <param name="Best">The fastest kernel.</param>
/// <param name="BestUs">Its median time in microseconds.</param>
/// <param name="Estimated">The choice of the estimates.</param>
/// <param name="EstimatedOverBest">Its speed as a share of the best.</param>
/// <param name="Measured">The choice after measuring.</param>
/// <param name="MeasuredOverBest">Its speed as a share of the best.</param>
/// <param name="Wrong">Kernels with a wrong result.</param>
internal sealed record ChoiceRow(
    string Conv, string Best, double BestUs, string Estimated, double EstimatedOverBest, string Measured, double MeasuredOverBest, IReadOnlyList<string> Wrong)
{
    /// <summary>The row of a layer.</summary>
    public static ChoiceRow Of(KernelChoice choice) => new(
        choice.Shape.ToString(), choice.Best, choice.BestMicroseconds, choice.Estimated, choice.EstimatedOverBest, choice.Measured, choice.MeasuredOverBest,
        choice.WrongKernels);
}

/// <summary>Source-generated JSON of <see cref="ChoiceRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ChoiceRows))]
internal sealed partial class ChoiceRowsJson : JsonSerializerContext;
