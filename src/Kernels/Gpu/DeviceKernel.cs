namespace CoInference.Kernels.Gpu;

/// <summary>A loaded kernel with its arguments. Arguments stay set between launches; a launch allocates nothing.</summary>
public abstract class DeviceKernel(KernelSource source) : IDisposable
{
    /// <summary>The kernel.</summary>
    public KernelSource Source { get; } = source;

    /// <summary>Sets a view.</summary>
    /// <param name="parameter">Index of the parameter in C#.</param>
    /// <param name="view">A view of this device's memory, which must outlive the launches.</param>
    public abstract void SetArgument<T>(int parameter, DeviceView<T> view)
        where T : unmanaged;

    /// <summary>Sets a number or struct.</summary>
    /// <param name="parameter">Index of the parameter in C#.</param>
    /// <param name="value">The value; copied.</param>
    public abstract void SetArgument<T>(int parameter, T value)
        where T : unmanaged;

    /// <summary>Queues the kernel behind everything launched before; does not wait.</summary>
    /// <exception cref="DeviceException">The device refuses the launch, or was lost.</exception>
    public abstract void Launch(in LaunchShape shape);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the kernel.</summary>
    protected abstract void Dispose(bool disposing);
}
