using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>A block-sparse convolution with packed weights; see <see cref="BlockConv{TSimd,TVector}"/>.</summary>
/// <remarks>Loop order inside a part of the work: band of rows, row, tile of pixels, output block, kept tap.</remarks>
internal sealed unsafe class PreparedBlockConv<TSimd, TVector> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private const long BandInputBytes = 256 * 1024;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly InputWindow _window;
    private readonly ChannelEpilogue _epilogue;
    private readonly bool _hasResidual;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _offsets;
    private readonly AlignedBuffer _counts;
    private readonly int _outputBlocks;
    private readonly int _rows;
    private readonly int _rowPixels;
    private readonly int _bandRows;
    private readonly TilePlan.Split _tiles;
    private readonly delegate*<BlockTile*, void> _bigTile;
    private readonly delegate*<BlockTile*, void> _smallTile;
    private readonly double _cycles;

    public PreparedBlockConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _hasResidual = epilogue.HasResidual;
        _outputBlocks = (shape.OutChannels + TSimd.Lanes - 1) / TSimd.Lanes;
        _epilogue = new ChannelEpilogue(epilogue, bias, shape.OutChannels, TSimd.Lanes, TSimd.Lanes);
        _window = new InputWindow(shape, TSimd.Lanes, (shape.InChannels + TSimd.Lanes - 1) / TSimd.Lanes);
        (_rows, _rowPixels) = _window.Flattens ? (1, shape.OutHeight * shape.OutWidth) : (shape.OutHeight, shape.OutWidth);
        _tiles = TilePlan.Balance(_rowPixels, SparseConvCost.MostTilePixels((VectorWidth)TSimd.Lanes));
        _bigTile = BlockTiles<TSimd, TVector>.Get(_tiles.Size);
        _smallTile = _tiles.Small > 0 ? BlockTiles<TSimd, TVector>.Get(_tiles.Size - 1) : null;

        long rowInput = (long)_window.InputBlocks * TSimd.Lanes * sizeof(float) * shape.StrideY * shape.InWidth;
        int bandRows = _window.Copies ? (int)Math.Clamp(BandInputBytes / rowInput, 1, _rows) : _rows;
        int bands = (_rows + bandRows - 1) / bandRows;
        _bandRows = (_rows + bands - 1) / bands;

        int kept = Kept(weights);
        _weights = new AlignedBuffer((long)kept * TSimd.Lanes * sizeof(float));
        _offsets = new AlignedBuffer((long)kept * sizeof(int));
        _counts = new AlignedBuffer((long)_outputBlocks * sizeof(int));
        MultiplyAdds = (long)kept * TSimd.Lanes * shape.Batch * shape.OutHeight * shape.OutWidth;
        Pack(weights);
        _cycles = SparseConvCost.BlockCycles(shape, (VectorWidth)TSimd.Lanes, (double)kept * TSimd.Lanes / shape.WeightCount);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override long MultiplyAdds { get; }

    private int Taps => _shape.InChannels / _shape.Groups * _shape.KernelHeight * _shape.KernelWidth;

    /// <summary>Whether the offsets of an image fit 31 bits.</summary>
    public static bool Addresses(ConvShape shape) =>
        ((long)shape.InChannels + TSimd.Lanes) * (shape.InHeight + shape.PadTop + shape.PadBottom) * (shape.InWidth + shape.PadLeft + shape.PadRight + shape.StrideX) < int.MaxValue;

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => Math.Max(1, threads) * _window.BandBytes(_bandRows);

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        var operands = new Operands(input, _hasResidual ? residual : null, output, scratch);
        int parts = _cycles < SparseConvCost.ParallelCycles ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(operands, 0, 1);
            return;
        }

        Job job = _job ??= new Job();
        job.Set(this, operands, parts);
        workers.Run(job, parts);
    }

    private int Kept(ReadOnlySpan<float> weights)
    {
        int kept = 0;
        for (int block = 0; block < _outputBlocks; block++)
        {
            for (int tap = 0; tap < Taps; tap++) kept += IsKept(weights, block, tap) ? 1 : 0;
        }

        return kept;
    }

    private bool IsKept(ReadOnlySpan<float> weights, int block, int tap)
    {
        int end = Math.Min((block + 1) * TSimd.Lanes, _shape.OutChannels);
        for (int output = block * TSimd.Lanes; output < end; output++)
        {
            if (weights[(output * Taps) + tap] != 0) return true;
        }

        return false;
    }

    private void Pack(ReadOnlySpan<float> weights)
    {
        var target = (float*)_weights.Pointer;
        var offset = (int*)_offsets.Pointer;
        var counts = (int*)_counts.Pointer;
        int kernelTaps = _window.TapOffsets.Length;
        nint blockFloats = _window.BlockFloats(_bandRows);
        for (int block = 0; block < _outputBlocks; block++)
        {
            int firstOutput = block * TSimd.Lanes;
            int outputs = Math.Min(TSimd.Lanes, _shape.OutChannels - firstOutput);
            int firstInput = firstOutput / (_shape.OutChannels / _shape.Groups) * (_shape.InChannels / _shape.Groups);
            for (int tap = 0; tap < Taps; tap++)
            {
                if (!IsKept(weights, block, tap)) continue;
                int input = firstInput + (tap / kernelTaps);
                *offset++ = (int)((input / TSimd.Lanes * blockFloats) + _window.TapOffsets[tap % kernelTaps] + (input % TSimd.Lanes));
                for (int lane = 0; lane < outputs; lane++) target[lane] = weights[((firstOutput + lane) * Taps) + tap];
                target += TSimd.Lanes;
                counts[block]++;
            }
        }
    }

    // The unit of work is a row, or a tile where all pixels form one row.
    private void RunPart(Operands operands, int part, int parts)
    {
        int unitsPerImage = _window.Flattens ? _tiles.Big + _tiles.Small : _rows;
        long units = (long)_shape.Batch * unitsPerImage;
        var unit = (int)(units * part / parts);
        var end = (int)(units * (part + 1) / parts);
        byte* scratch = operands.Scratch + (part * _window.BandBytes(_bandRows));
        while (unit < end)
        {
            int image = unit / unitsPerImage;
            int first = unit % unitsPerImage;
            int count = Math.Min(end - unit, unitsPerImage - first);
            if (!_window.Flattens) count = Math.Min(count, _bandRows);
            float* input = operands.Input + ((nint)image * _window.InputBlocks * TSimd.Lanes * _shape.InHeight * _shape.InWidth);
            nint output = (nint)image * _outputBlocks * TSimd.Lanes * _shape.OutHeight * _shape.OutWidth;
            if (_window.Flattens) RunTiles(operands, input, output, first, count);
            else RunBand(operands, input, output, first, count, (float*)scratch);
            unit += count;
        }
    }

    private void RunBand(Operands operands, float* image, nint output, int firstRow, int rows, float* scratch)
    {
        // Offsets are made for bands of one size; the last band starts earlier to be as large as the others.
        int bandStart = Math.Min(firstRow, _rows - _bandRows);
        float* input = _window.Open(image, scratch, bandStart, _bandRows, 0, _window.InputBlocks) + ((firstRow - bandStart) * _window.RowStep);
        for (int row = firstRow; row < firstRow + rows; row++, input += _window.RowStep)
            RunTiles(operands, input, output + ((nint)row * _rowPixels * TSimd.Lanes), 0, _tiles.Big + _tiles.Small);
    }

    private void RunTiles(Operands operands, float* input, nint output, int firstTile, int tiles)
    {
        int pixel = firstTile <= _tiles.Big ? firstTile * _tiles.Size : (_tiles.Big * _tiles.Size) + ((firstTile - _tiles.Big) * (_tiles.Size - 1));
        output += (nint)pixel * TSimd.Lanes;
        var tile = new BlockTile
        {
            Input = input + ((nint)pixel * TSimd.Lanes),
            Offsets = (int*)_offsets.Pointer,
            Weights = (float*)_weights.Pointer,
            Counts = (int*)_counts.Pointer,
            Bias = _epilogue.Bias,
            Minimum = _epilogue.Minimum,
            Maximum = _epilogue.Maximum,
            Residual = operands.Residual == null ? null : operands.Residual + output,
            Output = operands.Output + output,
            OutputStride = (nint)_shape.OutHeight * _shape.OutWidth * TSimd.Lanes,
            Blocks = _outputBlocks,
            Tiles = Math.Clamp(_tiles.Big - firstTile, 0, tiles),
        };
        if (tile.Tiles > 0)
        {
            _bigTile(&tile);
            nint done = (nint)tile.Tiles * _tiles.Size * TSimd.Lanes;
            tile.Input += done;
            tile.Output += done;
            if (tile.Residual != null) tile.Residual += done;
        }

        tile.Tiles = tiles - tile.Tiles;
        if (tile.Tiles > 0) _smallTile(&tile);
    }

    private readonly struct Operands(float* input, float* residual, float* output, byte* scratch)
    {
        public readonly float* Input = input;
        public readonly float* Residual = residual;
        public readonly float* Output = output;
        public readonly byte* Scratch = scratch;
    }

    private sealed class Job : IParallelWork
    {
        private PreparedBlockConv<TSimd, TVector>? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedBlockConv<TSimd, TVector> owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
