using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Gemm;

/// <summary>
/// The loops around the micro-kernel of a matrix product. It is the micro-kernel of the 1x1 convolution: rows of A are
/// pixels, columns of A are input channels in blocks, columns of B are output channels.
/// </summary>
/// <remarks>
/// Loop order inside a part of the work: band of rows of A, copied to blocks of one vector of columns; group of columns
/// of B; chunk of rows of B; register tiles. The last columns, where a whole vector would leave the row of C, go through
/// a tile in scratch memory.
/// </remarks>
internal static unsafe class GemmLoops<TSimd, TVector, TLanes>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const long BandBytes = 192 * 1024;
    private const int ChunkRows = 512;
    private const double ParallelMultiplyAdds = 300_000;

    [ThreadStatic]
    private static Job? _job;

    private static VectorWidth Width => (VectorWidth)TLanes.Value;

    private static int TileFloats => TilePlan.MaxPixels(VectorWidth.Vector512, 1) * TilePlan.MaxBlocks * TLanes.Value;

    /// <summary>See <see cref="Gemm.ScratchBytes"/>.</summary>
    public static long ScratchBytes(int rows, PackedMatrix matrix, int threads) => threads * PartScratchBytes(rows, matrix);

    /// <summary>See <see cref="Gemm.Run"/>.</summary>
    public static void Run(in GemmOperands operands, PackedMatrix matrix, WorkerSet workers)
    {
        int parts = (double)operands.Rows * matrix.Rows * matrix.Columns < ParallelMultiplyAdds ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(operands, matrix, 0, 1);
            return;
        }

        Job job = _job ??= new Job();
        job.Set(operands, matrix, parts);
        workers.Run(job, parts);
        job.Set(default, null, 0);
    }

    private static long PartScratchBytes(int rows, PackedMatrix matrix) =>
        (((long)BandRows(rows, matrix) * PaddedDepth(matrix)) + TileFloats + 15) / 16 * 16 * sizeof(float);

    private static int PaddedDepth(PackedMatrix matrix) => (matrix.Rows + TLanes.Value - 1) / TLanes.Value * TLanes.Value;

    private static int BandRows(int rows, PackedMatrix matrix)
    {
        int tile = TilePlan.MaxPixels(Width, matrix.Blocks(0));
        long most = Math.Max(1, BandBytes / sizeof(float) / PaddedDepth(matrix) / tile) * tile;
        return (int)Math.Min(rows, most);
    }

    private static void RunPart(in GemmOperands operands, PackedMatrix matrix, int part, int parts)
    {
        bool byColumns = matrix.GroupCount >= parts && (operands.Rows < parts || matrix.Columns > operands.Rows);
        int firstRow = byColumns ? 0 : (int)((long)operands.Rows * part / parts);
        int endRow = byColumns ? operands.Rows : (int)((long)operands.Rows * (part + 1) / parts);
        int firstGroup = byColumns ? matrix.GroupCount * part / parts : 0;
        int endGroup = byColumns ? matrix.GroupCount * (part + 1) / parts : matrix.GroupCount;
        int bandRows = BandRows(operands.Rows, matrix);
        float* scratch = (float*)(operands.Scratch + (part * PartScratchBytes(operands.Rows, matrix)));
        for (int row = firstRow; row < endRow; row += bandRows)
            RunBand(operands, matrix, row, Math.Min(bandRows, endRow - row), firstGroup, endGroup, scratch + TileFloats, scratch);
    }

    private static void RunBand(
        in GemmOperands operands, PackedMatrix matrix, int firstRow, int rows, int firstGroup, int endGroup, float* band, float* edge)
    {
        float* a = PackRows(operands, matrix.Rows, firstRow, rows, band);
        ChannelEpilogue epilogue = matrix.ColumnEpilogue;
        nint noOffset = 0;
        nint cStart = firstRow * operands.CStride;
        var tile = new ConvTile
        {
            InputBlockStride = (nint)rows * TLanes.Value,
            TapOffsets = &noOffset,
            Taps = 1,
        };
        for (int group = firstGroup; group < endGroup; group++)
        {
            int blocks = matrix.Blocks(group);
            int column = matrix.FirstBlock(group) * TLanes.Value;
            int columns = Math.Min(blocks * TLanes.Value, matrix.Columns - column);
            TilePlan.Split split = TilePlan.Balance(rows, TilePlan.MaxPixels(Width, blocks));
            for (int depth = 0; depth < matrix.Rows; depth += ChunkRows)
            {
                bool first = depth == 0, last = depth + ChunkRows >= matrix.Rows;
                tile.Channels = Math.Min(ChunkRows, matrix.Rows - depth);
                tile.Weights = matrix.Group(group) + ((nint)depth * blocks * TLanes.Value);
                tile.Input = a + ((nint)depth * rows);
                tile.Bias = first ? epilogue.Bias + column : epilogue.Zero;
                tile.Minimum = last ? epilogue.Minimum + column : epilogue.Lowest;
                tile.Maximum = last ? epilogue.Maximum + column : epilogue.Highest;
                tile.Output = operands.C + cStart + column;
                float* addend = first ? operands.Addend : operands.C;
                tile.Addend = addend == null ? null : addend + cStart + column;
                tile.OutputBlockStride = TLanes.Value;
                tile.OutputPitch = operands.CStride;
                if (columns == blocks * TLanes.Value) RunTiles(ref tile, blocks, split);
                else RunEdgeTiles(ref tile, blocks, split, columns, edge);
            }
        }
    }

    private static void RunTiles(ref ConvTile arguments, int blocks, TilePlan.Split split)
    {
        ConvTile tile = arguments;
        tile.Tiles = split.Big;
        tile.InputStep = (nint)split.Size * TLanes.Value;
        tile.OutputStep = split.Size * tile.OutputPitch;
        MicroKernel(blocks, split.Size)(&tile);
        if (split.Small == 0) return;
        nint rows = (nint)split.Big * split.Size;
        tile.Input += rows * TLanes.Value;
        tile.Output += rows * tile.OutputPitch;
        if (tile.Addend != null) tile.Addend += rows * tile.OutputPitch;
        tile.Tiles = split.Small;
        tile.InputStep -= TLanes.Value;
        tile.OutputStep -= tile.OutputPitch;
        MicroKernel(blocks, split.Size - 1)(&tile);
    }

    private static void RunEdgeTiles(ref ConvTile arguments, int blocks, TilePlan.Split split, int columns, float* edge)
    {
        ConvTile tile = arguments;
        float* c = tile.Output;
        float* addend = tile.Addend;
        nint stride = tile.OutputPitch;
        tile.Output = edge;
        tile.Addend = addend == null ? null : edge;
        tile.OutputPitch = (nint)blocks * TLanes.Value;
        tile.Tiles = 1;
        for (int i = 0; i < split.Big + split.Small; i++)
        {
            int rows = i < split.Big ? split.Size : split.Size - 1;
            if (addend != null)
            {
                for (int row = 0; row < rows; row++, addend += stride)
                    new ReadOnlySpan<float>(addend, columns).CopyTo(new Span<float>(edge + (row * tile.OutputPitch), columns));
            }

            MicroKernel(blocks, rows)(&tile);
            tile.Input += (nint)rows * TLanes.Value;
            for (int row = 0; row < rows; row++, c += stride)
                new ReadOnlySpan<float>(edge + (row * tile.OutputPitch), columns).CopyTo(new Span<float>(c, columns));
        }
    }

    private static delegate*<ConvTile*, void> MicroKernel(int blocks, int rows) =>
        DirectTiles<TSimd, TVector, TLanes, TLanes, N0>.Get(blocks, rows);

    /// <summary>Copies rows of A to [column block][row][column of the block]; a single row is in that order already.</summary>
    private static float* PackRows(in GemmOperands operands, int depth, int firstRow, int rows, float* band)
    {
        if (rows == 1 && !operands.Transposed) return operands.A + (firstRow * operands.AStride);
        float* target = band;
        for (int column = 0; column < depth; column += TLanes.Value)
        {
            int columns = Math.Min(TLanes.Value, depth - column);
            if (operands.Transposed)
            {
                for (int i = 0; i < columns; i++)
                {
                    float* source = operands.A + ((column + i) * operands.AStride) + firstRow;
                    for (int row = 0; row < rows; row++) target[(row * TLanes.Value) + i] = source[row];
                }
            }
            else
            {
                float* source = operands.A + (firstRow * operands.AStride) + column;
                for (int row = 0; row < rows; row++, source += operands.AStride)
                {
                    if (columns == TLanes.Value) TSimd.Store(target + (row * TLanes.Value), TSimd.Load(source));
                    else for (int i = 0; i < columns; i++) target[(row * TLanes.Value) + i] = source[i];
                }
            }

            target += (nint)rows * TLanes.Value;
        }

        return band;
    }

    private sealed class Job : IParallelWork
    {
        private GemmOperands _operands;
        private PackedMatrix? _matrix;
        private int _parts;

        public void Set(in GemmOperands operands, PackedMatrix? matrix, int parts)
        {
            _operands = operands;
            _matrix = matrix;
            _parts = parts;
        }

        public void Execute(int part) => RunPart(_operands, _matrix!, part, _parts);
    }
}
