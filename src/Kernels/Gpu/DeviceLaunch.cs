namespace CoInference.Kernels.Gpu;

/// <summary>A kernel with all arguments set, and how many threads run it.</summary>
/// <param name="Kernel">The kernel; owned by this record.</param>
/// <param name="Shape">Groups and threads.</param>
public sealed record DeviceLaunch(DeviceKernel Kernel, LaunchShape Shape) : IDisposable
{
    /// <summary>Queues the kernel; does not wait and allocates nothing.</summary>
    /// <exception cref="DeviceException">The device refuses the launch.</exception>
    public void Run() => Kernel.Launch(Shape);

    /// <summary>Frees the kernel.</summary>
    public void Dispose() => Kernel.Dispose();
}
