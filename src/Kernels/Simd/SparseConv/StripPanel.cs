using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Deals what a tile reads of a chunk of input channels to the lanes of vectors, with the padding written out: one copy of the
/// rows for each kernel column, shifted by it, so that every tap is a run of whole vectors at an aligned address.
/// </summary>
/// <remarks>
/// A vector that crosses a cache line costs two loads, and each is loaded once for every weight that multiplies it; shifted
/// copies pay for the crossing once. Rows of a copy are grouped by their number modulo the vertical stride, so that what
/// neighbouring output rows read is neighbouring too; groups that no tap meets are left out.
/// </remarks>
internal sealed unsafe class StripPanel
{
    private const int FloatsPerLine = 16;

    // Copies that are written side by side, so that a row is read once and its loop turns rarely.
    private const int MostCopies = 3;

    private readonly ConvShape _shape;
    private readonly StripGrid _grid;
    private readonly int _tileRows;
    private readonly int _chunkChannels;
    private readonly int[] _rowPhases;
    private readonly int _rowsPerPhase;
    private readonly int _copyFloats;
    private readonly int _channelFloats;
    private readonly AlignedBuffer _masks;

    /// <summary>Plans panels of one size.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="grid">How pixels are dealt to lanes.</param>
    /// <param name="tileRows">Most rows of a tile.</param>
    /// <param name="chunkChannels">Input channels of each group that are dealt at a time.</param>
    public StripPanel(ConvShape shape, StripGrid grid, int tileRows, int chunkChannels)
    {
        _shape = shape;
        _grid = grid;
        _tileRows = tileRows;
        _chunkChannels = chunkChannels;
        _rowPhases = RowPhases(shape);
        _rowsPerPhase = RowsPerPhase(shape, tileRows);
        _copyFloats = _rowPhases.Length * _rowsPerPhase * grid.Lanes;
        // An odd number of cache lines spreads the channels over all cache sets.
        _channelFloats = ((((shape.KernelWidth * _copyFloats) + FloatsPerLine - 1) / FloatsPerLine) | 1) * FloatsPerLine;
        int copies = grid.Strips * shape.KernelWidth;
        _masks = new AlignedBuffer((long)copies * grid.SegmentPixels * sizeof(int));
        for (int copy = 0; copy < copies; copy++)
        {
            for (int pixel = 0; pixel < grid.SegmentPixels; pixel++)
            {
                int x = FirstColumn(copy / shape.KernelWidth, copy % shape.KernelWidth) + (pixel * shape.StrideX);
                ((int*)_masks.Pointer)[(copy * grid.SegmentPixels) + pixel] = (uint)x < (uint)shape.InWidth ? -1 : 0;
            }
        }
    }

    /// <summary>Bytes of a panel and of the plan of a tile, a multiple of 64.</summary>
    public long Bytes => PanelBytes + (((PlannedRuns * sizeof(Run)) + 63L) / 64 * 64);

    private long PanelBytes => (long)_shape.Groups * _chunkChannels * _channelFloats * sizeof(float);

    private int PlannedRuns => (_shape.KernelWidth + MostCopies - 1) / MostCopies * _rowPhases.Length * _grid.Segments;

    /// <summary>Bytes that a tile of <paramref name="tileRows"/> vectors reads of an input channel.</summary>
    public static long TileBytes(ConvShape shape, StripGrid grid, int tileRows) =>
        (long)shape.KernelWidth * RowPhases(shape).Length * RowsPerPhase(shape, tileRows) * grid.Lanes * sizeof(float);

    /// <summary>Runs of rows that a channel's copies consist of.</summary>
    public static int Runs(ConvShape shape, StripGrid grid) => shape.KernelWidth * RowPhases(shape).Length * grid.Segments;

    /// <summary>Floats from an output vector to what a tap of an input channel reads there.</summary>
    public int TapOffset(int channel, int ky, int kx)
    {
        int groupInputs = _shape.InChannels / _shape.Groups;
        int slot = (channel / groupInputs * _chunkChannels) + (channel % groupInputs % _chunkChannels);
        int y = ky * _shape.DilationY;
        int row = (Array.IndexOf(_rowPhases, y % _shape.StrideY) * _rowsPerPhase) + (y / _shape.StrideY);
        return (slot * _channelFloats) + (kx * _copyFloats) + (row * _grid.Lanes);
    }

    /// <summary>Plans what all channels of a tile read.</summary>
    /// <param name="strip">Strip of the tile.</param>
    /// <param name="firstRow">First row of the tile.</param>
    /// <param name="rows">Rows of the tile.</param>
    /// <param name="memory">Memory of <see cref="Bytes"/>, aligned to 64.</param>
    public void Plan(int strip, int firstRow, int rows, byte* memory)
    {
        var run = (Run*)(memory + PanelBytes);
        int pixels = _grid.SegmentPixels, stride = _shape.StrideY, dealt = _rowsPerPhase - _tileRows + rows;
        for (int kx = 0; kx < _shape.KernelWidth; kx += MostCopies)
        {
            for (int phase = 0; phase < _rowPhases.Length; phase++)
            {
                for (int segment = 0; segment < _grid.Segments; segment++, run++)
                {
                    int y = (((segment * _grid.Height) + firstRow) * stride) + _rowPhases[phase] - _shape.PadTop;
                    int above = Math.Min(y >= 0 ? 0 : (stride - 1 - y) / stride, dealt);
                    int end = Math.Clamp((_shape.InHeight - y + stride - 1) / stride, above, dealt);
                    *run = new Run
                    {
                        Source = (nint)(y + (above * stride)) * _shape.InWidth,
                        Target = (kx * _copyFloats) + (phase * _rowsPerPhase * _grid.Lanes) + (segment * pixels),
                        Mask = (float*)_masks.Pointer + (((strip * _shape.KernelWidth) + kx) * pixels),
                        Copies = Math.Min(MostCopies, _shape.KernelWidth - kx),
                        Above = above,
                        Inside = end - above,
                        Below = dealt - end,
                    };
                    for (int copy = 0; copy < run->Copies; copy++)
                    {
                        // Pixels beside the image are masked, but reading them must not lead out of the input.
                        int x = FirstColumn(strip, kx + copy);
                        bool isBeside = x >= _shape.InWidth || x + ((pixels - 1) * _shape.StrideX) < 0;
                        bool isTwoApart = _shape.StrideX == 2;
                        run->First[copy] = isBeside ? 0 : isTwoApart && x + pixels <= 0 ? x + pixels : x;
                        run->Second[copy] = isBeside ? 0 : isTwoApart && x + pixels < _shape.InWidth ? x + pixels : x;
                    }
                }
            }
        }
    }

    /// <summary>Deals what the planned tile reads of a chunk.</summary>
    /// <param name="image">The input of one image, NCHW; a vector before and after the whole input is readable.</param>
    /// <param name="chunk">Chunk of the input channels of every group.</param>
    /// <param name="memory">Memory of <see cref="Bytes"/>, aligned to 64; the panel lies at its start.</param>
    public void Deal(float* image, int chunk, byte* memory)
    {
        switch (_grid.SegmentPixels)
        {
            case 16: Deal<Simd512, Vector512<float>>(image, chunk, memory); break;
            case 8: Deal<Simd256, Vector256<float>>(image, chunk, memory); break;
            case 4: Deal<Simd128, Vector128<float>>(image, chunk, memory); break;
            default: Deal<SimdScalar, float>(image, chunk, memory); break;
        }
    }

    private static int[] RowPhases(ConvShape shape) =>
        [.. Enumerable.Range(0, shape.KernelHeight).Select(tap => tap * shape.DilationY % shape.StrideY).Distinct().Order()];

    private static int RowsPerPhase(ConvShape shape, int tileRows) => tileRows + ((shape.KernelHeight - 1) * shape.DilationY / shape.StrideY);

    private int FirstColumn(int strip, int kx) => (strip * _grid.SegmentPixels * _shape.StrideX) + (kx * _shape.DilationX) - _shape.PadLeft;

    private void Deal<TSimd, TVector>(float* image, int chunk, byte* memory)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        int groupInputs = _shape.InChannels / _shape.Groups;
        int firstChannel = chunk * _chunkChannels, channels = Math.Min(_chunkChannels, groupInputs - firstChannel);
        var runs = (Run*)(memory + PanelBytes);
        for (int group = 0; group < _shape.Groups; group++)
        {
            float* source = image + ((nint)((group * groupInputs) + firstChannel) * _shape.InHeight * _shape.InWidth);
            float* target = (float*)memory + ((nint)group * _chunkChannels * _channelFloats);
            for (Run* run = runs; run < runs + PlannedRuns; run++)
            {
                float* from = source + run->Source, to = target + run->Target;
                if (run->Copies == MostCopies && _shape.StrideX == 1)
                {
                    DealNeighbours<TSimd, TVector>(run, from, to, channels);
                    continue;
                }

                for (int copy = 0; copy < run->Copies; copy++, to += _copyFloats) DealCopy<TSimd, TVector>(run, copy, from, to, channels);
            }
        }
    }

    // Three copies side by side; few variables, so that all stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private void DealNeighbours<TSimd, TVector>(Run* run, float* source, float* target, int channels)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        nint plane = (nint)_shape.InHeight * _shape.InWidth, step = (nint)_shape.StrideY * _shape.InWidth;
        nint lanes = _grid.Lanes, copyFloats = _copyFloats, channelFloats = _channelFloats;
        TVector mask0 = TSimd.Load(run->Mask), mask1 = TSimd.Load(run->Mask + TSimd.Lanes), mask2 = TSimd.Load(run->Mask + (2 * TSimd.Lanes));
        source += run->First[0];
        nint second = run->First[1] - run->First[0], third = run->First[2] - run->First[0];
        for (; channels > 0; channels--, source += plane, target += channelFloats)
        {
            float* from = source, to = target;
            for (int row = run->Above; row > 0; row--, to += lanes) StoreCopies<TSimd, TVector>(to, copyFloats, TSimd.Zero, TSimd.Zero, TSimd.Zero);
            for (int row = run->Inside; row > 0; row--, from += step, to += lanes)
            {
                StoreCopies<TSimd, TVector>(to, copyFloats, TSimd.Masked(TSimd.Load(from), mask0), TSimd.Masked(TSimd.Load(from + second), mask1), TSimd.Masked(TSimd.Load(from + third), mask2));
            }

            for (int row = run->Below; row > 0; row--, to += lanes) StoreCopies<TSimd, TVector>(to, copyFloats, TSimd.Zero, TSimd.Zero, TSimd.Zero);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreCopies<TSimd, TVector>(float* target, nint distance, TVector first, TVector second, TVector third)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TSimd.Store(target, first);
        TSimd.Store(target + distance, second);
        TSimd.Store(target + (2 * distance), third);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DealCopy<TSimd, TVector>(Run* run, int copy, float* source, float* target, int channels)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        nint plane = (nint)_shape.InHeight * _shape.InWidth, step = (nint)_shape.StrideY * _shape.InWidth, strideX = _shape.StrideX;
        nint lanes = _grid.Lanes, channelFloats = _channelFloats, second = run->Second[copy] - run->First[copy];
        float* mask = run->Mask + (copy * TSimd.Lanes);
        TVector vectorMask = TSimd.Load(mask);
        source += run->First[copy];
        for (; channels > 0; channels--, source += plane, target += channelFloats)
        {
            float* from = source, to = target;
            for (int row = run->Above; row > 0; row--, to += lanes) TSimd.Store(to, TSimd.Zero);
            int inside = run->Inside;
            if (strideX == 1)
            {
                for (; inside > 0; inside--, from += step, to += lanes) TSimd.Store(to, TSimd.Masked(TSimd.Load(from), vectorMask));
            }
            else if (strideX == 2)
            {
                for (; inside > 0; inside--, from += step, to += lanes)
                    TSimd.Store(to, TSimd.Masked(TSimd.Even(TSimd.Load(from), TSimd.Load(from + second)), vectorMask));
            }
            else
            {
                for (; inside > 0; inside--, from += step, to += lanes)
                {
                    for (int lane = 0; lane < TSimd.Lanes; lane++) to[lane] = ((int*)mask)[lane] != 0 ? from[lane * strideX] : 0;
                }
            }

            for (int row = run->Below; row > 0; row--, to += lanes) TSimd.Store(to, TSimd.Zero);
        }
    }

    /// <summary>What some copies take of one segment and row phase of a channel.</summary>
    private struct Run
    {
        /// <summary>Floats from the channel's first pixel to the first row inside the image.</summary>
        public nint Source;

        /// <summary>Floats from the channel's panel to the first vector of the first copy.</summary>
        public nint Target;

        /// <summary>All bits of the pixels inside the image, of every copy.</summary>
        public float* Mask;

        /// <summary>Floats from the first pixel of a row to that of each copy.</summary>
        public fixed int First[MostCopies];

        /// <summary>The same for the second half of the pixels, where they are two apart.</summary>
        public fixed int Second[MostCopies];

        /// <summary>Copies.</summary>
        public int Copies;

        /// <summary>Rows above the image.</summary>
        public int Above;

        /// <summary>Rows inside the image.</summary>
        public int Inside;

        /// <summary>Rows below the image.</summary>
        public int Below;
    }
}
