namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>A buffer of an OpenCL device.</summary>
internal sealed class OpenClBuffer(OpenClDevice device, nint memory, long bytes) : DeviceBuffer(bytes)
{
    private bool _disposed;

    public nint Memory { get; } = memory;

    public OpenClDevice Device { get; } = device;

    protected override void WriteCore(ReadOnlySpan<byte> source, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Device.Write(Memory, offset, source);
    }

    protected override void ReadCore(Span<byte> destination, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Device.Read(Memory, offset, destination);
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        Device.Return(Memory, Bytes);
    }
}
