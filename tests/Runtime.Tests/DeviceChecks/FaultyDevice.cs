using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.Tests.DeviceChecks;

/// <summary>A device whose programs are not what was asked for: checks must notice.</summary>
/// <param name="device">What runs everything else.</param>
/// <param name="program">The program that is wrong.</param>
/// <param name="failure">How loading it fails; null when it loads, with 1 for 0 and 0 for 1 as its first constant.</param>
internal sealed class FaultyDevice(ComputeDevice device, string program, DeviceFailure? failure = null) : ComputeDevice
{
    public override DeviceDescription Description => device.Description;

    public override DeviceLimits Limits => device.Limits;

    public override KernelLanguage? Language => device.Language;

    public override string Fingerprint => device.Fingerprint;

    public override DeviceBuffer Allocate(long bytes) => device.Allocate(bytes);

    public override void Synchronize() => device.Synchronize();

    public override void StartTimer() => device.StartTimer();

    public override double StopTimer() => device.StopTimer();

    protected override DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized)
    {
        if (source.Name != program) return device.Load(source, specialized);
        if (failure is { } kind) throw new DeviceException(Description.Id, kind, $"{program} fails in this test");
        int[] changed = specialized.ToArray();
        changed[0] = 1 - changed[0];
        return device.Load(source, changed);
    }

    protected override void Dispose(bool disposing)
    {
    }
}
