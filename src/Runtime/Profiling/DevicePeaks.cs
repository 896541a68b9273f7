using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Profiling;

/// <summary>Peaks of a device, measured by its own clock.</summary>
/// <param name="Gflops">Fused multiply-adds in fp32 out of registers, two operations each, in 1e9 per second.</param>
/// <param name="CopyGbps">Copy within its memory, in 1e9 bytes per second, read and written ones both counted.</param>
public sealed record DevicePeaks(double Gflops, double CopyGbps)
{
    // Beyond the caches of GPUs; a copy of two of these is 512 MiB.
    private const int MostCopied = 1 << 26;
    private const int ThreadsPerUnit = 2048;
    private const int Steps = 1024;
    private const int Rounds = 9;

    /// <summary>Measures: the best of a few samples, because a peak is what the hardware can do undisturbed.</summary>
    /// <param name="device">The device; the caller holds its gate where it is shared.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="DeviceException">The device refuses, or was lost.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DevicePeaks Measure(ComputeDevice device, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        // A device that shares the host's memory, as PoCL does, needs no more than the caches hold several times.
        int copied = (int)Math.Min(MostCopied, device.Description.MemoryBytes / 64 / sizeof(float) / 4 * 4);
        int threads = ThreadsPerUnit * device.Limits.ComputeUnits;
        using DeviceBuffer source = device.Allocate((long)sizeof(float) * copied), target = device.Allocate((long)sizeof(float) * Math.Max(copied, threads));
        using DeviceLaunch copy = DevicePeakKernels.Copy(device, source.View<float>(0, copied), target.View<float>(0, copied));
        using DeviceLaunch multiply = DevicePeakKernels.MultiplyAdd(device, target.View<float>(0, threads), Steps);
        double[][] times = InterleavedTimer.Measure([OnDevice(device, multiply), OnDevice(device, copy)], Rounds, cancellation);
        return new DevicePeaks(2e-3 * DevicePeakKernels.MultiplyAdds(threads, Steps) / times[0][0], 2e-3 * sizeof(float) * copied / times[1][0]);
    }

    /// <summary>Time in microseconds that work would take at the binding peak.</summary>
    /// <param name="flops">Floating-point operations; a multiply-add counts as two.</param>
    /// <param name="bytes">Bytes read and written.</param>
    public double TimeAtPeakUs(double flops, double bytes) => Math.Max(flops / (Gflops * 1e3), bytes / (CopyGbps * 1e3));

    /// <summary>Which peak binds: <c>compute</c> or <c>memory</c>.</summary>
    public string BoundBy(double flops, double bytes) => flops / Gflops >= bytes / CopyGbps ? "compute" : "memory";

    /// <summary>A launch for the timer, by the device's clock.</summary>
    internal static Func<int, double> OnDevice(ComputeDevice device, DeviceLaunch launch) => runs =>
    {
        device.StartTimer();
        for (int i = 0; i < runs; i++) launch.Run();
        return device.StopTimer() / runs;
    };
}
