using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Codec;

/// <summary>
/// Codes the symbols of a payload with the static tables of an <see cref="EntropyModel"/>. Larger payloads are cut into
/// four lanes of rows that are coded independently, so that four chains of dependent table look-ups overlap.
/// </summary>
/// <remarks>
/// A lane's bit string begins with zero bits up to the first 1, then the first state, then the bits of each symbol in order;
/// it ends exactly at a byte, in state 0. With four lanes, the lengths of the first three precede the bit strings, as
/// 16-bit numbers, or 32-bit ones where a payload could exceed 65,535 bytes. The encoder works backwards, from the last
/// symbol and the end of its buffer.
/// </remarks>
internal sealed unsafe class EntropyCoder
{
    private const int ManyLanes = 4;
    private const int SymbolsForManyLanes = 4096;

    private readonly SymbolGrid _grid;
    private readonly int _log;
    private readonly int _levels;
    private readonly int _classes;
    private readonly int _lanes;
    private readonly int _lengthBytes;
    private readonly byte[] _classOf;
    private readonly byte[] _contexts;
    private readonly AlignedBuffer _decoder;
    private readonly AlignedBuffer _steps;
    private readonly AlignedBuffer _states;

    public EntropyCoder(SymbolGrid grid, int bits, EntropyModel model, int maxPayloadBytes)
    {
        _grid = grid;
        _log = model.Log;
        _levels = 1 << bits;
        _classes = model.ClassCount;
        _lanes = grid.Count >= SymbolsForManyLanes && grid.Rows >= ManyLanes ? ManyLanes : 1;
        _lengthBytes = maxPayloadBytes <= ushort.MaxValue ? sizeof(ushort) : sizeof(uint);
        _classOf = EntropyModel.ClassTable(model.Thresholds, _levels);
        _contexts = Array.ConvertAll(model.Contexts, context => (byte)context);
        int distributions = model.Frequencies.Length;
        int length = 1 << _log;
        _decoder = new AlignedBuffer((long)distributions * length * sizeof(uint));
        _steps = new AlignedBuffer((long)distributions * _levels * sizeof(TansTable.EncoderStep));
        _states = new AlignedBuffer((long)distributions * length * sizeof(ushort));
        for (int d = 0; d < distributions; d++)
        {
            TansTable.FillDecoder(model.Frequencies[d], _log, new Span<uint>((uint*)_decoder.Pointer + ((nint)d * length), length));
            TansTable.FillEncoder(
                model.Frequencies[d],
                _log,
                new Span<TansTable.EncoderStep>((TansTable.EncoderStep*)_steps.Pointer + ((nint)d * _levels), _levels),
                new Span<ushort>((ushort*)_states.Pointer + ((nint)d * length), length));
        }
    }

    /// <summary>Working memory that <see cref="Encode"/> and <see cref="Decode"/> need, in bytes.</summary>
    /// <remarks>A symbol takes at most log bits; a damaged lane is noticed only at the end of a row.</remarks>
    public int WorkBytes => checked((int)Math.Max(
        (long)_lanes * LaneBytes,
        _grid.Count + (((long)_grid.Width * _log) / 8) + 32));

    private long LaneBytes => ((((((long)_grid.Rows / _lanes) + 1) * _grid.Width * _log) + 7) / 8) + 16;

    /// <summary>Codes symbols.</summary>
    /// <param name="symbols">The symbols of one feature.</param>
    /// <param name="payload">Receives the code.</param>
    /// <param name="work"><see cref="WorkBytes"/> of memory.</param>
    /// <param name="zeros">A row of zeros.</param>
    /// <returns>Length of the code; 0 when it does not fit the payload.</returns>
    public int Encode(byte* symbols, Span<byte> payload, byte* work, byte* zeros)
    {
        int header = (_lanes - 1) * _lengthBytes;
        EncoderLane* lanes = stackalloc EncoderLane[ManyLanes];
        for (int i = 0; i < _lanes; i++)
            lanes[i] = new EncoderLane { State = 1u << _log, Target = work + ((i + 1) * LaneBytes), FirstRow = FirstRow(i), Row = FirstRow(i + 1) - 1 };
        fixed (byte* classOf = _classOf)
        fixed (byte* contexts = _contexts)
        {
            var tables = new Tables(classOf, contexts, symbols, zeros);
            if (_lanes == ManyLanes)
            {
                for (int i = 0; i < _grid.Rows / ManyLanes; i++) EncodeFourRows(lanes, tables);
            }

            for (int i = 0; i < _lanes; i++)
            {
                while (lanes[i].Row >= lanes[i].FirstRow) EncodeRow(ref lanes[i], tables);
                Finish(ref lanes[i]);
            }
        }

        int total = header;
        for (int i = 0; i < _lanes; i++)
        {
            var length = (int)(work + ((i + 1) * LaneBytes) - lanes[i].Target);
            if (length > payload.Length - total) return 0;
            if (i < _lanes - 1)
            {
                Span<byte> field = payload[(i * _lengthBytes)..];
                if (_lengthBytes == sizeof(ushort)) BinaryPrimitives.WriteUInt16LittleEndian(field, (ushort)length);
                else BinaryPrimitives.WriteInt32LittleEndian(field, length);
            }

            new ReadOnlySpan<byte>(lanes[i].Target, length).CopyTo(payload[total..]);
            total += length;
        }

        return total;
    }

    /// <summary>Restores symbols.</summary>
    /// <param name="payload">A code; at most as long as the grid has symbols.</param>
    /// <param name="symbols">Receives the symbols of one feature.</param>
    /// <param name="work"><see cref="WorkBytes"/> of memory.</param>
    /// <param name="zeros">A row of zeros.</param>
    /// <exception cref="InvalidDataException">The code is not one that <see cref="Encode"/> makes.</exception>
    public void Decode(ReadOnlySpan<byte> payload, byte* symbols, byte* work, byte* zeros)
    {
        int header = (_lanes - 1) * _lengthBytes;
        if (payload.Length <= header || payload.Length > _grid.Count + header)
            throw new InvalidDataException($"Payload: {payload.Length} bytes cannot be the code of {_grid.Count} symbols.");

        // Reads run past a damaged lane for up to a row before it is noticed; behind the copy there is room for that.
        payload[header..].CopyTo(new Span<byte>(work, WorkBytes));
        long start = 0, end = payload.Length - header;
        DecoderLane* lanes = stackalloc DecoderLane[ManyLanes];
        for (int i = 0; i < _lanes; i++)
        {
            long length = end - start;
            if (i < _lanes - 1)
            {
                ReadOnlySpan<byte> field = payload[(i * _lengthBytes)..];
                length = _lengthBytes == sizeof(ushort) ? BinaryPrimitives.ReadUInt16LittleEndian(field) : BinaryPrimitives.ReadUInt32LittleEndian(field);
            }

            if (length < 1 || length > end - start || work[start] == 0) throw Damaged(i);
            long bit = (start * 8) + BitOperations.TrailingZeroCount(work[start]) + 1;
            start += length;
            lanes[i] = new DecoderLane { EndBit = start * 8, FirstRow = FirstRow(i), Row = FirstRow(i), EndRow = FirstRow(i + 1) };
            lanes[i].State = Read(work, ref bit, _log);
            lanes[i].Bit = bit;
        }

        fixed (byte* classOf = _classOf)
        fixed (byte* contexts = _contexts)
        {
            var tables = new Tables(classOf, contexts, symbols, zeros);
            if (_lanes == ManyLanes)
            {
                for (int i = 0; i < _grid.Rows / ManyLanes; i++)
                {
                    DecodeFourRows(lanes, work, tables);
                    for (int lane = 0; lane < ManyLanes; lane++)
                    {
                        if (lanes[lane].Bit > lanes[lane].EndBit) throw Damaged(lane);
                    }
                }
            }

            for (int i = 0; i < _lanes; i++)
            {
                while (lanes[i].Row < lanes[i].EndRow)
                {
                    DecodeRow(ref lanes[i], work, tables);
                    if (lanes[i].Bit > lanes[i].EndBit) throw Damaged(i);
                }

                if (lanes[i].Bit != lanes[i].EndBit || lanes[i].State != 0) throw Damaged(i);
            }
        }
    }

    private static InvalidDataException Damaged(int lane) => new($"Payload: lane {lane} is damaged.");

    private int FirstRow(int lane) => (int)((long)_grid.Rows * lane / _lanes);

    // Lanes are independent: the first row of a lane does not look at the row above, which belongs to another one.
    private byte* RowAbove(int row, int firstRow, Tables tables) =>
        row != firstRow && row % _grid.Height != 0 ? tables.Symbols + ((nint)(row - 1) * _grid.Width) : tables.Zeros;

    private byte* ContextsOf(int row, Tables tables) => tables.Contexts + ((nint)(row / _grid.Height) * _classes);

    private void EncodeRow(ref EncoderLane lane, Tables tables)
    {
        byte* current = tables.Symbols + ((nint)lane.Row * _grid.Width);
        byte* up = RowAbove(lane.Row, lane.FirstRow, tables);
        byte* contexts = ContextsOf(lane.Row, tables);
        uint state = lane.State;
        ulong pending = lane.Pending;
        int filled = lane.Filled;
        byte* target = lane.Target;
        for (int x = _grid.Width - 1; x >= 0; x--) EncodeSymbol(ref state, ref pending, ref filled, ref target, Context(current, up, x, tables.ClassOf, contexts), current[x]);
        lane = lane with { State = state, Pending = pending, Filled = filled, Target = target, Row = lane.Row - 1 };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EncodeFourRows(EncoderLane* lanes, Tables tables)
    {
        byte* classOf = tables.ClassOf;
        byte* aRow = tables.Symbols + ((nint)lanes[0].Row * _grid.Width), aUp = RowAbove(lanes[0].Row, lanes[0].FirstRow, tables), aContexts = ContextsOf(lanes[0].Row, tables);
        byte* bRow = tables.Symbols + ((nint)lanes[1].Row * _grid.Width), bUp = RowAbove(lanes[1].Row, lanes[1].FirstRow, tables), bContexts = ContextsOf(lanes[1].Row, tables);
        byte* cRow = tables.Symbols + ((nint)lanes[2].Row * _grid.Width), cUp = RowAbove(lanes[2].Row, lanes[2].FirstRow, tables), cContexts = ContextsOf(lanes[2].Row, tables);
        byte* dRow = tables.Symbols + ((nint)lanes[3].Row * _grid.Width), dUp = RowAbove(lanes[3].Row, lanes[3].FirstRow, tables), dContexts = ContextsOf(lanes[3].Row, tables);
        uint aState = lanes[0].State, bState = lanes[1].State, cState = lanes[2].State, dState = lanes[3].State;
        ulong aPending = lanes[0].Pending, bPending = lanes[1].Pending, cPending = lanes[2].Pending, dPending = lanes[3].Pending;
        int aFilled = lanes[0].Filled, bFilled = lanes[1].Filled, cFilled = lanes[2].Filled, dFilled = lanes[3].Filled;
        byte* aTarget = lanes[0].Target, bTarget = lanes[1].Target, cTarget = lanes[2].Target, dTarget = lanes[3].Target;
        for (int x = _grid.Width - 1; x >= 0; x--)
        {
            EncodeSymbol(ref aState, ref aPending, ref aFilled, ref aTarget, Context(aRow, aUp, x, classOf, aContexts), aRow[x]);
            EncodeSymbol(ref bState, ref bPending, ref bFilled, ref bTarget, Context(bRow, bUp, x, classOf, bContexts), bRow[x]);
            EncodeSymbol(ref cState, ref cPending, ref cFilled, ref cTarget, Context(cRow, cUp, x, classOf, cContexts), cRow[x]);
            EncodeSymbol(ref dState, ref dPending, ref dFilled, ref dTarget, Context(dRow, dUp, x, classOf, dContexts), dRow[x]);
        }

        lanes[0] = lanes[0] with { State = aState, Pending = aPending, Filled = aFilled, Target = aTarget, Row = lanes[0].Row - 1 };
        lanes[1] = lanes[1] with { State = bState, Pending = bPending, Filled = bFilled, Target = bTarget, Row = lanes[1].Row - 1 };
        lanes[2] = lanes[2] with { State = cState, Pending = cPending, Filled = cFilled, Target = cTarget, Row = lanes[2].Row - 1 };
        lanes[3] = lanes[3] with { State = dState, Pending = dPending, Filled = dFilled, Target = dTarget, Row = lanes[3].Row - 1 };
    }

    // The distribution of a symbol is that of its channel and of the class of its neighbours' sum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Context(byte* row, byte* up, int x, byte* classOf, byte* contexts) =>
        contexts[classOf[(x > 0 ? row[x - 1] : 0) + up[x]]];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void EncodeSymbol(ref uint state, ref ulong pending, ref int filled, ref byte* target, nint distribution, int symbol)
    {
        TansTable.EncoderStep step = ((TansTable.EncoderStep*)_steps.Pointer)[(distribution * _levels) + symbol];
        int bits = (int)(state + (uint)step.DeltaBits) >> 16;
        pending = (pending << bits) | (state & ((1u << bits) - 1));
        filled += bits;
        state = ((ushort*)_states.Pointer)[(distribution << _log) + (int)(state >> bits) + step.DeltaState];
        if (filled < 32) return;
        filled -= 32;
        target -= sizeof(uint);
        var word = (uint)(pending >> filled);
        Unsafe.WriteUnaligned(target, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
    }

    private void Finish(ref EncoderLane lane)
    {
        ulong pending = (((lane.Pending << _log) | (lane.State & ((1u << _log) - 1))) << 1) | 1;
        int filled = lane.Filled + _log + 1;
        int bytes = (filled + 7) / 8;
        pending <<= (bytes * 8) - filled;
        lane.Target -= bytes;
        for (int i = 0; i < bytes; i++) lane.Target[i] = (byte)(pending >> (8 * i));
    }

    private void DecodeRow(ref DecoderLane lane, byte* work, Tables tables)
    {
        byte* current = tables.Symbols + ((nint)lane.Row * _grid.Width);
        byte* up = RowAbove(lane.Row, lane.FirstRow, tables);
        byte* contexts = ContextsOf(lane.Row, tables);
        var table = (uint*)_decoder.Pointer;
        uint state = lane.State, left = 0;
        long bit = lane.Bit;
        for (int x = 0; x < _grid.Width; x++)
        {
            left = DecodeSymbol(table, contexts[tables.ClassOf[left + up[x]]], ref state, work, ref bit);
            current[x] = (byte)left;
        }

        lane.State = state;
        lane.Bit = bit;
        lane.Row++;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DecodeFourRows(DecoderLane* lanes, byte* work, Tables tables)
    {
        byte* classOf = tables.ClassOf;
        var table = (uint*)_decoder.Pointer;
        int width = _grid.Width;
        byte* aRow = tables.Symbols + ((nint)lanes[0].Row * width), aUp = RowAbove(lanes[0].Row, lanes[0].FirstRow, tables), aContexts = ContextsOf(lanes[0].Row, tables);
        byte* bRow = tables.Symbols + ((nint)lanes[1].Row * width), bUp = RowAbove(lanes[1].Row, lanes[1].FirstRow, tables), bContexts = ContextsOf(lanes[1].Row, tables);
        byte* cRow = tables.Symbols + ((nint)lanes[2].Row * width), cUp = RowAbove(lanes[2].Row, lanes[2].FirstRow, tables), cContexts = ContextsOf(lanes[2].Row, tables);
        byte* dRow = tables.Symbols + ((nint)lanes[3].Row * width), dUp = RowAbove(lanes[3].Row, lanes[3].FirstRow, tables), dContexts = ContextsOf(lanes[3].Row, tables);
        uint aState = lanes[0].State, bState = lanes[1].State, cState = lanes[2].State, dState = lanes[3].State;
        long aBit = lanes[0].Bit, bBit = lanes[1].Bit, cBit = lanes[2].Bit, dBit = lanes[3].Bit;
        uint aLeft = 0, bLeft = 0, cLeft = 0, dLeft = 0;
        for (int x = 0; x < width; x++)
        {
            aLeft = DecodeSymbol(table, aContexts[classOf[aLeft + aUp[x]]], ref aState, work, ref aBit);
            bLeft = DecodeSymbol(table, bContexts[classOf[bLeft + bUp[x]]], ref bState, work, ref bBit);
            cLeft = DecodeSymbol(table, cContexts[classOf[cLeft + cUp[x]]], ref cState, work, ref cBit);
            dLeft = DecodeSymbol(table, dContexts[classOf[dLeft + dUp[x]]], ref dState, work, ref dBit);
            aRow[x] = (byte)aLeft;
            bRow[x] = (byte)bLeft;
            cRow[x] = (byte)cLeft;
            dRow[x] = (byte)dLeft;
        }

        (lanes[0].State, lanes[1].State, lanes[2].State, lanes[3].State) = (aState, bState, cState, dState);
        (lanes[0].Bit, lanes[1].Bit, lanes[2].Bit, lanes[3].Bit) = (aBit, bBit, cBit, dBit);
        for (int i = 0; i < ManyLanes; i++) lanes[i].Row++;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint DecodeSymbol(uint* table, nint distribution, ref uint state, byte* work, ref long bit)
    {
        uint entry = table[(distribution << _log) + (nint)state];
        state = (entry & 0xFFFF) + Read(work, ref bit, (int)(entry >> 16) & 0xFF);
        return entry >> 24;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Read(byte* work, ref long bit, int bits)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(work + (bit >> 3));
        if (!BitConverter.IsLittleEndian) word = BinaryPrimitives.ReverseEndianness(word);
        uint value = (uint)(word >> (int)(bit & 7)) & ((1u << bits) - 1);
        bit += bits;
        return value;
    }

    private readonly struct Tables(byte* classOf, byte* contexts, byte* symbols, byte* zeros)
    {
        public readonly byte* ClassOf = classOf;
        public readonly byte* Contexts = contexts;
        public readonly byte* Symbols = symbols;
        public readonly byte* Zeros = zeros;
    }

    private struct EncoderLane
    {
        public uint State;
        public int Filled;
        public ulong Pending;
        public byte* Target;
        public int Row;
        public int FirstRow;
    }

    private struct DecoderLane
    {
        public uint State;
        public int FirstRow;
        public int Row;
        public int EndRow;
        public long Bit;
        public long EndBit;
    }
}
