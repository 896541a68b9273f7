using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Runtime.DeviceChecks;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of a check of a device's kernels.</summary>
/// <param name="Device">The device.</param>
/// <param name="Rows">One row per kernel.</param>
/// <param name="LeftOut">Names of the kernels that were not asked for.</param>
/// <param name="ProgramsNotRun">Programs of the build that none of the cases ran.</param>
internal sealed record DeviceCheckRows(string Device, IReadOnlyList<DeviceCheckRow> Rows, IReadOnlyList<string> LeftOut, IReadOnlyList<string> ProgramsNotRun)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.kernels-check/1";

    /// <summary>The rows of a check.</summary>
    public static DeviceCheckRows Of(DeviceCheck check) => new(check.Device, [.. check.Rows.Select(DeviceCheckRow.Of)], check.LeftOut, check.ProgramsNotRun);

    /// <summary>The table of the terminal.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("kernel", ">cases", ">max rel error", ">of bound", "verdict");
        foreach (DeviceCheckRow row in Rows)
        {
            string verdict = !row.Correct ? $"WRONG in {row.Wrong}" : row.Cases == 0 ? "not for this device" : "ok";
            table.Add(row.Kernel, row.Cases.ToString(CultureInfo.InvariantCulture), Number(row.MaxRelError, "0.0e0"), Number(row.OfBound, "F2"), verdict);
        }

        return table;
    }

    private static string Number(double value, string format) => value == double.MaxValue ? "no number" : value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>One kernel.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Cases">Cases it was run on; 0 when the device is too small for all of them.</param>
/// <param name="MaxRelError">Largest difference from the reference, relative to the largest magnitude of the case; at most the largest double, also where results are no numbers or should be equal and are not.</param>
/// <param name="OfBound">The same as a share of what rounding explains, likewise.</param>
/// <param name="Wrong">Cases that are wrong.</param>
/// <param name="FirstWrong">The first of them; empty when there is none.</param>
/// <param name="Correct">Whether no case is wrong.</param>
internal sealed record DeviceCheckRow(string Kernel, int Cases, double MaxRelError, double OfBound, int Wrong, string FirstWrong, bool Correct)
{
    /// <summary>The row of a kernel.</summary>
    public static DeviceCheckRow Of(CheckedKernel kernel) => new(
        kernel.Kernel, kernel.Cases, Math.Min(kernel.MaxRelativeError, double.MaxValue), Math.Min(kernel.ShareOfBound, double.MaxValue),
        kernel.WrongCases, kernel.FirstWrong, kernel.IsCorrect);
}

/// <summary>Source-generated JSON of <see cref="DeviceCheckRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DeviceCheckRows))]
internal sealed partial class DeviceCheckRowsJson : JsonSerializerContext;
