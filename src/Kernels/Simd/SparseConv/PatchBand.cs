using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Deals some rows of every patch of an NCHW image to the lanes of vectors, with the padding written out, so that each
/// kernel tap of an output vector is one vector at a constant distance.
/// </summary>
/// <remarks>
/// A channel is stored as rows of vectors. Rows are grouped by their number modulo the vertical stride and columns by theirs
/// modulo the horizontal stride, so that neighbouring output vectors read neighbouring input vectors; groups that no tap
/// meets are left out. Four lanes and four columns at a time are transposed in registers.
/// </remarks>
internal sealed unsafe class PatchBand
{
    private const int Piece = 4;
    private const int FloatsPerLine = 16;

    private readonly ConvShape _shape;
    private readonly LanePatches _patches;
    private readonly int _lanes;
    private readonly int[] _rowPhases;
    private readonly int[] _columnPhases;
    private readonly int _rowsPerPhase;
    private readonly int _columnsPerPhase;
    private readonly int _pieces;
    private readonly bool[] _insideColumns;
    private readonly AlignedBuffer _columnSlots;
    private readonly AlignedBuffer _columnOffsets;
    private readonly AlignedBuffer _columnMasks;

    /// <summary>Plans bands of one size.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="patches">How pixels are dealt to lanes.</param>
    /// <param name="rows">Rows of each patch that are computed at a time.</param>
    public PatchBand(ConvShape shape, LanePatches patches, int rows)
    {
        _shape = shape;
        _patches = patches;
        _lanes = patches.Lanes;
        Rows = rows;
        _rowPhases = Phases(shape.KernelHeight, shape.DilationY, shape.StrideY);
        _columnPhases = Phases(shape.KernelWidth, shape.DilationX, shape.StrideX);
        _rowsPerPhase = rows + ((shape.KernelHeight - 1) * shape.DilationY / shape.StrideY);
        _columnsPerPhase = patches.Width + ((shape.KernelWidth - 1) * shape.DilationX / shape.StrideX);

        int columns = ((_columnsPerPhase - 1) * shape.StrideX) + _columnPhases[^1] + 1;
        _pieces = (columns + Piece - 1) / Piece;
        int used = _columnPhases.Length * _columnsPerPhase;
        // Columns that no tap meets and those beyond the last go to one vector behind the row.
        RowVectors = used == _pieces * Piece ? used : used + 1;
        int lines = ((_rowPhases.Length * _rowsPerPhase * RowVectors * _lanes) + FloatsPerLine - 1) / FloatsPerLine;
        // An odd number of cache lines spreads the channels over all cache sets.
        ChannelFloats = (lines | 1) * FloatsPerLine;

        _columnSlots = new AlignedBuffer((long)_pieces * Piece * sizeof(int));
        _columnOffsets = new AlignedBuffer((long)_pieces * _lanes * sizeof(int));
        _columnMasks = new AlignedBuffer((long)_pieces * Piece * _lanes * sizeof(int));
        _insideColumns = new bool[_pieces];
        PlanColumns(used);
    }

    /// <summary>Rows of each patch that are computed at a time.</summary>
    public int Rows { get; }

    /// <summary>Vectors between the input of neighbouring output rows.</summary>
    public int RowVectors { get; }

    /// <summary>Floats between input channels.</summary>
    public int ChannelFloats { get; }

    /// <summary>Bytes of the dealt channels.</summary>
    public long BandBytes => (long)_shape.InChannels * ChannelFloats * sizeof(float);

    /// <summary>Bytes of scratch memory, a multiple of 64: the band, then tables and a plane with room around it.</summary>
    public long ScratchBytes => BandBytes + TableBytes + PlaneBytes;

    private int RowSlots => _rowPhases.Length * _rowsPerPhase;

    private long TableBytes => (((long)RowSlots * (_pieces + 1) * _lanes * sizeof(int)) + 63) / 64 * 64;

    private long PlaneBytes => ((((long)_shape.InHeight * _shape.InWidth) + (2 * Piece)) * sizeof(float) + 63) / 64 * 64;

    /// <summary>Bytes of one input channel for one output row of every patch, rows shared with the next one left out.</summary>
    public static long RowBytes(ConvShape shape, LanePatches patches)
    {
        int columns = ((patches.Width - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        return (long)columns * Math.Min(shape.StrideY, shape.KernelHeight) * patches.Lanes * sizeof(float);
    }

    /// <summary>Vectors of one input channel that a tile of <paramref name="vectors"/> output vectors reads.</summary>
    public int TileVectors(int vectors)
    {
        var read = new HashSet<int>();
        for (int ky = 0; ky < _shape.KernelHeight; ky++)
        {
            for (int kx = 0; kx < _shape.KernelWidth; kx++)
            {
                for (int vector = 0; vector < vectors; vector++) read.Add((TapOffset(0, ky, kx) / _lanes) + vector);
            }
        }

        return read.Count;
    }

    /// <summary>Floats from an output vector of the band to what a tap of an input channel reads there.</summary>
    public int TapOffset(int channel, int ky, int kx) =>
        (channel * ChannelFloats) + (((Slot(ky * _shape.DilationY, _shape.StrideY, _rowPhases, _rowsPerPhase) * RowVectors)
            + Slot(kx * _shape.DilationX, _shape.StrideX, _columnPhases, _columnsPerPhase)) * _lanes);

    /// <summary>Deals what <paramref name="rows"/> rows of every patch read, from row <paramref name="firstRow"/> on.</summary>
    /// <param name="input">The whole input, NCHW.</param>
    /// <param name="image">Image of the batch.</param>
    /// <param name="firstRow">First output row of the patches.</param>
    /// <param name="rows">Output rows, at most <see cref="Rows"/>.</param>
    /// <param name="scratch">Memory of <see cref="ScratchBytes"/>; the band lies at its start.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Deal(float* input, int image, int firstRow, int rows, byte* scratch)
    {
        var band = (float*)scratch;
        var offsets = (int*)(scratch + BandBytes);
        int* rowMasks = offsets + (RowSlots * _pieces * _lanes);
        float* guarded = (float*)(scratch + BandBytes + TableBytes) + Piece;
        PlanRows(firstRow, offsets, rowMasks);
        int dealt = _rowsPerPhase - Rows + rows;
        nint plane = (nint)_shape.InHeight * _shape.InWidth;
        nint before = image * _shape.InChannels * plane;
        nint all = _shape.Batch * _shape.InChannels * plane;
        for (int channel = 0; channel < _shape.InChannels; channel++, band += ChannelFloats, before += plane)
        {
            float* source = input + before;
            // Loads at the edges of a row reach into its neighbours, of which the first and the last plane lack one.
            if (before < Piece || all - before - plane < Piece)
            {
                new ReadOnlySpan<float>(source, (int)plane).CopyTo(new Span<float>(guarded, (int)plane));
                source = guarded;
            }

            if (_lanes == 1) DealScalars(source, band, offsets, rowMasks, dealt);
            else if (_lanes == 16 && Avx512F.IsSupported) DealWide(source, band, offsets, rowMasks, dealt);
            else DealVectors(source, band, offsets, rowMasks, dealt);
        }
    }

    private static int[] Phases(int taps, int dilation, int stride) =>
        [.. Enumerable.Range(0, taps).Select(tap => tap * dilation % stride).Distinct().Order()];

    private static int Slot(int position, int stride, int[] phases, int perPhase) =>
        (Array.IndexOf(phases, position % stride) * perPhase) + (position / stride);

    private void PlanColumns(int used)
    {
        var slots = (int*)_columnSlots.Pointer;
        var offsets = (int*)_columnOffsets.Pointer;
        var masks = (int*)_columnMasks.Pointer;
        Array.Fill(_insideColumns, true);
        for (int column = 0; column < _pieces * Piece; column++)
        {
            bool read = Array.IndexOf(_columnPhases, column % _shape.StrideX) >= 0 && column / _shape.StrideX < _columnsPerPhase;
            slots[column] = (read ? Slot(column, _shape.StrideX, _columnPhases, _columnsPerPhase) : used) * _lanes;
            for (int lane = 0; lane < _lanes; lane++)
            {
                int x = (lane % _patches.GridColumns * _patches.Width * _shape.StrideX) + column - _shape.PadLeft;
                bool inside = (uint)x < (uint)_shape.InWidth;
                masks[(column * _lanes) + lane] = inside ? -1 : 0;
                _insideColumns[column / Piece] &= inside || !read;
                if (column % Piece == 0) offsets[(column / Piece * _lanes) + lane] = Math.Clamp(x, 1 - Piece, _shape.InWidth - 1);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PlanRows(int firstRow, int* offsets, int* masks)
    {
        var columnOffsets = (int*)_columnOffsets.Pointer;
        for (int slot = 0; slot < RowSlots; slot++)
        {
            int row = ((firstRow + (slot % _rowsPerPhase)) * _shape.StrideY) + _rowPhases[slot / _rowsPerPhase] - _shape.PadTop;
            for (int lane = 0; lane < _lanes; lane++)
            {
                int y = (lane / _patches.GridColumns * _patches.Height * _shape.StrideY) + row;
                masks[(slot * _lanes) + lane] = (uint)y < (uint)_shape.InHeight ? -1 : 0;
                int start = Math.Clamp(y, 0, _shape.InHeight - 1) * _shape.InWidth;
                for (int piece = 0; piece < _pieces; piece++)
                    offsets[(((slot * _pieces) + piece) * _lanes) + lane] = start + columnOffsets[(piece * _lanes) + lane];
            }
        }
    }

    // Four columns of all sixteen lanes at a time: each quarter of a register is transposed like a 4 x 4 tile.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DealWide(float* plane, float* target, int* offset, int* rowMasks, int dealt)
    {
        var slots = (int*)_columnSlots.Pointer;
        var masks = (float*)_columnMasks.Pointer;
        for (int row = 0; row < RowSlots; row++, target += RowVectors * 16, rowMasks += 16)
        {
            if (row % _rowsPerPhase >= dealt)
            {
                offset += _pieces * 16;
                continue;
            }

            Vector512<float> rowMask = Vector512.Load((float*)rowMasks);
            bool insideRows = Vector512.EqualsAll(rowMask.AsInt32(), Vector512<int>.AllBitsSet);
            for (int piece = 0; piece < _pieces; piece++, offset += 16)
            {
                Vector512<float> row0 = LoadQuarters(plane, offset);
                Vector512<float> row1 = LoadQuarters(plane, offset + 1);
                Vector512<float> row2 = LoadQuarters(plane, offset + 2);
                Vector512<float> row3 = LoadQuarters(plane, offset + 3);
                TileTranspose.InQuarters(ref row0, ref row1, ref row2, ref row3);
                int first = piece * Piece;
                if (!insideRows || !_insideColumns[piece])
                {
                    float* mask = masks + (first * 16);
                    row0 &= rowMask & Vector512.Load(mask);
                    row1 &= rowMask & Vector512.Load(mask + 16);
                    row2 &= rowMask & Vector512.Load(mask + 32);
                    row3 &= rowMask & Vector512.Load(mask + 48);
                }

                row0.Store(target + slots[first]);
                row1.Store(target + slots[first + 1]);
                row2.Store(target + slots[first + 2]);
                row3.Store(target + slots[first + 3]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LoadQuarters(float* plane, int* offset) => Vector512.Create(
        Vector256.Create(Vector128.Load(plane + offset[0]), Vector128.Load(plane + offset[4])),
        Vector256.Create(Vector128.Load(plane + offset[8]), Vector128.Load(plane + offset[12])));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DealVectors(float* plane, float* target, int* offset, int* rowMasks, int dealt)
    {
        int lanes = _lanes;
        var slots = (int*)_columnSlots.Pointer;
        var masks = (float*)_columnMasks.Pointer;
        for (int row = 0; row < RowSlots; row++, target += RowVectors * lanes, rowMasks += lanes)
        {
            if (row % _rowsPerPhase >= dealt)
            {
                offset += _pieces * lanes;
                continue;
            }

            for (int piece = 0; piece < _pieces; piece++, offset += lanes)
            {
                for (int lane = 0; lane < lanes; lane += 4)
                {
                    Vector128<float> rowMask = Vector128.Load((float*)rowMasks + lane);
                    bool insideRows = (rowMasks[lane] & rowMasks[lane + 1] & rowMasks[lane + 2] & rowMasks[lane + 3]) != 0;
                    Vector128<float> column0 = Vector128.Load(plane + offset[lane]);
                    Vector128<float> column1 = Vector128.Load(plane + offset[lane + 1]);
                    Vector128<float> column2 = Vector128.Load(plane + offset[lane + 2]);
                    Vector128<float> column3 = Vector128.Load(plane + offset[lane + 3]);
                    TileTranspose.InRegisters(ref column0, ref column1, ref column2, ref column3);
                    int first = piece * Piece;
                    if (!insideRows || !_insideColumns[piece])
                    {
                        float* mask = masks + (first * lanes) + lane;
                        column0 &= rowMask & Vector128.Load(mask);
                        column1 &= rowMask & Vector128.Load(mask + lanes);
                        column2 &= rowMask & Vector128.Load(mask + (2 * lanes));
                        column3 &= rowMask & Vector128.Load(mask + (3 * lanes));
                    }

                    column0.Store(target + slots[first] + lane);
                    column1.Store(target + slots[first + 1] + lane);
                    column2.Store(target + slots[first + 2] + lane);
                    column3.Store(target + slots[first + 3] + lane);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DealScalars(float* plane, float* target, int* offset, int* rowMasks, int dealt)
    {
        var slots = (int*)_columnSlots.Pointer;
        var masks = (int*)_columnMasks.Pointer;
        for (int row = 0; row < RowSlots; row++, target += RowVectors)
        {
            if (row % _rowsPerPhase >= dealt) continue;
            for (int column = 0; column < _pieces * Piece; column++)
            {
                bool inside = (rowMasks[row] & masks[column]) != 0;
                target[slots[column]] = inside ? plane[offset[(row * _pieces) + (column / Piece)] + (column % Piece)] : 0;
            }
        }
    }
}
