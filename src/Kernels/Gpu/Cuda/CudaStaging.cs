namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>Copies between host and device through page-locked memory, which the device reads and writes by itself, in two halves that take turns.</summary>
internal sealed unsafe class CudaStaging : IDisposable
{
    private const int HalfBytes = 1 << 20;
    private readonly CudaDevice _device;
    private readonly byte* _memory;
    private readonly nint[] _copied = new nint[2];
    private int _turn;

    public CudaStaging(CudaDevice device)
    {
        _device = device;
        void* memory;
        device.Check(device.Api.MemHostAlloc(&memory, 2 * HalfBytes, 0), "cuMemHostAlloc", "no page-locked memory", 2 * HalfBytes);
        _memory = (byte*)memory;
        try
        {
            for (int half = 0; half < 2; half++)
            {
                nint copied;
                device.Check(device.Api.EventCreate(&copied, CudaCode.EventDisableTiming), "cuEventCreate", "no event can be made");
                _copied[half] = copied;
                Mark(half);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Queues a copy to the device.</summary>
    public void Write(nint target, ReadOnlySpan<byte> source)
    {
        for (int start = 0; start < source.Length; start += HalfBytes)
        {
            ReadOnlySpan<byte> part = source.Slice(start, Math.Min(HalfBytes, source.Length - start));
            int half = NextFree();
            part.CopyTo(new Span<byte>(Half(half), HalfBytes));
            _device.Check(_device.Api.MemcpyHtoDAsync(target + start, Half(half), (nuint)part.Length, _device.Stream), "cuMemcpyHtoDAsync", "copy to the device", source.Length);
            Mark(half);
        }
    }

    /// <summary>Copies from the device; the device fills one half while the other is read.</summary>
    public void Read(nint source, Span<byte> destination)
    {
        int half = _turn, length = Queue(source, 0, destination.Length);
        for (int start = 0; start < destination.Length;)
        {
            int next = start + length;
            (int nextHalf, int nextLength) = (_turn, next < destination.Length ? Queue(source, next, destination.Length) : 0);
            _device.Check(_device.Api.EventSynchronize(_copied[half]), "cuEventSynchronize", "what was launched did not finish");
            new ReadOnlySpan<byte>(Half(half), length).CopyTo(destination[start..]);
            (start, half, length) = (next, nextHalf, nextLength);
        }
    }

    public void Dispose()
    {
        foreach (nint copied in _copied)
        {
            if (copied != 0) _device.Api.EventDestroy(copied);
        }

        _device.Api.MemFreeHost(_memory);
    }

    private byte* Half(int half) => _memory + ((long)half * HalfBytes);

    private int Queue(nint source, int start, int total)
    {
        int length = Math.Min(HalfBytes, total - start), half = NextFree();
        _device.Check(_device.Api.MemcpyDtoHAsync(Half(half), source + start, (nuint)length, _device.Stream), "cuMemcpyDtoHAsync", "copy from the device", total);
        Mark(half);
        return length;
    }

    private int NextFree()
    {
        int half = _turn;
        _turn = 1 - half;
        _device.Check(_device.Api.EventSynchronize(_copied[half]), "cuEventSynchronize", "what was launched did not finish");
        return half;
    }

    private void Mark(int half) => _device.Check(_device.Api.EventRecord(_copied[half], _device.Stream), "cuEventRecord", "no event");
}
