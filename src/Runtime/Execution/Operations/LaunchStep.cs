using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.Execution;

/// <summary>A step that queues kernels on a device and does not wait.</summary>
internal sealed class LaunchStep(params DeviceLaunch[] launches) : Step, IDisposable
{
    /// <summary>The kernels in order.</summary>
    public IReadOnlyList<DeviceLaunch> Launches => launches;

    /// <summary>What the kernels work in besides their operands, freed with the step; null for nothing.</summary>
    public IDisposable? Memory { get; init; }

    public override void Run()
    {
        foreach (DeviceLaunch launch in launches) launch.Run();
    }

    /// <summary>Runs, waits, and gives the device's own time in microseconds.</summary>
    public double RunTimed(ComputeDevice device)
    {
        device.StartTimer();
        Run();
        return device.StopTimer();
    }

    public void Dispose()
    {
        foreach (DeviceLaunch launch in launches) launch.Dispose();
        Memory?.Dispose();
    }
}
