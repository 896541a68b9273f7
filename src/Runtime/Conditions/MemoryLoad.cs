using System.Buffers.Text;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Conditions;

/// <summary>
/// How much others press on the memory: the larger of the share of bandwidth that a short probe does not find any more, and of the
/// share of time that the kernel says tasks wait for memory (pressure stall information).
/// </summary>
/// <remarks>
/// The probe stores 256 KiB past the caches and compares its time with the shortest ever seen. The best of a few pieces counts,
/// because a piece in which the thread was preempted says nothing about memory.
/// </remarks>
internal sealed unsafe class MemoryLoad : IDisposable
{
    private const int ProbeBytes = 256 << 10, Pieces = 4, PieceBytes = ProbeBytes / Pieces;

    // The shortest time may have been luck; it is forgotten by this factor a reading.
    private const double Forgetting = 1.0005;

    private readonly AlignedBuffer _memory = new(ProbeBytes);
    private readonly PolledFile? _pressure;
    private double _shortest = double.PositiveInfinity;

    /// <param name="root">Where the process file system is mounted.</param>
    public MemoryLoad(string root = "/proc") => _pressure = PolledFile.TryOpen(Path.Combine(root, "pressure", "memory"), 128);

    /// <summary>The load now, 0 to 1.</summary>
    public double Read() => Math.Max(Probe(), Pressure());

    public void Dispose()
    {
        _pressure?.Dispose();
    }

    private double Probe()
    {
        double shortest = double.PositiveInfinity;
        for (int piece = 0; piece < Pieces; piece++)
        {
            long started = Stopwatch.GetTimestamp();
            Store((byte*)_memory.Pointer + (piece * PieceBytes));
            shortest = Math.Min(shortest, Stopwatch.GetTimestamp() - started);
        }

        _shortest = Math.Min(_shortest * Forgetting, shortest);
        return Math.Clamp(1 - (_shortest / shortest), 0, 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Store(byte* target)
    {
        Vector256<byte> value = Vector256<byte>.Zero;
        for (byte* end = target + PieceBytes; target < end; target += 64)
        {
            value.StoreAlignedNonTemporal(target);
            value.StoreAlignedNonTemporal(target + 32);
        }

        // Only a fence makes the time that of the stores, and not of handing them over.
        Thread.MemoryBarrier();
    }

    /// <summary>The mean of the last ten seconds, 0 to 1; 0 where the kernel does not say.</summary>
    private double Pressure()
    {
        if (_pressure is null) return 0;
        ReadOnlySpan<byte> text = _pressure.Read();
        int at = text.IndexOf("avg10="u8);
        return at >= 0 && Utf8Parser.TryParse(text[(at + 6)..], out double percent, out _) ? Math.Clamp(percent / 100, 0, 1) : 0;
    }
}
