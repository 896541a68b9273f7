using System.Diagnostics;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Profiling;

/// <summary>What a launch of a small kernel costs the host. Only the queueing is timed; the device finishes between the rounds.</summary>
/// <param name="Way">How launches are queued: <c>one by one</c> or <c>recorded</c>.</param>
/// <param name="MedianUs">Median time of a launch in microseconds.</param>
/// <param name="P10Us">10th percentile.</param>
/// <param name="P90Us">90th percentile.</param>
/// <param name="AllocatedBytes">Bytes that a round of launches allocates on the host.</param>
public sealed record LaunchOverhead(string Way, double MedianUs, double P10Us, double P90Us, long AllocatedBytes)
{
    /// <summary>What a launch may cost the host, in microseconds.</summary>
    public const double BarUs = 10;

    /// <summary>Launches of a round.</summary>
    public const int LaunchesPerRound = 100;

    private const int Rounds = 50;
    private const int WarmUpRounds = 5;

    /// <summary>Whether a launch stays below <see cref="BarUs"/> and allocates nothing.</summary>
    public bool MeetsBar => MedianUs < BarUs && AllocatedBytes == 0;

    /// <summary>Measures both ways.</summary>
    /// <param name="device">The device; the caller holds its gate where it is shared.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    /// <exception cref="DeviceException">The device refuses, or was lost.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<LaunchOverhead> Measure(ComputeDevice device, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        DeviceConvKernel kernel = DeviceConvKernels.All.Single(row => row.Name == "conv.grouped");
        using DeviceBuffer x = device.Allocate(64), y = device.Allocate(64);
        using DeviceConvLayer layer = kernel.Prepare(device, ConvShape.Parse("1x1x4x4:1k1s1p0"), Epilogue.Relu, [0.5f], [0f]);
        using DeviceLaunch launch = layer.Bind(x.View<float>(), y.View<float>(), y.View<float>());
        using LaunchSequence sequence = device.Record([.. Enumerable.Repeat(launch, LaunchesPerRound)]);
        return
        [
            Measure("one by one", device, () =>
            {
                for (int i = 0; i < LaunchesPerRound; i++) launch.Run();
            }, cancellation),
            Measure("recorded", device, sequence.Run, cancellation),
        ];
    }

    private static LaunchOverhead Measure(string way, ComputeDevice device, Action queue, CancellationToken cancellation)
    {
        var times = new double[Rounds];
        for (int round = -WarmUpRounds; round < Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            queue();
            if (round >= 0) times[round] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / LaunchesPerRound;
            device.Synchronize();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        queue();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        device.Synchronize();
        Array.Sort(times);
        return new LaunchOverhead(way, times[Rounds / 2], times[Rounds / 10], times[Rounds * 9 / 10], allocated);
    }
}
