using System.Numerics;

namespace CoInference.Kernels.Gpu;

/// <summary>Keeps freed device memory for the next allocation of about the same size: drivers take and free memory slowly, and CUDA waits for the device.</summary>
/// <remarks>Memory may be handed out again while work that used it is still queued: a device runs its work in order.</remarks>
/// <param name="take">Takes memory from the driver; 0 when there is none.</param>
/// <param name="free">Gives memory back to the driver.</param>
internal sealed class MemoryPool(Func<long, nint> take, Action<nint> free) : IDisposable
{
    private const long SmallestStep = 256;
    private readonly Dictionary<long, Stack<nint>> _free = [];

    /// <summary>Bytes that are kept and not in use.</summary>
    public long FreeBytes { get; private set; }

    /// <summary>Memory of at least a size.</summary>
    /// <returns>0 when the driver has none even after everything that was kept is given back.</returns>
    public nint Take(long bytes)
    {
        long size = Rounded(bytes);
        if (_free.TryGetValue(size, out Stack<nint>? kept) && kept.TryPop(out nint memory))
        {
            FreeBytes -= size;
            return memory;
        }

        memory = take(size);
        if (memory != 0 || FreeBytes == 0) return memory;
        Trim();
        return take(size);
    }

    /// <summary>Takes memory back that <see cref="Take"/> gave for the same size.</summary>
    public void Return(nint memory, long bytes)
    {
        long size = Rounded(bytes);
        if (!_free.TryGetValue(size, out Stack<nint>? kept)) _free[size] = kept = new Stack<nint>();
        kept.Push(memory);
        FreeBytes += size;
    }

    /// <summary>Gives everything that is not in use back to the driver.</summary>
    public void Trim()
    {
        foreach (Stack<nint> kept in _free.Values)
        {
            while (kept.TryPop(out nint memory)) free(memory);
        }

        FreeBytes = 0;
    }

    /// <summary>Gives everything that is not in use back to the driver.</summary>
    public void Dispose() => Trim();

    // Eight sizes between powers of two: at most an eighth is wasted, and sizes that differ little share memory.
    internal static long Rounded(long bytes)
    {
        long step = Math.Max(SmallestStep, (long)BitOperations.RoundUpToPowerOf2((ulong)bytes) / 16);
        return (bytes + step - 1) / step * step;
    }
}
