using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Codec;

/// <summary>
/// Codes the symbols of a payload with the static tables of an <see cref="EntropyModel"/>. The rows of larger payloads are
/// dealt to up to 16 lanes, each with a coder state of its own, so that as many chains of dependent table look-ups overlap;
/// all of them share one bit string.
/// </summary>
/// <remarks>
/// Lanes take consecutive rows; when the rows do not divide evenly the first lanes have one more. The bit string begins with
/// zero bits up to the first 1, then the first state of each lane in log bits, then for each position of a row, from the
/// first rows on, the bits of that symbol of every lane, lanes ascending. It ends exactly at a byte, with all lanes in state
/// 0. The encoder works backwards, from the last symbols and the end of its buffer.
/// <para>Interleaved states over one bit string: F. Giesen, "Interleaved entropy coders", 2014.</para>
/// </remarks>
internal sealed unsafe partial class EntropyCoder
{
    private const int Group = 4;
    private const int MaxLanes = 16;

    // A lane costs log bits, so short payloads get few: the share of the states in a code stays near one percent.
    private const int SymbolsForManyLanes = 4096;
    private const int SymbolsForGroup = 1024;

    // Decoding reads whole vectors; encoding writes whole words.
    private const int Slack = 64;

    // A plane's distributions, one per class, lie beside each other in one 32-bit word.
    private const int DistributionBits = 4;

    private readonly SymbolGrid _grid;
    private readonly int _log;
    private readonly int _bits;
    private readonly int _lanes;
    private readonly int _rows;
    private readonly int _longLanes;
    private readonly byte[] _shiftOf;
    private readonly bool[] _hasEdge;
    private readonly short[] _thresholds;
    private readonly AlignedBuffer _decoder;
    private readonly AlignedBuffer _steps;
    private readonly AlignedBuffer _states;
    private readonly AlignedBuffer _rowContexts;
    private readonly AlignedBuffer _rowHasUp;

    public EntropyCoder(SymbolGrid grid, int bits, EntropyModel model)
    {
        _grid = grid;
        _bits = bits;
        _log = model.Log;
        _lanes = Math.Min(grid.Rows, grid.Count >= SymbolsForManyLanes ? MaxLanes : grid.Count >= SymbolsForGroup ? Group : 1);
        (_rows, _longLanes) = Math.DivRem(grid.Rows, _lanes);
        int levels = 1 << bits;
        _shiftOf = Array.ConvertAll(EntropyModel.ClassTable(model.Thresholds, levels), index => (byte)(index * DistributionBits));
        var contexts = new uint[grid.Planes];
        for (int i = 0; i < model.Contexts.Length; i++)
            contexts[i / model.ClassCount] |= (uint)model.Contexts[i] << (i % model.ClassCount * DistributionBits);
        int steps = RowSteps;
        _hasEdge = new bool[steps];
        _rowContexts = new AlignedBuffer((long)steps * MaxLanes * sizeof(uint));
        _rowHasUp = new AlignedBuffer((long)steps * MaxLanes);
        for (int y = 0; y < steps; y++) PlanRow(y, contexts);
        _thresholds = new short[EntropyModel.MaxClasses - 1];
        Array.Fill(_thresholds, short.MaxValue);
        for (int i = 0; i < model.Thresholds.Length; i++) _thresholds[i] = (short)(model.Thresholds[i] - 1);
        int distributions = model.Frequencies.Length;
        int length = 1 << _log;
        _decoder = new AlignedBuffer((long)distributions * length * sizeof(uint));
        _steps = new AlignedBuffer((long)distributions * levels * sizeof(uint));
        // Vectors gather 32 bits at a time, the last ones from behind the end.
        _states = new AlignedBuffer(((long)distributions * length * sizeof(ushort)) + sizeof(ushort));
        for (int d = 0; d < distributions; d++)
        {
            TansTable.FillDecoder(model.Frequencies[d], _log, new Span<uint>((uint*)_decoder.Pointer + ((nint)d * length), length));
            TansTable.FillEncoder(
                model.Frequencies[d],
                _log,
                new Span<uint>((uint*)_steps.Pointer + ((nint)d * levels), levels),
                new Span<ushort>((ushort*)_states.Pointer + ((nint)d * length), length));
        }
    }

    /// <summary>Working memory that <see cref="Encode"/> and <see cref="Decode"/> need, in bytes.</summary>
    /// <remarks>A symbol takes at most log bits; a damaged payload is noticed only at the end of a row.</remarks>
    public int WorkBytes => checked((int)(ColumnBytes + Math.Max(EncodedBytes, _grid.Count + (((long)_lanes * (_grid.Width + 1) * _log) / 8) + Slack)));

    // The longest lanes have a row more.
    private int RowSteps => _longLanes > 0 ? _rows + 1 : _rows;

    private long ColumnBytes => (long)_lanes * (_rows + 1) * _grid.Width;

    private long EncodedBytes => (((((long)_grid.Count + _lanes) * _log) + 7) / 8) + Slack;

    /// <summary>Codes symbols.</summary>
    /// <param name="symbols">The symbols of one feature.</param>
    /// <param name="payload">Receives the code.</param>
    /// <param name="work"><see cref="WorkBytes"/> of memory.</param>
    /// <returns>Length of the code; 0 when it does not fit the payload.</returns>
    public int Encode(byte* symbols, Span<byte> payload, byte* work)
    {
        byte* columns = work;
        byte* end = work + ColumnBytes + EncodedBytes;
        LaneInterleaving.ToColumns(symbols, columns, _lanes, _rows * _grid.Width, _longLanes, _grid.Width);
        uint* states = stackalloc uint[MaxLanes];
        for (int k = 0; k < _lanes; k++) states[k] = 1u << _log;
        byte* beforeFirst = stackalloc byte[MaxLanes];
        var row = new Row { BeforeFirst = beforeFirst };
        var writer = new BitWriter { Target = end };
        fixed (byte* shiftOf = _shiftOf)
        {
            row.ShiftOf = shiftOf;
            for (int y = RowSteps - 1; y >= 0; y--)
            {
                int lanes = y < _rows ? _lanes : _longLanes;
                bool edge = Enter(ref row, y, lanes, columns);
                if (lanes == MaxLanes && UsesVectors)
                {
                    if (edge) EncodeRow512<HasEdge>(row, states, ref writer);
                    else EncodeRow512<NoEdge>(row, states, ref writer);
                }
                else if (edge) EncodeRow<HasEdge>(row, states, lanes, ref writer);
                else EncodeRow<NoEdge>(row, states, lanes, ref writer);
            }
        }

        for (int k = _lanes - 1; k >= 0; k--) writer.Put(states[k] & ((1u << _log) - 1), _log);
        writer.Put(1, 1);
        writer.Finish();
        var length = (int)(end - writer.Target);
        if (length > payload.Length) return 0;
        new ReadOnlySpan<byte>(writer.Target, length).CopyTo(payload);
        return length;
    }

    /// <summary>Restores symbols.</summary>
    /// <param name="payload">A code; at most as long as the grid has symbols.</param>
    /// <param name="symbols">Receives the symbols of one feature.</param>
    /// <param name="work"><see cref="WorkBytes"/> of memory.</param>
    /// <exception cref="InvalidDataException">The code is not one that <see cref="Encode"/> makes.</exception>
    public void Decode(ReadOnlySpan<byte> payload, byte* symbols, byte* work)
    {
        if (payload.Length > _grid.Count || ((long)payload.Length * 8) <= (long)_lanes * _log)
            throw new InvalidDataException($"Payload: {payload.Length} bytes cannot be the code of {_grid.Count} symbols.");
        if (payload[0] == 0) throw Damaged();

        // Reads run past the end of a damaged code for up to a row before it is noticed; behind the copy there is room for that.
        byte* columns = work;
        byte* code = work + ColumnBytes;
        payload.CopyTo(new Span<byte>(code, payload.Length));
        long endBit = payload.Length * 8L;
        long bit = BitOperations.TrailingZeroCount(payload[0]) + 1;
        uint* states = stackalloc uint[MaxLanes];
        for (int k = 0; k < _lanes; k++, bit += _log) states[k] = (uint)(ReadWord(code + (bit >> 3)) >> (int)(bit & 7)) & ((1u << _log) - 1);
        byte* beforeFirst = stackalloc byte[MaxLanes];
        var row = new Row { BeforeFirst = beforeFirst };
        fixed (byte* shiftOf = _shiftOf)
        {
            row.ShiftOf = shiftOf;
            for (int y = 0; y < RowSteps; y++)
            {
                int lanes = y < _rows ? _lanes : _longLanes;
                bool edge = Enter(ref row, y, lanes, columns);
                bit = lanes == MaxLanes && UsesVectors
                    ? edge ? DecodeRow512<HasEdge>(row, states, code, bit) : DecodeRow512<NoEdge>(row, states, code, bit)
                    : edge ? DecodeRow<HasEdge>(row, states, lanes, code, bit) : DecodeRow<NoEdge>(row, states, lanes, code, bit);
                if (bit > endBit) throw Damaged();
            }
        }

        uint rest = 0;
        for (int k = 0; k < _lanes; k++) rest |= states[k];
        if (bit != endBit || rest != 0) throw Damaged();
        LaneInterleaving.ToRuns(columns, symbols, _lanes, _rows * _grid.Width, _longLanes, _grid.Width);
    }

    private static InvalidDataException Damaged() => new("Payload: the entropy code is damaged.");

    private void PlanRow(int y, uint[] contexts)
    {
        var rowContexts = new Span<uint>((uint*)_rowContexts.Pointer + (y * MaxLanes), MaxLanes);
        Span<byte> hasUp = _rowHasUp.Span.Slice(y * MaxLanes, MaxLanes);
        for (int k = 0; k < (y < _rows ? _lanes : _longLanes); k++)
        {
            (int plane, int inPlane) = Math.DivRem((k * _rows) + Math.Min(k, _longLanes) + y, _grid.Height);
            bool first = y == 0 || inPlane == 0;
            rowContexts[k] = contexts[plane];
            hasUp[k] = first ? (byte)0 : (byte)0xFF;
            _hasEdge[y] |= first;
        }
    }

    /// <summary>Points at row <paramref name="y"/> of every lane.</summary>
    /// <returns>Whether a lane has no row above: it is the first of its plane, or of the lane, whose rows are coded alone.</returns>
    private bool Enter(ref Row row, int y, int lanes, byte* columns)
    {
        int stride = _lanes * _grid.Width;
        row.Contexts = (uint*)_rowContexts.Pointer + (y * MaxLanes);
        row.HasUp = _rowHasUp.Pointer + (y * MaxLanes);
        row.Current = columns + ((nint)y * stride);
        row.Up = y > 0 ? row.Current - stride : row.Current;
        for (int k = 0; k < lanes; k++) row.BeforeFirst[k] = (byte)(row.Up[k] & row.HasUp[k]);
        return _hasEdge[y];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodeRow<TEdge>(in Row row, uint* states, int lanes, ref BitWriter bits)
        where TEdge : struct, IEdge
    {
        byte* hasUp = row.HasUp, shiftOf = row.ShiftOf;
        uint* contexts = row.Contexts;
        uint* steps = (uint*)_steps.Pointer;
        ushort* next = (ushort*)_states.Pointer;
        int symbolBits = _bits, log = _log, stride = _lanes;
        BitWriter writer = bits;
        for (int x = _grid.Width - 1; x >= 0; x--)
        {
            byte* current = row.Current + ((nint)x * stride), up = row.Up + ((nint)x * stride);
            byte* left = x > 0 ? current - stride : row.BeforeFirst;
            int k = lanes;
            for (; (k & (Group - 1)) != 0; k--)
            {
                EncodeSymbol<TEdge>(k - 1, current, left, up, hasUp, shiftOf, contexts, steps, next, states, symbolBits, log, ref writer.Pending, ref writer.Filled);
                writer.Flush();
            }

            for (; k > 0; k -= Group)
            {
                EncodeSymbol<TEdge>(k - 1, current, left, up, hasUp, shiftOf, contexts, steps, next, states, symbolBits, log, ref writer.Pending, ref writer.Filled);
                EncodeSymbol<TEdge>(k - 2, current, left, up, hasUp, shiftOf, contexts, steps, next, states, symbolBits, log, ref writer.Pending, ref writer.Filled);
                EncodeSymbol<TEdge>(k - 3, current, left, up, hasUp, shiftOf, contexts, steps, next, states, symbolBits, log, ref writer.Pending, ref writer.Filled);
                EncodeSymbol<TEdge>(k - 4, current, left, up, hasUp, shiftOf, contexts, steps, next, states, symbolBits, log, ref writer.Pending, ref writer.Filled);
                writer.Flush();
            }
        }

        bits = writer;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private long DecodeRow<TEdge>(in Row row, uint* states, int lanes, byte* code, long bit)
        where TEdge : struct, IEdge
    {
        byte* hasUp = row.HasUp, shiftOf = row.ShiftOf;
        uint* contexts = row.Contexts;
        byte* current = row.Current, up = row.Up, left = row.BeforeFirst;
        uint* table = (uint*)_decoder.Pointer;
        int log = _log, stride = _lanes, groups = lanes & ~(Group - 1);
        for (int x = 0; x < _grid.Width; x++)
        {
            int k = 0;
            for (; k < groups; k += Group)
            {
                ulong word = ReadWord(code + (bit >> 3)) >> (int)(bit & 7);
                uint consumed = DecodeSymbol<TEdge>(k, current, left, up, hasUp, shiftOf, contexts, table, states, log, ref word);
                consumed += DecodeSymbol<TEdge>(k + 1, current, left, up, hasUp, shiftOf, contexts, table, states, log, ref word);
                consumed += DecodeSymbol<TEdge>(k + 2, current, left, up, hasUp, shiftOf, contexts, table, states, log, ref word);
                consumed += DecodeSymbol<TEdge>(k + 3, current, left, up, hasUp, shiftOf, contexts, table, states, log, ref word);
                bit += (byte)consumed;
            }

            for (; k < lanes; k++)
            {
                ulong word = ReadWord(code + (bit >> 3)) >> (int)(bit & 7);
                bit += (byte)DecodeSymbol<TEdge>(k, current, left, up, hasUp, shiftOf, contexts, table, states, log, ref word);
            }

            left = current;
            current += stride;
            up += stride;
        }

        return bit;
    }

    // The distribution of a symbol is that of its channel and of the class of its neighbours' sum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Context<TEdge>(nint lane, byte* left, byte* up, byte* hasUp, byte* shiftOf, uint* contexts)
        where TEdge : struct, IEdge
    {
        uint before = left[lane], above = up[lane];
        if (TEdge.Exists) above = before ^ ((before ^ above) & hasUp[lane]);
        return (nint)((contexts[lane] >> shiftOf[before + above]) & ((1u << DistributionBits) - 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void EncodeSymbol<TEdge>(
        nint lane, byte* current, byte* left, byte* up, byte* hasUp, byte* shiftOf, uint* contexts, uint* steps, ushort* next, uint* states,
        int symbolBits, int log, ref ulong pending, ref int filled)
        where TEdge : struct, IEdge
    {
        nint distribution = Context<TEdge>(lane, left, up, hasUp, shiftOf, contexts);
        uint step = steps[(distribution << symbolBits) + current[lane]];
        uint state = states[lane];
        int bits = TansTable.Bits(step, state);
        pending = (pending << bits) | Low(state, (uint)bits);
        filled += bits;
        states[lane] = next[(distribution << log) + (nint)(state >> bits) + TansTable.Offset(step)];
    }

    /// <returns>The table's entry, the number of bits read in the lowest byte.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint DecodeSymbol<TEdge>(
        nint lane, byte* current, byte* left, byte* up, byte* hasUp, byte* shiftOf, uint* contexts, uint* table, uint* states, int log, ref ulong word)
        where TEdge : struct, IEdge
    {
        uint entry = table[(Context<TEdge>(lane, left, up, hasUp, shiftOf, contexts) << log) + (nint)states[lane]];
        states[lane] = (entry >> 16) + (uint)Low(word, entry);
        word >>= (int)entry;
        current[lane] = (byte)(entry >> 8);
        return entry;
    }

    // The instruction looks at the lowest byte of the count only.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Low(ulong word, uint count) =>
        Bmi2.X64.IsSupported ? Bmi2.X64.ZeroHighBits(word, count) : word & ((1UL << (int)count) - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong ReadWord(byte* source)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(source);
        return BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
    }

    private interface IEdge
    {
        static abstract bool Exists { get; }
    }

    private readonly struct NoEdge : IEdge
    {
        public static bool Exists => false;
    }

    private readonly struct HasEdge : IEdge
    {
        public static bool Exists => true;
    }

    /// <summary>One row of every lane, in columns.</summary>
    private struct Row
    {
        /// <summary>Distributions by class, of each lane's plane.</summary>
        public uint* Contexts;

        /// <summary>All bits set where a lane has a row above.</summary>
        public byte* HasUp;

        /// <summary>What takes the place of the left neighbours of the first column.</summary>
        public byte* BeforeFirst;

        public byte* Current;
        public byte* Up;
        public byte* ShiftOf;
    }

    /// <summary>Writes bit fields backwards: each lies before the one written before it.</summary>
    private struct BitWriter
    {
        public ulong Pending;
        public int Filled;
        public byte* Target;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Put(ulong value, int bits)
        {
            Pending = (Pending << bits) | value;
            Filled += bits;
            Flush();
        }

        // Stores a whole word, of which only the full bytes at its end count; the next store overwrites the rest.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Flush()
        {
            ulong word = Pending << (64 - Filled);
            Unsafe.WriteUnaligned(Target - sizeof(ulong), BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
            Target -= Filled >> 3;
            Filled &= 7;
        }

        /// <summary>Fills the first byte up with zeros below the fields.</summary>
        public void Finish()
        {
            if (Filled > 0) *--Target = (byte)(Pending << (8 - Filled));
        }
    }
}
