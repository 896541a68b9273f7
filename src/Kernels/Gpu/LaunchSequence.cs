namespace CoInference.Kernels.Gpu;

/// <summary>Launches that one call queues in order: a whole network, for example. See <see cref="ComputeDevice.Record"/>.</summary>
public abstract class LaunchSequence : IDisposable
{
    /// <summary>Queues all launches; does not wait and allocates nothing.</summary>
    /// <exception cref="DeviceException">The device refuses, or was lost.</exception>
    public abstract void Run();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the recording holds; the launches stay with their owner.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>For devices that record nothing: every run launches the kernels anew.</summary>
internal sealed class PlainLaunchSequence(DeviceLaunch[] launches) : LaunchSequence
{
    public override void Run()
    {
        foreach (DeviceLaunch launch in launches) launch.Run();
    }

    protected override void Dispose(bool disposing)
    {
    }
}
