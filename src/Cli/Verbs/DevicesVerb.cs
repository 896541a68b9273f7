using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Ilgpu;
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
        string[] notes = IlgpuDevices.IsAvailable
            ? ["ILGPU's CPU device simulates a GPU with a thread per lane: it checks kernels, and is slow."]
            : [IlgpuDevices.HowToEnable];
        DeviceReport report = DeviceReport.Measure([.. ComputeDevices.Enumerate(), .. IlgpuDevices.Enumerate()], notes, cancellation);
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
        foreach (string note in report.Notes) terminal.Line(note);
        return Task.FromResult(ExitCode.Done);
    }
}
