using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// Packs symbols of 1 to 8 bits without gaps: symbol i takes the bits from i * bits on of the little-endian bit string; the
/// unused bits of the last byte are 0.
/// </summary>
/// <remarks>
/// The vector code treats 8 symbols as one 64-bit word and closes the gaps in three steps, between bytes, pairs and quads;
/// each step keeps the lower field of a unit and moves the upper one down to it. One byte shuffle then joins the words.
/// Unpacking is the same in reverse.
/// </remarks>
public static unsafe class BitPacking
{
    private const int Group = 16;

    /// <summary>Bytes that <paramref name="count"/> symbols take.</summary>
    /// <exception cref="OverflowException">More than 2^31 - 1 bytes.</exception>
    public static int PackedBytes(int count, int bits) => checked((int)((((long)count * bits) + 7) / 8));

    /// <summary>Packs symbols.</summary>
    /// <param name="symbols">One symbol per byte, each below 2^<paramref name="bits"/>.</param>
    /// <param name="packed">Receives <see cref="PackedBytes"/> bytes.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    public static void Pack(byte* symbols, byte* packed, int count, int bits)
    {
        if (bits == 8)
        {
            Unsafe.CopyBlockUnaligned(packed, symbols, (uint)count);
            return;
        }

        int done = Vector128.IsHardwareAccelerated ? PackGroups(symbols, packed, count, bits) : 0;
        symbols += done;
        packed += done / 8 * bits;
        uint pending = 0;
        int filled = 0;
        for (int i = done; i < count; i++)
        {
            pending |= (uint)*symbols++ << filled;
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
        if (bits == 8)
        {
            Unsafe.CopyBlockUnaligned(symbols, packed, (uint)count);
            return;
        }

        int done = Vector128.IsHardwareAccelerated ? UnpackGroups(packed, symbols, count, bits) : 0;
        symbols += done;
        packed += done / 8 * bits;
        uint pending = 0;
        int filled = 0;
        uint mask = (1u << bits) - 1;
        for (int i = done; i < count; i++)
        {
            if (filled < bits)
            {
                pending |= (uint)*packed++ << filled;
                filled += 8;
            }

            *symbols++ = (byte)(pending & mask);
            pending >>= bits;
            filled -= bits;
        }
    }

    private static int PackGroups(byte* symbols, byte* packed, int count, int bits)
    {
        Vector128<ulong> byteLow = Fields(bits, 16), byteHigh = byteLow << bits;
        Vector128<ulong> pairLow = Fields(2 * bits, 32), pairHigh = pairLow << (2 * bits);
        Vector128<ulong> quadLow = Fields(4 * bits, 64), quadHigh = quadLow << (4 * bits);
        Vector128<byte> join = JoinWords(bits);
        int end = PackedBytes(count, bits) - Vector128<byte>.Count;
        int done = 0;
        // Each store writes a whole vector, whose rest the next store overwrites; the last ones would pass the end.
        for (int at = 0; done <= count - Group && at <= end; done += Group, at += 2 * bits)
        {
            Vector128<ulong> x = Vector128.Load(symbols + done).AsUInt64();
            x = (x & byteLow) | ((x >> (8 - bits)) & byteHigh);
            x = (x & pairLow) | ((x >> (16 - (2 * bits))) & pairHigh);
            x = (x & quadLow) | ((x >> (32 - (4 * bits))) & quadHigh);
            Vector128.Shuffle(x.AsByte(), join).Store(packed + at);
        }

        return done;
    }

    private static int UnpackGroups(byte* packed, byte* symbols, int count, int bits)
    {
        Vector128<ulong> byteLow = Fields(bits, 16), byteHigh = byteLow << 8;
        Vector128<ulong> pairLow = Fields(2 * bits, 32), pairHigh = pairLow << 16;
        Vector128<ulong> quadLow = Fields(4 * bits, 64), quadHigh = quadLow << 32;
        Vector128<byte> split = SplitWords(bits);
        int end = PackedBytes(count, bits) - Vector128<byte>.Count;
        int done = 0;
        for (int at = 0; done <= count - Group && at <= end; done += Group, at += 2 * bits)
        {
            Vector128<ulong> x = Vector128.Shuffle(Vector128.Load(packed + at), split).AsUInt64();
            x = (x & quadLow) | ((x << (32 - (4 * bits))) & quadHigh);
            x = (x & pairLow) | ((x << (16 - (2 * bits))) & pairHigh);
            x = (x & byteLow) | ((x << (8 - bits)) & byteHigh);
            x.Store((ulong*)(symbols + done));
        }

        return done;
    }

    // The lowest width bits of every unit of the given size.
    private static Vector128<ulong> Fields(int width, int unit)
    {
        ulong mask = 0;
        for (int start = 0; start < 64; start += unit) mask |= ((1UL << width) - 1) << start;
        return Vector128.Create(mask);
    }

    private static Vector128<byte> JoinWords(int bits)
    {
        byte* order = stackalloc byte[Group];
        for (int i = 0; i < Group; i++) order[i] = (byte)(i < bits ? i : i < 2 * bits ? 8 + i - bits : 0xFF);
        return Vector128.Load(order);
    }

    private static Vector128<byte> SplitWords(int bits)
    {
        byte* order = stackalloc byte[Group];
        for (int i = 0; i < Group; i++) order[i] = (byte)(i % 8 < bits ? (i / 8 * bits) + (i % 8) : 0xFF);
        return Vector128.Load(order);
    }
}
