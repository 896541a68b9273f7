namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// Packs symbols of 1 to 8 bits without gaps: symbol i takes the bits from i * bits on of the little-endian bit string; the
/// unused bits of the last byte are 0.
/// </summary>
public static unsafe class BitPacking
{
    /// <summary>Bytes that <paramref name="count"/> symbols take.</summary>
    public static int PackedBytes(int count, int bits) => (int)((((long)count * bits) + 7) / 8);

    /// <summary>Packs symbols.</summary>
    /// <param name="symbols">One symbol per byte, each below 2^<paramref name="bits"/>.</param>
    /// <param name="packed">Receives <see cref="PackedBytes"/> bytes.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    public static void Pack(byte* symbols, byte* packed, int count, int bits)
    {
        uint pending = 0;
        int filled = 0;
        for (int i = 0; i < count; i++)
        {
            pending |= (uint)symbols[i] << filled;
            filled += bits;
            if (filled < 8) continue;
            *packed++ = (byte)pending;
            pending >>= 8;
            filled -= 8;
        }

        if (filled > 0) *packed = (byte)pending;
    }

    /// <summary>Unpacks symbols.</summary>
    /// <param name="packed"><see cref="PackedBytes"/> bytes.</param>
    /// <param name="symbols">Receives one symbol per byte.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    public static void Unpack(byte* packed, byte* symbols, int count, int bits)
    {
        uint pending = 0;
        int filled = 0;
        uint mask = (1u << bits) - 1;
        for (int i = 0; i < count; i++)
        {
            if (filled < bits)
            {
                pending |= (uint)*packed++ << filled;
                filled += 8;
            }

            symbols[i] = (byte)(pending & mask);
            pending >>= bits;
            filled -= bits;
        }
    }
}
