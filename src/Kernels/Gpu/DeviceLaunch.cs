namespace CoInference.Kernels.Gpu;

/// <summary>A kernel with all arguments set, and how many threads run it; and what runs after it when one kernel is not enough.</summary>
/// <param name="Kernel">The kernel; owned by this record.</param>
/// <param name="Shape">Groups and threads.</param>
/// <param name="Next">The launch that follows; owned too.</param>
public sealed record DeviceLaunch(DeviceKernel Kernel, LaunchShape Shape, DeviceLaunch? Next = null) : IDisposable
{
    /// <summary>Queues the kernels; does not wait and allocates nothing.</summary>
    /// <exception cref="DeviceException">The device refuses a launch.</exception>
    public void Run()
    {
        for (DeviceLaunch? launch = this; launch is not null; launch = launch.Next) launch.Kernel.Launch(launch.Shape);
    }

    /// <summary>Frees the kernels.</summary>
    public void Dispose()
    {
        Kernel.Dispose();
        Next?.Dispose();
    }
}
