using System.Globalization;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu;

/// <summary>What a device allows.</summary>
/// <param name="MaxGroupThreads">Threads in one group.</param>
/// <param name="SharedBytes">Shared memory of one group in bytes.</param>
/// <param name="ComputeUnits">Multiprocessors, compute units or cores.</param>
/// <param name="MaxBufferBytes">Size of the largest buffer in bytes.</param>
/// <param name="HasWarps">Whether threads can exchange values within a warp or sub-group.</param>
/// <param name="HasMatrixUnits">Whether tensor cores do the products of rounded factors.</param>
public sealed record DeviceLimits(int MaxGroupThreads, long SharedBytes, int ComputeUnits, long MaxBufferBytes, bool HasWarps = false, bool HasMatrixUnits = false);

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
    /// <exception cref="DeviceException">The program does not compile, and the message holds the compiler's; or the device lacks what it needs.</exception>
    public DeviceKernel Load(KernelSource source, ReadOnlySpan<int> specialized)
    {
        ArgumentNullException.ThrowIfNull(source);
        int expected = source.Specialized.Count();
        if (specialized.Length != expected)
            throw new ArgumentException($"Kernel {source} has {expected} specialized parameters, and {specialized.Length} values are given.", nameof(specialized));
        if (source.UsesWarps && !Limits.HasWarps)
            throw new DeviceException(Description.Id, DeviceFailure.Unsupported, $"kernel {source} exchanges values within warps, which the device cannot");
        long shared = source.SharedBytes(specialized);
        if (shared > Limits.SharedBytes)
        {
            throw new DeviceException(
                Description.Id, DeviceFailure.Unsupported,
                string.Create(CultureInfo.InvariantCulture, $"kernel {source} needs {shared} bytes of shared memory for a group; the device has {Limits.SharedBytes}"));
        }

        return LoadCore(source, specialized);
    }

    /// <summary>Records launches, so that one call repeats them all with less work on the host: a CUDA graph; elsewhere a loop.</summary>
    /// <param name="launches">Launches of this device in order. Their arguments must stay as they are, and they must outlive the recording.</param>
    /// <exception cref="DeviceException">The device refuses.</exception>
    public virtual LaunchSequence Record(IReadOnlyList<DeviceLaunch> launches) => new PlainLaunchSequence([.. launches]);

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

    /// <summary>Loads a kernel whose needs the device meets.</summary>
    protected abstract DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized);

    /// <summary>Frees the device's resources.</summary>
    protected abstract void Dispose(bool disposing);
}
