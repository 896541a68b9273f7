using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Execution;

/// <summary>Copies an input or output of a session, shared between its threads when it is large.</summary>
/// <remarks>
/// Every part is the same share of each plane, as kernels share out rows: what a thread will read, or has written, is then
/// in the caches of its own processor and need not cross to it from another.
/// </remarks>
/// <param name="workers">The session's threads.</param>
/// <param name="value">An input or output of 32-bit floats.</param>
internal sealed unsafe class BoundaryCopy(WorkerSet workers, SessionValue value) : IParallelWork
{
    // Below this the data pass from one processor to the other in less time than a hand-over takes.
    private const long BytesWorthThreads = 256 * 1024;

    private readonly long _planeBytes = value.Shape is { Rank: 4 } image ? (long)image[2] * image[3] * sizeof(float) : 0;
    private byte* _source;
    private byte* _target;
    private int _planes;
    private int _parts;

    /// <summary>Copies a whole value.</summary>
    public void Run(ReadOnlySpan<byte> source, Span<byte> target)
    {
        if (workers.Threads == 1 || source.Length < BytesWorthThreads || _planeBytes == 0)
        {
            source.CopyTo(target);
            return;
        }

        fixed (byte* from = source)
        fixed (byte* to = target[..source.Length])
        {
            _source = from;
            _target = to;
            _planes = (int)(source.Length / _planeBytes);
            _parts = workers.Threads;
            workers.Run(this, _parts);
        }
    }

    void IParallelWork.Execute(int part)
    {
        long first = _planeBytes * part / _parts, end = _planeBytes * (part + 1) / _parts;
        for (int plane = 0; plane < _planes; plane++)
        {
            long at = (plane * _planeBytes) + first;
            Buffer.MemoryCopy(_source + at, _target + at, end - first, end - first);
        }
    }
}
