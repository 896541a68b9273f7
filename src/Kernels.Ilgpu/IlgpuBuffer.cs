using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Ilgpu;

/// <summary>A buffer of an ILGPU accelerator.</summary>
internal sealed class IlgpuBuffer(IlgpuDevice device, MemoryBuffer1D<byte, Stride1D.Dense> memory, long bytes) : DeviceBuffer(bytes)
{
    public IlgpuDevice Device { get; } = device;

    public ArrayView<byte> Memory => memory.View.BaseView;

    protected override unsafe void WriteCore(ReadOnlySpan<byte> source, long offset)
    {
        fixed (byte* bytes = source)
        {
            nint start = (nint)bytes;
            long length = source.Length;
            Device.Guarded("copy to the device", () =>
            {
                using var host = ILGPU.Runtime.CPU.CPUMemoryBuffer.Create(Device.Accelerator, start, length, sizeof(byte));
                memory.View.BaseView.SubView(offset, length).CopyFrom(host.AsRawArrayView());
                Device.Accelerator.Synchronize();
            });
        }
    }

    protected override unsafe void ReadCore(Span<byte> destination, long offset)
    {
        fixed (byte* bytes = destination)
        {
            nint start = (nint)bytes;
            long length = destination.Length;
            Device.Guarded("copy from the device", () =>
            {
                using var host = ILGPU.Runtime.CPU.CPUMemoryBuffer.Create(Device.Accelerator, start, length, sizeof(byte));
                memory.View.BaseView.SubView(offset, length).CopyTo(host.AsRawArrayView());
                Device.Accelerator.Synchronize();
            });
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) memory.Dispose();
    }
}
