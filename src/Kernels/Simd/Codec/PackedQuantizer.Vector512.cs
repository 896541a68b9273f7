using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>Groups of 64 values with 512-bit vectors, for the widths that divide a byte.</summary>
public static unsafe partial class PackedQuantizer
{
    private const int Group = 64;

    // Widths that do not divide a byte take the general way. Inlined, so that the scalars before it stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool HasGroups(int bits) => Vector512.IsHardwareAccelerated && Avx512BW.IsSupported && bits is 1 or 2 or 4 or 8;

    /// <summary>The whole groups of one plane.</summary>
    /// <returns>Values done.</returns>
    private static int PackGroups(float* source, byte* packed, int count, float inverse, float offset, int bits)
    {
        int end = HasGroups(bits) ? count & -Group : 0, channel = 0;
        if (end == 0) return 0;
        PackWholeGroups(new QuantizedPlanes { Feature = source, Channels = &channel, Count = 1, Pixels = end, Scale = &inverse, Shift = &offset }, packed, bits);
        return end;
    }

    /// <summary>Planes of whole groups: their packed bytes follow each other without a gap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackWholeGroups(in QuantizedPlanes planes, byte* packed, int bits)
    {
        float top = (1 << bits) - 1;
        float* feature = planes.Feature, scales = planes.Scale, shifts = planes.Shift;
        int* channels = planes.Channels;
        nint pixels = planes.Pixels;
        int step = planes.RangeStep;
        switch (bits)
        {
            case 8:
                for (int count = planes.Count; count > 0; count--, channels++, scales += step, shifts += step)
                {
                    float* source = feature + (*channels * pixels), end = source + pixels;
                    float inverse = *scales, offset = *shifts;
                    for (; source < end; source += Group, packed += 64) AffineQuantizer.Symbols64(source, inverse, offset, top).Store(packed);
                }

                break;
            case 4:
                for (int count = planes.Count; count > 0; count--, channels++, scales += step, shifts += step)
                {
                    float* source = feature + (*channels * pixels), end = source + pixels;
                    float inverse = *scales, offset = *shifts;
                    for (; source < end; source += Group, packed += 32) JoinedPairs(source, inverse, offset, top).Store(packed);
                }

                break;
            case 2:
                for (int count = planes.Count; count > 0; count--, channels++, scales += step, shifts += step)
                {
                    float* source = feature + (*channels * pixels), end = source + pixels;
                    float inverse = *scales, offset = *shifts;
                    for (; Avx512Vbmi.IsSupported && source <= end - (2 * Group); source += 2 * Group, packed += 32)
                        JoinedQuads(source, inverse, offset, top).Store(packed);
                    for (; source < end; source += Group, packed += 16)
                        Avx512F.ConvertToVector128Byte(Quads(AffineQuantizer.Symbols64(source, inverse, offset, top))).Store(packed);
                }

                break;
            default:
                for (int count = planes.Count; count > 0; count--, channels++, scales += step, shifts += step)
                {
                    float* source = feature + (*channels * pixels), end = source + pixels;
                    float inverse = *scales, offset = *shifts;
                    for (; source < end; source += Group, packed += 8)
                        *(ulong*)packed = (AffineQuantizer.Symbols64(source, inverse, offset, top).AsUInt16() << 7).AsByte().ExtractMostSignificantBits();
                }

                break;
        }
    }

    /// <summary>The whole groups of one plane.</summary>
    /// <returns>Values done.</returns>
    private static int UnpackGroups(byte* packed, float* target, int count, float step, float minimum, int bits)
    {
        int end = HasGroups(bits) ? count & -Group : 0, channel = 0;
        if (end == 0) return 0;
        UnpackWholeGroups(new QuantizedPlanes { Feature = target, Channels = &channel, Count = 1, Pixels = end, Scale = &step, Shift = &minimum }, packed, bits);
        return end;
    }

    /// <summary>Planes of whole groups. All values of up to 16 symbols fit one vector, in which symbols are looked up.</summary>
    /// <remarks>A permutation looks at the lowest 4 bits of an index, so that narrower symbols need no mask when the table repeats.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UnpackWholeGroups(in QuantizedPlanes planes, byte* packed, int bits)
    {
        Vector512<uint> lanes = Vector512<uint>.Indices;
        Vector512<float> levels = Vector512.ConvertToSingle((lanes & Vector512.Create((1u << bits) - 1)).AsInt32());
        Vector512<uint> nibbles = (lanes & Vector512.Create(7u)) << 2, halves = lanes >> 3, pairs = lanes << 1, upper = lanes + Vector512.Create(16u);
        float* scales = planes.Scale, shifts = planes.Shift;
        for (int k = 0; k < planes.Count; k++, scales += planes.RangeStep, shifts += planes.RangeStep)
        {
            float* target = planes.Feature + ((nint)planes.Channels[k] * planes.Pixels), end = target + planes.Pixels;
            Vector512<float> step = Vector512.Create(*scales), minimum = Vector512.Create(*shifts);
            Vector512<float> table = Vector512.Add(Vector512.Multiply(levels, step), minimum);
            if (bits == 8)
            {
                for (; target < end; target += Group, packed += 64)
                {
                    Restore(packed, step, minimum).Store(target);
                    Restore(packed + 16, step, minimum).Store(target + 16);
                    Restore(packed + 32, step, minimum).Store(target + 32);
                    Restore(packed + 48, step, minimum).Store(target + 48);
                }
            }
            else if (bits == 4)
            {
                for (; target < end; target += Group, packed += 32)
                {
                    Lookup(table, Words(packed, halves), nibbles).Store(target);
                    Lookup(table, Words(packed + 8, halves), nibbles).Store(target + 16);
                    Lookup(table, Words(packed + 16, halves), nibbles).Store(target + 32);
                    Lookup(table, Words(packed + 24, halves), nibbles).Store(target + 48);
                }
            }
            else if (bits == 2)
            {
                for (; target < end; target += Group, packed += 16)
                {
                    Lookup(table, Vector512.Create(((uint*)packed)[0]), pairs).Store(target);
                    Lookup(table, Vector512.Create(((uint*)packed)[1]), pairs).Store(target + 16);
                    Lookup(table, Vector512.Create(((uint*)packed)[2]), pairs).Store(target + 32);
                    Lookup(table, Vector512.Create(((uint*)packed)[3]), pairs).Store(target + 48);
                }
            }
            else
            {
                for (; target < end; target += Group, packed += 8)
                {
                    Lookup(table, Vector512.Create(((uint*)packed)[0]), lanes).Store(target);
                    Lookup(table, Vector512.Create(((uint*)packed)[0]), upper).Store(target + 16);
                    Lookup(table, Vector512.Create(((uint*)packed)[1]), lanes).Store(target + 32);
                    Lookup(table, Vector512.Create(((uint*)packed)[1]), upper).Store(target + 48);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Restore(byte* symbols, Vector512<float> step, Vector512<float> minimum) =>
        Vector512.Add(Vector512.Multiply(Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(symbols))), step), minimum);

    // 8 bytes of two symbols each: the first four in the lower lanes, the others in the upper ones.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Words(byte* packed, Vector512<uint> halves) => Avx512F.PermuteVar16x32(Vector512.Create(*(ulong*)packed).AsUInt32(), halves);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Lookup(Vector512<float> table, Vector512<uint> words, Vector512<uint> shifts) =>
        Avx512F.PermuteVar16x32(table, Avx512F.ShiftRightLogicalVariable(words, shifts).AsInt32());

    // 4 bits each. The joined pairs lie in the order of interleaved symbols, one in every other byte.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> JoinedPairs(float* source, float inverse, float offset, float top)
    {
        if (!Avx512Vbmi.IsSupported) return Avx512BW.ConvertToVector256Byte(Pairs(AffineQuantizer.Symbols64(source, inverse, offset, top), 16));
        Vector256<long> order = Vector256.Create(0x3230222012100200, 0x3634262416140604, 0x3A382A281A180A08, 0x3E3C2E2C1E1C0E0C);
        Vector512<short> pairs = Pairs(AffineQuantizer.InterleavedSymbols64(source, inverse, offset, top), 16);
        return Avx512Vbmi.PermuteVar64x8(pairs.AsByte(), order.AsByte().ToVector512Unsafe()).GetLower();
    }

    // 2 bits each, of two groups: this loop is bound by arithmetic, and joining their pairs first takes half an operation less
    // for each. The joined quads of both lie beside each other within 128 bits, one in every other byte.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> JoinedQuads(float* source, float inverse, float offset, float top)
    {
        Vector256<long> order = Vector256.Create(0x3222120230201000, 0x3626160634241404, 0x3A2A1A0A38281808, 0x3E2E1E0E3C2C1C0C);
        Vector512<byte> pairs = Avx512BW.PackUnsignedSaturate(
            Pairs(AffineQuantizer.InterleavedSymbols64(source, inverse, offset, top), 4),
            Pairs(AffineQuantizer.InterleavedSymbols64(source + Group, inverse, offset, top), 4));
        return Avx512Vbmi.PermuteVar64x8(Pairs(pairs, 16).AsByte(), order.AsByte().ToVector512Unsafe()).GetLower();
    }

    // The sum of the lower symbol and the upper one times 2^bits joins them; it stays within 8 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Pairs(Vector512<byte> symbols, int scale) =>
        Avx512BW.MultiplyAddAdjacent(symbols, Vector512.Create((short)(1 | (scale << 8))).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Quads(Vector512<byte> symbols) =>
        Avx512BW.MultiplyAddAdjacent(Pairs(symbols, 4), Vector512.Create(1 | (16 << 16)).AsInt16());
}
