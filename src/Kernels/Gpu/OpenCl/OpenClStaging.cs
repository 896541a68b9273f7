namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>
/// Copies between host and a device with memory of its own through memory that the driver took for both (CL_MEM_ALLOC_HOST_PTR), which
/// is page-locked where it matters, in two halves that take turns.
/// </summary>
internal sealed unsafe class OpenClStaging : IDisposable
{
    private const int HalfBytes = 1 << 20;
    private const uint Blocking = 1, NonBlocking = 0;
    private readonly OpenClDevice _device;
    private readonly nint _buffer;
    private readonly byte* _memory;

    // Ends of the last copies through each half; 0 when it is free.
    private readonly nint[] _copied = new nint[2];
    private int _turn;

    public OpenClStaging(OpenClDevice device, nint context)
    {
        _device = device;
        int code;
        _buffer = device.Api.CreateBuffer(context, OpenClCode.MemReadWrite | OpenClCode.MemAllocHostPointer, 2 * HalfBytes, null, &code);
        device.Check(code, "clCreateBuffer", "no memory for copies", 2 * HalfBytes);
        _memory = (byte*)device.Api.EnqueueMapBuffer(device.Queue, _buffer, Blocking, OpenClCode.MapRead | OpenClCode.MapWrite, 0, 2 * HalfBytes, 0, null, null, &code);
        if (code == 0) return;
        device.Api.ReleaseMemObject(_buffer);
        device.Check(code, "clEnqueueMapBuffer", "memory for copies cannot be used by the host", 2 * HalfBytes);
    }

    /// <summary>Queues a copy to the device; the source may be changed when the call returns.</summary>
    public void Write(nint target, long offset, ReadOnlySpan<byte> source)
    {
        for (int start = 0; start < source.Length; start += HalfBytes)
        {
            ReadOnlySpan<byte> part = source.Slice(start, Math.Min(HalfBytes, source.Length - start));
            int half = NextFree();
            part.CopyTo(new Span<byte>(Half(half), HalfBytes));
            nint copied;
            int code = _device.Api.EnqueueWriteBuffer(_device.Queue, target, NonBlocking, (nuint)(offset + start), (nuint)part.Length, Half(half), 0, null, &copied);
            _device.Check(code, "clEnqueueWriteBuffer", "copy to the device", source.Length);
            _copied[half] = copied;
        }
    }

    /// <summary>Copies from the device and waits; the device fills one half while the other is read.</summary>
    public void Read(nint source, long offset, Span<byte> destination)
    {
        int half = _turn, length = Queue(source, offset, 0, destination.Length);
        for (int start = 0; start < destination.Length;)
        {
            int next = start + length;
            (int nextHalf, int nextLength) = (_turn, next < destination.Length ? Queue(source, offset, next, destination.Length) : 0);
            Wait(half);
            new ReadOnlySpan<byte>(Half(half), length).CopyTo(destination[start..]);
            (start, half, length) = (next, nextHalf, nextLength);
        }
    }

    /// <summary>Gives the memory back. The queue must be idle or lost.</summary>
    public void Dispose()
    {
        foreach (ref nint copied in _copied.AsSpan())
        {
            if (copied != 0) _device.Api.ReleaseEvent(copied);
            copied = 0;
        }

        _device.Api.EnqueueUnmapMemObject(_device.Queue, _buffer, _memory, 0, null, null);
        _device.Api.Finish(_device.Queue);
        _device.Api.ReleaseMemObject(_buffer);
    }

    private byte* Half(int half) => _memory + ((long)half * HalfBytes);

    private int Queue(nint source, long offset, int start, int total)
    {
        int length = Math.Min(HalfBytes, total - start), half = NextFree();
        nint copied;
        int code = _device.Api.EnqueueReadBuffer(_device.Queue, source, NonBlocking, (nuint)(offset + start), (nuint)length, Half(half), 0, null, &copied);
        _device.Check(code, "clEnqueueReadBuffer", "copy from the device", total);
        _copied[half] = copied;
        return length;
    }

    private int NextFree()
    {
        int half = _turn;
        _turn = 1 - half;
        Wait(half);
        return half;
    }

    private void Wait(int half)
    {
        nint copied = _copied[half];
        if (copied == 0) return;
        int code = _device.Api.WaitForEvents(1, &copied);
        _device.Api.ReleaseEvent(copied);
        _copied[half] = 0;
        _device.Check(code, "clWaitForEvents", "what was launched did not finish");
    }
}
