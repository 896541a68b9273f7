using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A direct convolution with packed weights; see <see cref="DirectConv{TSimd,TVector,TLanes,TChannels}"/>.</summary>
/// <remarks>
/// Loop order inside a part of the work: band of rows, group of output channel blocks, chunk of input blocks, row, tiles.
/// A band's input stays in the second-level cache while all output channels are computed from it; a chunk's weights stay
/// in the first levels while the rows of the band pass. Between chunks the sums rest in the output.
/// </remarks>
internal sealed unsafe class PreparedDirectConv<TSimd, TVector, TLanes, TChannels> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
    where TChannels : IConstant
{
    private const long BandInputBytes = 192 * 1024;
    private const long FirstLevelWeightBytes = 20 * 1024;
    private const long SecondLevelWeightBytes = 128 * 1024;

    /// <summary>Tiles with fewer pixels read weights faster than the second-level cache delivers them.</summary>
    private const int StreamingPixels = 12;

    // Short rows share out evenly between threads: seven long ones among two would leave one of them idle for a seventh of the time.
    private const int FlatRowTiles = 4;
    private const int CacheLineBytes = 64;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly InputWindow _window;
    private readonly ChannelEpilogue _epilogue;
    private readonly bool _hasResidual;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _tapOffsets;
    private readonly AlignedBuffer _rowOffsets;
    private readonly int _taps;
    private readonly bool _hasRowTiles;
    private readonly OutputGroup[] _groups;
    private readonly RowTiles _fullRow;
    private readonly RowTiles _lastRow;
    private readonly int _rows;
    private readonly int _rowPixels;
    private readonly int _bandRows;
    private readonly int _chunkBlocks;
    private readonly int _groupInputs;
    private readonly nint _inputImage;
    private readonly nint _outputImage;
    private readonly nint _outputPlane;
    private readonly double _cycles;

    public PreparedDirectConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _hasResidual = epilogue.HasResidual;
        _epilogue = new ChannelEpilogue(epilogue, bias, shape.OutChannels, TLanes.Value, TilePlan.MaxBlocks * TLanes.Value);
        _groupInputs = shape.InChannels / shape.Groups;
        int inputBlocks = (shape.InChannels + TChannels.Value - 1) / TChannels.Value;
        _window = new InputWindow(shape, TChannels.Value, inputBlocks);
        _taps = shape.KernelHeight * shape.KernelWidth;
        _tapOffsets = Offsets(_window.TapOffsets);
        _rowOffsets = Offsets([.. _window.TapOffsets.Where((_, tap) => tap % shape.KernelWidth == 0)]);
        _hasRowTiles = DirectConvCost.HasRowTiles(shape);

        int pixels = shape.OutHeight * shape.OutWidth;
        int groupOutputs = shape.OutChannels / shape.Groups;
        int groupOutputBlocks = (groupOutputs + TLanes.Value - 1) / TLanes.Value;
        int width = _window.Flattens ? pixels : shape.OutWidth;
        int tileBlocks = DirectConvCost.TileCost(shape, Lanes, TChannels.Value).ChooseBlocks(width, groupOutputBlocks);
        _rowPixels = _window.Flattens ? Math.Min(pixels, FlatRowTiles * TilePlan.MaxPixels(Lanes, tileBlocks)) : shape.OutWidth;
        _rows = _window.Flattens ? (pixels + _rowPixels - 1) / _rowPixels : shape.OutHeight;
        _fullRow = new RowTiles(_rowPixels, _window.Pitch, _hasRowTiles);
        _lastRow = _window.Flattens ? new RowTiles(pixels - ((_rows - 1) * _rowPixels), _window.Pitch, _hasRowTiles) : _fullRow;

        _inputImage = (nint)inputBlocks * TChannels.Value * shape.InHeight * shape.InWidth;
        _outputPlane = (nint)pixels * TLanes.Value;
        _outputImage = (shape.OutChannels + TLanes.Value - 1) / TLanes.Value * _outputPlane;

        _groups = PlanGroups(groupOutputBlocks, tileBlocks);
        _weights = PackWeights(weights, groupOutputs);
        long blockWeights = (long)_taps * TChannels.Value * tileBlocks * TLanes.Value * sizeof(float);
        bool streams = TilePlan.Balance(_rowPixels, TilePlan.MaxPixels(Lanes, tileBlocks)).Size >= StreamingPixels;
        _chunkBlocks = (int)Math.Max(1, (streams ? SecondLevelWeightBytes : FirstLevelWeightBytes) / blockWeights);
        long rowInput = (long)inputBlocks * TChannels.Value * sizeof(float)
            * (_window.Flattens ? _rowPixels : (long)shape.StrideY * shape.InWidth);
        int bandRows = (int)Math.Clamp(BandInputBytes / rowInput, 1, _rows);
        int bands = (_rows + bandRows - 1) / bandRows;
        _bandRows = (_rows + bands - 1) / bands;
        _cycles = DirectConvCost.Cycles(shape, Lanes, TChannels.Value);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override long MultiplyAdds => _shape.MultiplyAdds;

    /// <inheritdoc/>
    public override bool AcceptsForeignMemory => true;

    private static VectorWidth Lanes => (VectorWidth)TLanes.Value;

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => Math.Max(1, threads) * _window.BandBytes(_bandRows);

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        if (!_hasResidual) residual = null;
        int parts = _cycles < DirectConvCost.ParallelCycles ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(new Operands(input, residual, output, scratch), 0, 1);
        }
        else
        {
            Job job = _job ??= new Job();
            job.Set(this, new Operands(input, residual, output, scratch), parts);
            workers.Run(job, parts);
            job.Set(null, default, 0);
        }

        // The micro-kernels hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    private OutputGroup[] PlanGroups(int groupOutputBlocks, int tileBlocks)
    {
        TilePlan.Split split = TilePlan.Balance(groupOutputBlocks, tileBlocks);
        var groups = new List<OutputGroup>();
        nint offset = 0;
        for (int group = 0; group < _shape.Groups; group++)
        {
            int block = group * groupOutputBlocks;
            for (int i = 0; i < split.Big + split.Small; i++)
            {
                int blocks = i < split.Big ? split.Size : split.Size - 1;
                groups.Add(new OutputGroup(block, blocks, group * (_groupInputs / TChannels.Value), offset));
                block += blocks;
                offset += (nint)blocks * TLanes.Value * _groupInputs * _taps;
            }
        }

        return [.. groups];
    }

    private static AlignedBuffer Offsets(nint[] offsets)
    {
        var buffer = new AlignedBuffer((long)offsets.Length * sizeof(nint));
        offsets.CopyTo(new Span<nint>(buffer.Pointer, offsets.Length));
        return buffer;
    }

    private AlignedBuffer PackWeights(ReadOnlySpan<float> weights, int groupOutputs)
    {
        OutputGroup last = _groups[^1];
        var buffer = new AlignedBuffer((last.Weights + ((nint)last.Blocks * TLanes.Value * _groupInputs * _taps)) * sizeof(float));
        float* target = (float*)buffer.Pointer;
        foreach (OutputGroup group in _groups)
        {
            int convGroup = group.FirstBlock * TLanes.Value / groupOutputs;
            int endOutput = Math.Min(_shape.OutChannels, (convGroup + 1) * groupOutputs);
            bool rowTiles = _hasRowTiles && group.Blocks == 1;
            for (int firstInput = 0; firstInput < _groupInputs; firstInput += TChannels.Value)
            {
                int channels = Math.Min(_groupInputs - firstInput, TChannels.Value);
                for (int step = 0; step < _taps * channels; step++)
                {
                    // A row tile takes the columns of a kernel row channel by channel, the others a tap of all channels.
                    int columns = rowTiles ? _shape.KernelWidth : 1;
                    int channel = firstInput + (step / columns % channels);
                    int tap = (step / (columns * channels) * columns) + (step % columns);
                    for (int lane = 0; lane < group.Blocks * TLanes.Value; lane++)
                    {
                        int outChannel = (group.FirstBlock * TLanes.Value) + lane;
                        *target++ = outChannel < endOutput ? weights[(((outChannel * _groupInputs) + channel) * _taps) + tap] : 0f;
                    }
                }
            }
        }

        return buffer;
    }

    private void RunPart(Operands operands, int part, int parts)
    {
        // Rows are shared out first: each thread then reads its own input. Few rows or weights that outweigh the input
        // are shared out by output channels instead.
        int units = _shape.Batch * _rows;
        bool byChannels = _groups.Length >= parts && (units < parts || _weights.Length > _inputImage * sizeof(float));
        int firstUnit = byChannels ? 0 : (int)((long)units * part / parts);
        int endUnit = byChannels ? units : (int)((long)units * (part + 1) / parts);
        int firstGroup = byChannels ? _groups.Length * part / parts : 0;
        int endGroup = byChannels ? _groups.Length * (part + 1) / parts : _groups.Length;
        float* scratch = (float*)(operands.Scratch + (part * _window.BandBytes(_bandRows)));

        for (int unit = firstUnit; unit < endUnit;)
        {
            int image = unit / _rows, row = unit % _rows;
            int rows = Math.Min(Math.Min(_bandRows, _rows - row), endUnit - unit);
            RunBand(operands, image, row, rows, firstGroup, endGroup, scratch);
            unit += rows;
        }
    }

    private void RunBand(Operands operands, int image, int firstRow, int rows, int firstGroup, int endGroup, float* scratch)
    {
        int blocks = (_groupInputs + TChannels.Value - 1) / TChannels.Value;
        int firstInput = _groups[firstGroup].FirstInputBlock;
        int inputBlocks = _groups[endGroup - 1].FirstInputBlock + blocks - firstInput;
        nint rowStep = _window.Flattens ? (nint)_rowPixels * TChannels.Value : _window.RowStep;
        float* inputImage = operands.Input + (image * _inputImage);
        float* input = _window.Flattens ? inputImage + (firstRow * rowStep)
            : _window.Open(inputImage, scratch, firstRow, rows, firstInput, inputBlocks);
        nint outputStart = (image * _outputImage) + ((nint)firstRow * _rowPixels * TLanes.Value);

        var tile = new ConvTile
        {
            InputBlockStride = _window.BlockFloats(rows),
            OutputBlockStride = _outputPlane,
        };

        for (int index = firstGroup; index < endGroup; index++)
        {
            OutputGroup group = _groups[index];
            int lanes = group.FirstBlock * TLanes.Value;
            nint outputOffset = outputStart + (group.FirstBlock * _outputPlane);
            bool rowTiles = _hasRowTiles && group.Blocks == 1;
            tile.TapOffsets = (nint*)(rowTiles ? _rowOffsets : _tapOffsets).Pointer;
            tile.Taps = rowTiles ? _shape.KernelHeight : _taps;
            tile.Weights = (float*)_weights.Pointer + group.Weights;
            for (int block = 0; block < blocks; block += _chunkBlocks)
            {
                bool first = block == 0, last = block + _chunkBlocks >= blocks;
                tile.Channels = Math.Min(_chunkBlocks * TChannels.Value, _groupInputs - (block * TChannels.Value));
                nint weights = (nint)tile.Channels * _taps * group.Blocks * TLanes.Value;
                tile.NextWeights = tile.Weights + weights;
                tile.PrefetchLines = PrefetchLines(weights, rows * _fullRow.Tiles(group.Blocks), tile.Channels, tile.Taps);
                tile.Bias = first ? _epilogue.Bias + lanes : _epilogue.Zero;
                tile.Minimum = last ? _epilogue.Minimum + lanes : _epilogue.Lowest;
                tile.Maximum = last ? _epilogue.Maximum + lanes : _epilogue.Highest;
                float* addend = first ? operands.Residual : operands.Output;
                float* chunkInput = input + ((group.FirstInputBlock + block) * tile.InputBlockStride);
                nint rowFloats = (nint)_rowPixels * TLanes.Value;
                for (int row = 0; row < rows;)
                {
                    nint at = outputOffset + (row * rowFloats);
                    tile.Input = chunkInput + (row * rowStep);
                    tile.Output = operands.Output + at;
                    tile.Addend = addend == null ? null : addend + at;
                    if (_lastRow == _fullRow && _fullRow.IsOneTile(group.Blocks))
                    {
                        _fullRow.RunColumn(&tile, group.Blocks, rows, rowStep, rowFloats);
                        break;
                    }

                    (firstRow + row == _rows - 1 ? _lastRow : _fullRow).RunRow(&tile, group.Blocks);
                    row++;
                }

                tile.Weights += weights;
            }
        }
    }

    /// <summary>
    /// Cache lines per tap and input block that bring in the next chunk's weights just in time. Weights that many tiles
    /// share are fetched by the first of them without being missed.
    /// </summary>
    private static int PrefetchLines(nint weights, int tiles, int channels, int taps)
    {
        nint lines = weights * sizeof(float) / CacheLineBytes;
        nint turns = (nint)tiles * taps * ((channels + TChannels.Value - 1) / TChannels.Value);
        return turns > 2 * lines ? 0 : (int)((lines + turns - 1) / turns);
    }

    private readonly struct Operands(float* input, float* residual, float* output, byte* scratch)
    {
        public readonly float* Input = input;
        public readonly float* Residual = residual;
        public readonly float* Output = output;
        public readonly byte* Scratch = scratch;
    }

    /// <summary>Output channel blocks that share a register tile.</summary>
    private readonly record struct OutputGroup(int FirstBlock, int Blocks, int FirstInputBlock, nint Weights);

    /// <summary>The micro-kernel calls that cover one row, for each number of channel blocks.</summary>
    private sealed class RowTiles
    {
        private readonly TilePlan.Split[] _splits = new TilePlan.Split[TilePlan.MaxBlocks + 1];
        private readonly nint[] _big = new nint[TilePlan.MaxBlocks + 1];
        private readonly nint[] _small = new nint[TilePlan.MaxBlocks + 1];
        private readonly int _pitch;
        private readonly bool _hasRowTiles;

        public RowTiles(int pixels, int pitch, bool hasRowTiles)
        {
            _pitch = pitch;
            _hasRowTiles = hasRowTiles;
            for (int blocks = 1; blocks <= TilePlan.MaxBlocks; blocks++)
            {
                TilePlan.Split split = TilePlan.Balance(pixels, TilePlan.MaxPixels(Lanes, blocks));
                _splits[blocks] = split;
                _big[blocks] = (nint)Tile(blocks, split.Size);
                if (split.Small > 0) _small[blocks] = (nint)Tile(blocks, split.Size - 1);
            }
        }

        /// <summary>Tiles of a row.</summary>
        public int Tiles(int blocks) => _splits[blocks].Big + _splits[blocks].Small;

        /// <summary>Whether a row is a single tile.</summary>
        public bool IsOneTile(int blocks) => _splits[blocks] is { Big: 1, Small: 0 };

        /// <summary>Runs the only tile of each of <paramref name="rows"/> rows.</summary>
        public void RunColumn(ConvTile* tile, int blocks, int rows, nint inputRowStep, nint outputRowStep)
        {
            tile->Tiles = rows;
            tile->InputStep = inputRowStep;
            tile->OutputStep = outputRowStep;
            ((delegate*<ConvTile*, void>)_big[blocks])(tile);
        }

        /// <summary>Runs the tiles of one row.</summary>
        public void RunRow(ConvTile* tile, int blocks)
        {
            TilePlan.Split split = _splits[blocks];
            tile->Tiles = split.Big;
            tile->InputStep = split.Size * _pitch;
            tile->OutputStep = split.Size * TLanes.Value;
            ((delegate*<ConvTile*, void>)_big[blocks])(tile);
            if (split.Small == 0) return;
            nint pixels = (nint)split.Big * split.Size;
            tile->Input += pixels * _pitch;
            tile->Output += pixels * TLanes.Value;
            if (tile->Addend != null) tile->Addend += pixels * TLanes.Value;
            tile->Tiles = split.Small;
            tile->InputStep -= _pitch;
            tile->OutputStep -= TLanes.Value;
            ((delegate*<ConvTile*, void>)_small[blocks])(tile);
        }

        private delegate*<ConvTile*, void> Tile(int blocks, int pixels)
        {
            if (_hasRowTiles && blocks == 1) return DirectRowTiles<TSimd, TVector, TChannels>.Get(pixels);
            return _pitch == TChannels.Value ? DirectTiles<TSimd, TVector, TChannels, TChannels, TLanes>.Get(blocks, pixels)
                : DirectTiles<TSimd, TVector, TChannels, N2, TLanes>.Get(blocks, pixels);
        }
    }

    private sealed class Job : IParallelWork
    {
        private PreparedDirectConv<TSimd, TVector, TLanes, TChannels>? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedDirectConv<TSimd, TVector, TLanes, TChannels>? owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
