using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>A device that remembers which kernels of the catalog were loaded; everything else is the device's. Disposing of it leaves the device open.</summary>
internal sealed class RecordingDevice(ComputeDevice device) : ComputeDevice
{
    private readonly SortedSet<string> _loaded = new(StringComparer.Ordinal);

    /// <summary>Names of the kernels that were loaded.</summary>
    public IReadOnlyCollection<string> Loaded => _loaded;

    public override DeviceDescription Description => device.Description;

    public override DeviceLimits Limits => device.Limits;

    public override KernelLanguage? Language => device.Language;

    public override string Fingerprint => device.Fingerprint;

    public override DeviceBuffer Allocate(long bytes) => device.Allocate(bytes);

    public override LaunchSequence Record(IReadOnlyList<DeviceLaunch> launches) => device.Record(launches);

    public override void Synchronize() => device.Synchronize();

    public override void StartTimer() => device.StartTimer();

    public override double StopTimer() => device.StopTimer();

    protected override DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized)
    {
        DeviceKernel kernel = device.Load(source, specialized);
        _loaded.Add(source.Name);
        return kernel;
    }

    protected override void Dispose(bool disposing)
    {
    }
}
