using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Ilgpu;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Profiling;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Lists what can run kernels here.</summary>
[Verb("devices", HelpText = "List what can run here, with measured peaks.")]
internal sealed class DevicesVerb : Verb
{
    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        List<string> notes = IlgpuDevices.IsAvailable
            ? ["ILGPU's CPU device simulates a GPU with a thread per lane: it checks kernels, and is slow."]
            : [IlgpuDevices.HowToEnable];
        IReadOnlyList<DeviceDescription> native = ComputeDevices.Enumerate();
        Dictionary<string, DevicePeaks> devicePeaks = Peaks(native, notes, cancellation);
        DeviceReport report = DeviceReport.Measure([.. native, .. IlgpuDevices.Enumerate()], notes, cancellation) with { DevicePeaks = devicePeaks };
        WriteJson(terminal, report, DeviceReportJson.Default.DeviceReport);
        if (JsonOnStdout) return Task.FromResult(ExitCode.Done);

        var devices = new ResultTable("device", "~name", ">memory", "~detail");
        foreach (DeviceDescription device in report.Devices)
            devices.Add(device.Id, device.Name, (device.MemoryBytes / 1073741824.0).ToString("F1", CultureInfo.InvariantCulture) + " GiB", device.Detail);
        terminal.Write(devices);
        var peaks = new ResultTable("one CPU thread", ">measured peak");
        foreach ((string width, double gflops) in report.PeakGflops) peaks.Add($"fp32 multiply-add, {width}", gflops.ToString("F1", CultureInfo.InvariantCulture) + " GFLOP/s");
        foreach (CopyBandwidth copy in report.Copies)
            peaks.Add($"copy of {(copy.Bytes / 1024).ToString(CultureInfo.InvariantCulture)} KiB", copy.Gbps.ToString("F1", CultureInfo.InvariantCulture) + " GB/s");
        terminal.Write(peaks);
        if (report.DevicePeaks.Count > 0)
        {
            var measured = new ResultTable("device", ">fp32 multiply-add GFLOP/s", ">copy within its memory GB/s");
            foreach ((string id, DevicePeaks peak) in report.DevicePeaks)
                measured.Add(id, peak.Gflops.ToString("F1", CultureInfo.InvariantCulture), peak.CopyGbps.ToString("F1", CultureInfo.InvariantCulture));
            terminal.Write(measured);
        }

        foreach (string note in report.Notes) terminal.Line(note);
        return Task.FromResult(ExitCode.Done);
    }

    // A device that cannot be measured is listed all the same, with what it said.
    private static Dictionary<string, DevicePeaks> Peaks(IReadOnlyList<DeviceDescription> devices, List<string> notes, CancellationToken cancellation)
    {
        var peaks = new Dictionary<string, DevicePeaks>(StringComparer.Ordinal);
        foreach (DeviceDescription description in devices)
        {
            try
            {
                using ComputeDevice device = ComputeDevices.Open(description.Id, ProgramCache.Default);
                peaks[description.Id] = DevicePeaks.Measure(device, cancellation);
            }
            catch (DeviceException failure)
            {
                notes.Add($"{description.Id} was not measured: {failure.Message}");
            }
        }

        return peaks;
    }
}
