using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Runtime.Codec;

/// <summary>A row of all 16 lanes with 512-bit vectors, one 32-bit element per lane; the same bits as the scalar code.</summary>
internal sealed unsafe partial class EntropyCoder
{
    private static bool UsesVectors => Vector512.IsHardwareAccelerated && Avx512BW.IsSupported && Avx2.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodeRow512<TEdge>(in Row row, uint* states, ref BitWriter bits)
        where TEdge : struct, IEdge
    {
        uint* steps = (uint*)_steps.Pointer;
        ushort* next = (ushort*)_states.Pointer;
        Vector256<short> hasUp = Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)row.HasUp));
        var contexts = Vector512.Load(row.Contexts);
        var state = Vector512.Load(states);
        short* thresholds = stackalloc short[8];
        for (int i = 0; i < 7; i++) thresholds[i] = _thresholds[i];
        ulong* fields = stackalloc ulong[8];
        ulong* counts = stackalloc ulong[8];
        Vector128<int> log = Vector128.CreateScalar(_log), symbolBits = Vector128.CreateScalar(_bits);
        BitWriter writer = bits;
        for (int x = _grid.Width - 1; x >= 0; x--)
        {
            byte* current = row.Current + ((nint)x * MaxLanes);
            byte* left = x > 0 ? current - MaxLanes : row.BeforeFirst;
            Vector512<uint> distribution = Context512<TEdge>(
                Avx2.ConvertToVector256Int16(left), Avx2.ConvertToVector256Int16(row.Up + ((nint)x * MaxLanes)), hasUp, contexts, thresholds);
            Vector512<uint> step = Gather(steps, Avx512F.ShiftLeftLogical(distribution, symbolBits.AsUInt32()) + Avx512F.ConvertToVector512UInt32(Vector128.Load(current)));
            Vector512<uint> threshold = (step >> TansTable.ThresholdShift) & Vector512.Create((uint)TansTable.ThresholdMask);
            // Below the threshold the comparison is all ones, which is -1.
            Vector512<uint> count = (step & Vector512.Create((uint)TansTable.BitsMask)) + Vector512.LessThan(state, threshold);
            Vector512<uint> field = Vector512.AndNot(state, Avx512F.ShiftLeftLogicalVariable(Vector512<uint>.AllBitsSet, count));
            Vector512<uint> place = Avx512F.ShiftRightLogicalVariable(state, count)
                + Vector512.ShiftRightArithmetic(step.AsInt32(), TansTable.OffsetShift).AsUInt32()
                + Avx512F.ShiftLeftLogical(distribution, log.AsUInt32());
            state = GatherHalves(next, place);

            // Neighbouring lanes join, the lower one below: 16 fields become 8 of at most 24 bits, then 4 of at most 48.
            Vector512<ulong> evenCount = count.AsUInt64() & Vector512.Create((ulong)uint.MaxValue);
            Vector512<ulong> pair = (field.AsUInt64() & Vector512.Create((ulong)uint.MaxValue)) | Avx512F.ShiftLeftLogicalVariable(field.AsUInt64() >> 32, evenCount);
            Vector512<ulong> pairCount = evenCount + (count.AsUInt64() >> 32);
            Vector512<ulong> upperPair = Avx512F.UnpackHigh(pair, pair), upperCount = Avx512F.UnpackHigh(pairCount, pairCount);
            (pair | Avx512F.ShiftLeftLogicalVariable(upperPair, pairCount)).Store(fields);
            (pairCount + upperCount).Store(counts);
            writer.Put(fields[6], (int)counts[6]);
            writer.Put(fields[4], (int)counts[4]);
            writer.Put(fields[2], (int)counts[2]);
            writer.Put(fields[0], (int)counts[0]);
        }

        state.Store(states);
        bits = writer;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private long DecodeRow512<TEdge>(in Row row, uint* states, byte* code, long bit)
        where TEdge : struct, IEdge
    {
        uint* table = (uint*)_decoder.Pointer;
        byte* current = row.Current, up = row.Up;
        Vector256<short> hasUp = Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)row.HasUp));
        Vector256<short> left = Avx2.ConvertToVector256Int16(row.BeforeFirst);
        var contexts = Vector512.Load(row.Contexts);
        var state = Vector512.Load(states);
        short* thresholds = stackalloc short[8];
        for (int i = 0; i < 7; i++) thresholds[i] = _thresholds[i];
        Vector128<uint> log = Vector128.CreateScalar((uint)_log);
        Vector512<byte> spread = Vector512.Create(
            Vector256.Create((byte)0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7),
            Vector256.Create((byte)8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15));
        Vector512<byte> bytesOfWord = Vector512.Create(0x03020100u).AsByte();
        for (int x = 0; x < _grid.Width; x++, current += MaxLanes, up += MaxLanes)
        {
            Vector512<uint> distribution = Context512<TEdge>(left, Avx2.ConvertToVector256Int16(up), hasUp, contexts, thresholds);
            Vector512<uint> entry = Gather(table, Avx512F.ShiftLeftLogical(distribution, log) + state);
            Vector128<byte> symbols = Avx512F.ConvertToVector128Byte(entry >> 8);
            symbols.Store(current);
            left = Avx2.ConvertToVector256Int16(symbols);

            // A lane's bits begin where those of the lanes before it end: sums over ever longer stretches of lanes.
            Vector128<byte> counts = Avx512F.ConvertToVector128Byte(entry);
            Vector128<byte> ends = counts;
            ends += Sse2.ShiftLeftLogical128BitLane(ends, 1);
            ends += Sse2.ShiftLeftLogical128BitLane(ends, 2);
            ends += Sse2.ShiftLeftLogical128BitLane(ends, 4);
            ends += Sse2.ShiftLeftLogical128BitLane(ends, 8);
            Vector128<byte> starts = ends - counts + Vector128.Create((byte)(bit & 7));
            byte* window = code + (bit >> 3);
            Vector512<uint> start = Avx512F.ConvertToVector512UInt32(starts);
            Vector512<uint> word;
            if (Avx512Vbmi.IsSupported)
            {
                // Four bytes from the one in which a lane's bits begin: at most 16 lanes of 12 bits lie in one vector.
                Vector512<byte> byteOf = Avx512Vbmi.PermuteVar64x8(starts.ToVector256Unsafe().ToVector512Unsafe(), spread) >> 3;
                word = Avx512Vbmi.PermuteVar64x8(Vector512.Load(window), byteOf + bytesOfWord).AsUInt32();
            }
            else
            {
                word = GatherBytes(window, start >> 3);
            }

            bit += ends[15];
            word = Avx512F.ShiftRightLogicalVariable(word, start & Vector512.Create(7u));
            state = (entry >> 16) + Vector512.AndNot(word, Avx512F.ShiftLeftLogicalVariable(Vector512<uint>.AllBitsSet, entry & Vector512.Create(0xFFu)));
        }

        state.Store(states);
        return bit;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Context512<TEdge>(Vector256<short> left, Vector256<short> up, Vector256<short> hasUp, Vector512<uint> contexts, short* thresholds)
        where TEdge : struct, IEdge
    {
        if (TEdge.Exists) up = left ^ ((left ^ up) & hasUp);
        Vector256<short> sum = left + up;
        // Each threshold that is passed counts -1.
        Vector256<short> passed =
            (Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[0])) + Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[1])))
            + (Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[2])) + Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[3])))
            + (Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[4])) + Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[5])))
            + Avx2.CompareGreaterThan(sum, Vector256.Create(thresholds[6]));
        Vector512<uint> shift = Avx512F.ConvertToVector512Int32(-(passed << 2)).AsUInt32();
        return Avx512F.ShiftRightLogicalVariable(contexts, shift) & Vector512.Create((1u << DistributionBits) - 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Gather(uint* table, Vector512<uint> index) => Vector512.Create(
        Avx2.GatherVector256(table, index.GetLower().AsInt32(), sizeof(uint)), Avx2.GatherVector256(table, index.GetUpper().AsInt32(), sizeof(uint)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> GatherHalves(ushort* table, Vector512<uint> index) => Vector512.Create(
        Avx2.GatherVector256((uint*)table, index.GetLower().AsInt32(), sizeof(ushort)), Avx2.GatherVector256((uint*)table, index.GetUpper().AsInt32(), sizeof(ushort)))
        & Vector512.Create((uint)ushort.MaxValue);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> GatherBytes(byte* source, Vector512<uint> offset) => Vector512.Create(
        Avx2.GatherVector256((uint*)source, offset.GetLower().AsInt32(), sizeof(byte)), Avx2.GatherVector256((uint*)source, offset.GetUpper().AsInt32(), sizeof(byte)));
}
