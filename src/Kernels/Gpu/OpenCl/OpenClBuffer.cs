namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>A buffer of an OpenCL device.</summary>
internal sealed unsafe class OpenClBuffer(OpenClDevice device, nint memory, long bytes) : DeviceBuffer(bytes)
{
    private const uint Blocking = 1;
    private bool _disposed;

    public nint Memory { get; } = memory;

    public OpenClDevice Device { get; } = device;

    protected override void WriteCore(ReadOnlySpan<byte> source, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        fixed (byte* bytes = source)
        {
            int code = Device.Api.EnqueueWriteBuffer(Device.Queue, Memory, Blocking, (nuint)offset, (nuint)source.Length, bytes, 0, null, null);
            Device.Check(code, "clEnqueueWriteBuffer", "copy to the device", source.Length);
        }
    }

    protected override void ReadCore(Span<byte> destination, long offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        fixed (byte* bytes = destination)
        {
            int code = Device.Api.EnqueueReadBuffer(Device.Queue, Memory, Blocking, (nuint)offset, (nuint)destination.Length, bytes, 0, null, null);
            Device.Check(code, "clEnqueueReadBuffer", "copy from the device", destination.Length);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        Device.Return(Memory, Bytes);
    }
}
