namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>A buffer of a CUDA device; its memory comes from the device's pool.</summary>
internal sealed class CudaBuffer(CudaDevice device, nint memory, long bytes) : DeviceBuffer(bytes)
{
    private bool _disposed;

    /// <summary>Address on the device.</summary>
    public nint Memory { get; } = memory;

    public CudaDevice Device { get; } = device;

    protected override void WriteCore(ReadOnlySpan<byte> source, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Device.Write(Memory + (nint)offset, source);
    }

    protected override void ReadCore(Span<byte> destination, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Device.Read(Memory + (nint)offset, destination);
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        Device.Return(Memory, Bytes);
    }
}
