using System.Text.Json.Serialization;
using CoInference.Runtime.Execution;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of a kernel comparison.</summary>
/// <param name="Conv">The layer.</param>
/// <param name="PickOverBest">Median time of the pick over that of the fastest kernel; the largest over all sparsities.</param>
/// <param name="BreakEven">Sparsity from which on the form is faster than dense; null with one sparsity, and when none of them is enough.</param>
/// <param name="Rows">One row per kernel, fastest first, for one sparsity after the other.</param>
internal sealed record KernelRows(string Conv, double PickOverBest, double? BreakEven, IReadOnlyList<KernelRow> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.kernels/1";
}

/// <summary>One kernel.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Form">Weight form.</param>
/// <param name="Sparsity">Share of zero units in the weights.</param>
/// <param name="Threads">Threads.</param>
/// <param name="MedianUs">Median time of a run in microseconds.</param>
/// <param name="P10Us">10th percentile in microseconds.</param>
/// <param name="P90Us">90th percentile in microseconds.</param>
/// <param name="Gflops">Operations of the dense layer per median time, in 1e9 per second.</param>
/// <param name="MaxRelError">Largest difference from the scalar reference, relative to its largest magnitude; at most the largest double, also where a result is no number.</param>
/// <param name="Picked">Whether a session would pick it.</param>
/// <param name="VsDense">Median time of the fastest dense kernel of the same run over that of this kernel.</param>
/// <param name="RunSparsity">The <c>--sparsity</c> of the run that the row belongs to.</param>
/// <param name="ErrorBound">What rounding may make of <paramref name="MaxRelError"/>.</param>
/// <param name="Correct">Whether the error is within that bound.</param>
/// <param name="FloorUs">Time of the kernel's own multiply-adds at the peak of the same run; null on a device.</param>
internal sealed record KernelRow(
    string Kernel, string Form, double Sparsity, int Threads, double MedianUs, double P10Us, double P90Us, double Gflops, double MaxRelError, bool Picked,
    double VsDense, double RunSparsity, double ErrorBound, bool Correct, double? FloorUs)
{
    /// <summary>The row of a timing.</summary>
    public static KernelRow Of(KernelTiming timing, double runSparsity) => new(
        timing.Kernel, timing.Form.ToString().ToLowerInvariant(), timing.Sparsity, timing.Threads, timing.MedianMicroseconds, timing.P10Microseconds,
        timing.P90Microseconds, timing.Gflops, Math.Min(timing.MaxRelativeError, double.MaxValue), timing.IsPicked, timing.VersusDense, runSparsity, timing.ErrorBound, timing.IsCorrect,
        timing.FloorMicroseconds);
}

/// <summary>Source-generated JSON of <see cref="KernelRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(KernelRows))]
internal sealed partial class KernelRowsJson : JsonSerializerContext;
