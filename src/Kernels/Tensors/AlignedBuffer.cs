using System.Runtime.CompilerServices;

namespace CoInference.Kernels.Tensors;

/// <summary>
/// Zero-initialised memory on a 64-byte boundary that the garbage collector never moves and frees by itself, so a
/// pointer into it stays valid as long as the buffer object is reachable.
/// </summary>
public sealed unsafe class AlignedBuffer
{
    /// <summary>Alignment of <see cref="Pointer"/> in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private readonly byte[] _storage;

    /// <summary>Allocates zeroed memory.</summary>
    /// <param name="lengthInBytes">Usable size in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative or above about 2 GiB.</exception>
    public AlignedBuffer(long lengthInBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthInBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthInBytes, Array.MaxLength - Alignment);
        Length = (int)lengthInBytes;
        _storage = GC.AllocateArray<byte>(Length + Alignment, pinned: true);
        var start = (nuint)Unsafe.AsPointer(ref _storage[0]);
        Pointer = (byte*)((start + Alignment - 1) & ~(nuint)(Alignment - 1));
    }

    /// <summary>First byte, 64-byte aligned.</summary>
    public byte* Pointer { get; }

    /// <summary>Usable size in bytes.</summary>
    public int Length { get; }

    /// <summary>The memory as a span.</summary>
    public Span<byte> Span => new(Pointer, Length);
}
