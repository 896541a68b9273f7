using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Profiling;

/// <summary>What can run kernels on this host, with measured peaks, as <c>coinference devices</c> shows it.</summary>
/// <param name="Host">The machine.</param>
/// <param name="Devices">Devices for <c>--device</c>; the CPU first.</param>
/// <param name="PeakGflops">Measured peak of one CPU thread in GFLOP/s per vector width, e.g. <c>vector512</c>.</param>
/// <param name="Copies">Measured copy bandwidth of one CPU thread for buffers of several sizes, the largest beyond the caches.</param>
/// <param name="Notes">What is not in this build, and how to get it.</param>
public sealed record DeviceReport(
    HostInfo Host, IReadOnlyList<DeviceDescription> Devices, IReadOnlyDictionary<string, double> PeakGflops, IReadOnlyList<CopyBandwidth> Copies, IReadOnlyList<string> Notes)
{
    /// <summary>Schema name of the JSON form.</summary>
    public const string SchemaName = "coinference.devices/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Measured peaks of other devices in fp32, by id; of those that were measured.</summary>
    public IReadOnlyDictionary<string, DevicePeaks> DevicePeaks { get; init; } = new Dictionary<string, DevicePeaks>();

    /// <summary>Measures the CPU and lists it in front of other devices.</summary>
    /// <param name="others">Devices of other backends.</param>
    /// <param name="notes">What is not in this build.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    public static DeviceReport Measure(IReadOnlyList<DeviceDescription> others, IReadOnlyList<string> notes, CancellationToken cancellation = default)
    {
        HostInfo host = HostInfo.Capture();
        Roofline roofline = Roofline.Measure(cancellation);
        var cpu = new DeviceDescription(
            "cpu",
            host.Cpu,
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            string.Create(CultureInfo.InvariantCulture, $"{host.LogicalProcessors} processors, {CpuFeatures.Widest.ToString().ToLowerInvariant()}, {CpuFeatures.ChannelBlock} channels a block"));
        return new DeviceReport(
            host,
            [cpu, .. others],
            roofline.PeakGflops.ToDictionary(peak => peak.Key.ToString().ToLowerInvariant(), peak => peak.Value),
            roofline.Copies,
            notes);
    }
}

/// <summary>JSON form of <see cref="DeviceReport"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DeviceReport))]
public sealed partial class DeviceReportJson : JsonSerializerContext;
