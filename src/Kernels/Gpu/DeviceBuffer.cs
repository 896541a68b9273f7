namespace CoInference.Kernels.Gpu;

/// <summary>Device memory.</summary>
public abstract class DeviceBuffer(long bytes) : IDisposable
{
    /// <summary>Size in bytes.</summary>
    public long Bytes { get; } = bytes;

    /// <summary>Copies from the host after everything launched so far; the source may be changed when the call returns.</summary>
    /// <param name="source">What to copy.</param>
    /// <param name="offset">Where to in the buffer, in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes do not fit.</exception>
    public void Write(ReadOnlySpan<byte> source, long offset = 0)
    {
        Check(offset, source.Length);
        if (source.Length > 0) WriteCore(source, offset);
    }

    /// <summary>Copies to the host after everything launched so far, and waits.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="offset">Where from in the buffer, in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bytes are not all in the buffer.</exception>
    public void Read(Span<byte> destination, long offset = 0)
    {
        Check(offset, destination.Length);
        if (destination.Length > 0) ReadCore(destination, offset);
    }

    /// <summary>Elements of the buffer.</summary>
    /// <typeparam name="T">A number or a struct of numbers.</typeparam>
    /// <param name="offset">The first, in elements.</param>
    /// <param name="length">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">The elements are not all in the buffer, or an index does not fit 32 bits.</exception>
    public unsafe DeviceView<T> View<T>(long offset, long length)
        where T : unmanaged
    {
        Check(checked(offset * sizeof(T)), checked(length * sizeof(T)));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, int.MaxValue);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, int.MaxValue);
        return new DeviceView<T>(this, (int)offset, (int)length);
    }

    /// <summary>All elements of the buffer.</summary>
    /// <typeparam name="T">A number or a struct of numbers.</typeparam>
    public unsafe DeviceView<T> View<T>()
        where T : unmanaged => View<T>(0, Bytes / sizeof(T));

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Copies from the host.</summary>
    protected abstract void WriteCore(ReadOnlySpan<byte> source, long offset);

    /// <summary>Copies to the host.</summary>
    protected abstract void ReadCore(Span<byte> destination, long offset);

    /// <summary>Frees the memory.</summary>
    protected abstract void Dispose(bool disposing);

    private void Check(long offset, long bytes)
    {
        if (offset < 0 || bytes < 0 || offset > Bytes - bytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{bytes} bytes at {offset} are not all in a buffer of {Bytes} bytes.");
    }
}

/// <summary>Consecutive elements of a buffer.</summary>
/// <typeparam name="T">A number or a struct of numbers.</typeparam>
/// <param name="Buffer">The memory.</param>
/// <param name="Offset">The first element.</param>
/// <param name="Length">Number of elements.</param>
public readonly record struct DeviceView<T>(DeviceBuffer Buffer, int Offset, int Length)
    where T : unmanaged
{
    /// <summary>The elements from <paramref name="first"/> on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public DeviceView<T> From(int first)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, Length);
        return this with { Offset = Offset + first, Length = Length - first };
    }

    /// <summary>The same memory as elements of another type.</summary>
    /// <typeparam name="TOther">A number or a struct of numbers, of a size that the view begins at a multiple of.</typeparam>
    /// <param name="length">How many; they may reach behind the view, as bytes do that do not fill its last element.</param>
    /// <exception cref="ArgumentException">The view begins between two elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The elements are not all in the buffer.</exception>
    public unsafe DeviceView<TOther> As<TOther>(int length)
        where TOther : unmanaged
    {
        (long offset, long rest) = Math.DivRem((long)Offset * sizeof(T), sizeof(TOther));
        if (rest != 0) throw new ArgumentException($"Byte {(long)Offset * sizeof(T)} is not the first of an element of {sizeof(TOther)} bytes.", nameof(length));
        return Buffer.View<TOther>(offset, length);
    }
}
