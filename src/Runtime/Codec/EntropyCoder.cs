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
/// 16-bit numbers, or 32-bit ones where a payload could exceed 65,535 bytes. The encoder works backwards, from the last symbol and the end of its buffer.
/// </remarks>
internal sealed unsafe class EntropyCoder
{
    private const int ManyLanes = 4;
    private const int SymbolsForManyLanes = 8192;

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
        ((((long)_grid.Count * _log) + 7) / 8) + (_lanes * 16L),
        _grid.Count + (((long)_grid.Width * _log) / 8) + 32));

    /// <summary>Codes symbols.</summary>
    /// <param name="symbols">The symbols of one feature.</param>
    /// <param name="payload">Receives the code.</param>
    /// <param name="work"><see cref="WorkBytes"/> of memory.</param>
    /// <param name="zeros">A row of zeros.</param>
    /// <returns>Length of the code; 0 when it does not fit the payload.</returns>
    public int Encode(byte* symbols, Span<byte> payload, byte* work, byte* zeros)
    {
        int header = (_lanes - 1) * _lengthBytes;
        byte* end = work + WorkBytes;
        byte* start = end;
        // The last lane is coded first, because the buffer fills from its end.
        Span<int> lengths = stackalloc int[ManyLanes];
        for (int lane = _lanes - 1; lane >= 0; lane--)
        {
            byte* next = EncodeLane(symbols, FirstRow(lane), FirstRow(lane + 1), start, zeros);
            lengths[lane] = (int)(start - next);
            start = next;
        }

        var total = (int)(end - start);
        if (header + total > payload.Length) return 0;
        for (int lane = 0; lane < _lanes - 1; lane++)
        {
            Span<byte> field = payload[(lane * _lengthBytes)..];
            if (_lengthBytes == sizeof(ushort)) BinaryPrimitives.WriteUInt16LittleEndian(field, (ushort)lengths[lane]);
            else BinaryPrimitives.WriteInt32LittleEndian(field, lengths[lane]);
        }

        new ReadOnlySpan<byte>(start, total).CopyTo(payload[header..]);
        return header + total;
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
        if (payload.Length <= header) throw new InvalidDataException($"Payload: {payload.Length} bytes are too few for {_lanes} lanes.");

        // Reads run past a damaged lane for up to a row before it is noticed; behind the copy there is room for that.
        payload[header..].CopyTo(new Span<byte>(work, WorkBytes));
        byte* start = work;
        byte* end = work + payload.Length - header;
        Lane* lanes = stackalloc Lane[ManyLanes];
        for (int i = 0; i < _lanes; i++)
        {
            long length = end - start;
            if (i < _lanes - 1)
            {
                ReadOnlySpan<byte> field = payload[(i * _lengthBytes)..];
                length = _lengthBytes == sizeof(ushort) ? BinaryPrimitives.ReadUInt16LittleEndian(field) : BinaryPrimitives.ReadUInt32LittleEndian(field);
            }

            if (length < 1 || length > end - start || *start == 0) throw new InvalidDataException($"Payload: lane {i} of {length} bytes is damaged.");
            lanes[i] = new Lane { Bits = start, EndBit = length * 8, Bit = BitOperations.TrailingZeroCount(*start) + 1, Row = FirstRow(i), EndRow = FirstRow(i + 1) };
            lanes[i].State = Read(ref lanes[i], _log);
            start += length;
        }

        fixed (byte* classOf = _classOf)
        fixed (byte* contexts = _contexts)
        {
            if (_lanes == ManyLanes)
            {
                int common = _grid.Rows / ManyLanes;
                for (int i = 0; i < common; i++) DecodeFourRows(lanes, symbols, zeros, classOf, contexts);
            }

            for (int i = 0; i < _lanes; i++)
            {
                while (lanes[i].Row < lanes[i].EndRow) DecodeRow(ref lanes[i], symbols, zeros, classOf, contexts, FirstRow(i));
                if (lanes[i].Bit != lanes[i].EndBit || lanes[i].State != 0) throw new InvalidDataException($"Payload: lane {i} is damaged.");
            }
        }
    }

    private int FirstRow(int lane) => (int)((long)_grid.Rows * lane / _lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Read(ref Lane lane, int bits)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(lane.Bits + (lane.Bit >> 3));
        if (!BitConverter.IsLittleEndian) word = BinaryPrimitives.ReverseEndianness(word);
        uint value = (uint)(word >> (int)(lane.Bit & 7)) & ((1u << bits) - 1);
        lane.Bit += bits;
        return value;
    }

    // The context's distribution is that of the symbol's channel and of the class of its neighbours' sum.
    private byte* EncodeLane(byte* symbols, int firstRow, int endRow, byte* target, byte* zeros)
    {
        int width = _grid.Width;
        uint state = 1u << _log;
        ulong pending = 0;
        int filled = 0;
        var steps = (TansTable.EncoderStep*)_steps.Pointer;
        var states = (ushort*)_states.Pointer;
        fixed (byte* classOf = _classOf)
        fixed (byte* contexts = _contexts)
        {
            for (int row = endRow - 1; row >= firstRow; row--)
            {
                byte* current = symbols + ((nint)row * width);
                byte* up = HasUp(row, firstRow) ? current - width : zeros;
                byte* context = contexts + ((nint)(row / _grid.Height) * _classes);
                for (int x = width - 1; x >= 0; x--)
                {
                    int left = x > 0 ? current[x - 1] : 0;
                    nint distribution = context[classOf[left + up[x]]];
                    TansTable.EncoderStep step = steps[(distribution * _levels) + current[x]];
                    int bits = (int)(state + (uint)step.DeltaBits) >> 16;
                    pending = (pending << bits) | (state & ((1u << bits) - 1));
                    filled += bits;
                    state = states[(distribution << _log) + (int)(state >> bits) + step.DeltaState];
                    if (filled < 32) continue;
                    filled -= 32;
                    target -= sizeof(uint);
                    Unsafe.WriteUnaligned(target, LittleEndian((uint)(pending >> filled)));
                }
            }
        }

        pending = (((pending << _log) | (state & ((1u << _log) - 1))) << 1) | 1;
        filled += _log + 1;
        int bytes = (filled + 7) / 8;
        pending <<= (bytes * 8) - filled;
        target -= bytes;
        for (int i = 0; i < bytes; i++) target[i] = (byte)(pending >> (8 * i));
        return target;
    }

    private static uint LittleEndian(uint value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    // Lanes are independent: the first row of a lane does not look at the row above, which belongs to another one.
    private bool HasUp(int row, int firstRow) => row != firstRow && row % _grid.Height != 0;

    private void DecodeRow(ref Lane lane, byte* symbols, byte* zeros, byte* classOf, byte* contexts, int firstRow)
    {
        int width = _grid.Width;
        byte* current = symbols + ((nint)lane.Row * width);
        byte* up = HasUp(lane.Row, firstRow) ? current - width : zeros;
        byte* context = contexts + ((nint)(lane.Row / _grid.Height) * _classes);
        var table = (uint*)_decoder.Pointer;
        uint left = 0;
        for (int x = 0; x < width; x++)
        {
            uint entry = table[((nint)context[classOf[left + up[x]]] << _log) + (nint)lane.State];
            left = entry >> 24;
            current[x] = (byte)left;
            lane.State = (entry & 0xFFFF) + Read(ref lane, (int)(entry >> 16) & 0xFF);
        }

        lane.Row++;
        CheckPosition(lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DecodeFourRows(Lane* lanes, byte* symbols, byte* zeros, byte* classOf, byte* contexts)
    {
        for (int i = 0; i < ManyLanes; i++) DecodeRow(ref lanes[i], symbols, zeros, classOf, contexts, FirstRow(i));
    }

    private static void CheckPosition(in Lane lane)
    {
        if (lane.Bit > lane.EndBit) throw new InvalidDataException($"Payload: the code ends before row {lane.Row}.");
    }

    private struct Lane
    {
        public byte* Bits;
        public long Bit;
        public long EndBit;
        public uint State;
        public int Row;
        public int EndRow;
    }
}
