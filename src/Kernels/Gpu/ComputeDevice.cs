using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu;

/// <summary>What a device allows.</summary>
/// <param name="MaxGroupThreads">Threads in one group.</param>
/// <param name="SharedBytes">Shared memory of one group in bytes.</param>
/// <param name="ComputeUnits">Multiprocessors, compute units or cores.</param>
/// <param name="MaxBufferBytes">Size of the largest buffer in bytes.</param>
public sealed record DeviceLimits(int MaxGroupThreads, long SharedBytes, int ComputeUnits, long MaxBufferBytes);

/// <summary>A GPU or another device with memory of its own that runs kernels in the order of their launches.</summary>
/// <remarks>One caller at a time: whoever shares a device holds <see cref="Gate"/> from the first copy to the last. A failed call throws <see cref="DeviceException"/> and leaves other devices as they were.</remarks>
public abstract class ComputeDevice : IDisposable
{
    /// <summary>Held by whoever uses the device, where several may.</summary>
    public Lock Gate { get; } = new();

    /// <summary>How <c>coinference devices</c> lists it.</summary>
    public abstract DeviceDescription Description { get; }

    /// <summary>What it allows.</summary>
    public abstract DeviceLimits Limits { get; }

    /// <summary>The language its programs are compiled from; null when it runs the C# itself, as ILGPU does.</summary>
    public abstract KernelLanguage? Language { get; }

    /// <summary>Identifies device and driver in caches.</summary>
    public abstract string Fingerprint { get; }

    /// <summary>Takes device memory, uninitialized.</summary>
    /// <param name="bytes">Size in bytes, more than 0.</param>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public abstract DeviceBuffer Allocate(long bytes);

    /// <summary>Loads a kernel; compiles it when this device has not compiled it before.</summary>
    /// <param name="source">The kernel.</param>
    /// <param name="specialized">Values of its specialized parameters, in order.</param>
    /// <returns>A kernel with arguments of its own; the caller disposes of it.</returns>
    /// <exception cref="DeviceException">The program does not compile; the message holds the compiler's.</exception>
    public abstract DeviceKernel Load(KernelSource source, ReadOnlySpan<int> specialized);

    /// <summary>Waits until everything launched so far is done.</summary>
    public abstract void Synchronize();

    /// <summary>Begins to measure device time; everything launched until <see cref="StopTimer"/> counts.</summary>
    public abstract void StartTimer();

    /// <summary>Waits, and gives the device time since <see cref="StartTimer"/> in microseconds, copies included.</summary>
    public abstract double StopTimer();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device's resources.</summary>
    protected abstract void Dispose(bool disposing);
}
