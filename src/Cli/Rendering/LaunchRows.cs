using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Profiling;

namespace CoInference.Cli.Rendering;

/// <summary>JSON form of the times of launches.</summary>
/// <param name="Device">The device.</param>
/// <param name="Rows">One row per way to launch.</param>
internal sealed record LaunchRows(string Device, IReadOnlyList<LaunchOverhead> Rows)
{
    /// <summary>Schema name.</summary>
    public string Schema { get; init; } = "coinference.launches/1";

    /// <summary>Times launches on a device.</summary>
    public static LaunchRows Measure(ComputeDevice device, CancellationToken cancellation) => new(device.Description.Id, LaunchOverhead.Measure(device, cancellation));

    /// <summary>The table of the terminal.</summary>
    public ResultTable ToTable()
    {
        var table = new ResultTable("launches", ">median us", ">p10 us", ">p90 us", ">bytes allocated");
        foreach (LaunchOverhead row in Rows)
            table.Add(row.Way, Number(row.MedianUs, "F2"), Number(row.P10Us, "F2"), Number(row.P90Us, "F2"), Number(row.AllocatedBytes, "0"));
        return table;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>Source-generated JSON of <see cref="LaunchRows"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(LaunchRows))]
internal sealed partial class LaunchRowsJson : JsonSerializerContext;
