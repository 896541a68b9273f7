namespace CoInference.Runtime.Transport;

/// <summary>
/// The memory for requests in flight: buffers of one size, made when first needed and then lent again and again, up to a
/// fixed number. Connections that wait hold none.
/// </summary>
internal sealed class FrameMemory
{
    private readonly Lock _gate = new();
    private readonly byte[]?[] _idle;
    private int _idleCount;
    private int _lent;

    /// <param name="frameBytes">Length of a buffer.</param>
    /// <param name="maxBytes">Bytes of all buffers together; there is at least one buffer.</param>
    public FrameMemory(int frameBytes, long maxBytes)
    {
        FrameBytes = frameBytes;
        _idle = new byte[]?[(int)Math.Clamp(maxBytes / frameBytes, 1, Array.MaxLength)];
    }

    /// <summary>Length of a buffer.</summary>
    public int FrameBytes { get; }

    /// <summary>Bytes lent now.</summary>
    public long LentBytes => (long)Volatile.Read(ref _lent) * FrameBytes;

    /// <summary>Lends a buffer; null when all are in use.</summary>
    public byte[]? TryRent()
    {
        lock (_gate)
        {
            if (_lent == _idle.Length) return null;
            _lent++;
            if (_idleCount > 0) return _idle[--_idleCount];
        }

        return GC.AllocateUninitializedArray<byte>(FrameBytes);
    }

    /// <summary>Takes a buffer back.</summary>
    public void Return(byte[] buffer)
    {
        lock (_gate)
        {
            _lent--;
            _idle[_idleCount++] = buffer;
        }
    }
}
