using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A Winograd convolution with transformed weights; see <see cref="WinogradConv{TSimd,TVector,TLanes,TTransform}"/>.</summary>
/// <remarks>
/// Patches are numbered over the whole batch and handled in strips. A strip's input is transformed to [element][input
/// block][patch][lane]; for each element one matrix product with that element's weights gives [element][output
/// block][patch][lane]; the output transform of these stores the pixels. The product is the micro-kernel of the 1x1
/// convolution: patches are its pixels. Weights [element][output group][input channel][lane] are read once per strip.
/// </remarks>
internal sealed unsafe class PreparedWinogradConv<TSimd, TVector, TLanes, TTransform> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
    where TTransform : IWinogradTransform<TVector>
{
    /// <summary>Patches of a run that is moved through scratch memory because it meets an edge of the image.</summary>
    private const int EdgePatches = 8;

    private const int LineFloats = 16;
    private const long SharedWeightBytes = 1024 * 1024;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly WinogradPlan _plan;
    private readonly ChannelEpilogue _epilogue;
    private readonly bool _hasResidual;
    private readonly int _inputBlocks;
    private readonly int _outputBlocks;
    private readonly OutputGroup[] _groups;
    private readonly nint _elementWeights;
    private readonly AlignedBuffer _weights;
    private readonly nint[][] _tiles;

    public PreparedWinogradConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _plan = WinogradPlan.Create<TVector, TTransform>(shape, Lanes);
        _hasResidual = epilogue.HasResidual;
        _epilogue = new ChannelEpilogue(epilogue, bias, shape.OutChannels, TLanes.Value, TilePlan.MaxBlocks * TLanes.Value);
        _inputBlocks = (shape.InChannels + TLanes.Value - 1) / TLanes.Value;
        _outputBlocks = (shape.OutChannels + TLanes.Value - 1) / TLanes.Value;
        _elementWeights = (nint)_outputBlocks * TLanes.Value * shape.InChannels;
        _groups = PlanGroups(_outputBlocks, _plan.TileBlocks, shape.InChannels);
        _weights = PackWeights(weights);
        _tiles = new nint[TilePlan.MaxBlocks + 1][];
        for (int blocks = 1; blocks <= TilePlan.MaxBlocks; blocks++)
        {
            _tiles[blocks] = new nint[TilePlan.MaxPixels(Lanes, blocks) + 1];
            for (int pixels = 1; pixels < _tiles[blocks].Length; pixels++)
                _tiles[blocks][pixels] = (nint)DirectTiles<TSimd, TVector, TLanes, TLanes, TLanes>.Get(blocks, pixels);
        }
    }

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override long MultiplyAdds => (long)_plan.Patches * Elements * _shape.InChannels * _shape.OutChannels;

    private static VectorWidth Lanes => (VectorWidth)TLanes.Value;

    private static int Size => TTransform.OutputSize;

    private static int Elements => (Size + 2) * (Size + 2);

    private static nint EdgeInputFloats => (nint)(Size + 2) * ((EdgePatches * Size) + 2) * TLanes.Value;

    private static nint EdgeOutputFloats => (nint)Size * EdgePatches * Size * TLanes.Value;

    private nint PartFloats =>
        (Elements * (PlaneFloats(_inputBlocks, _plan.StripPatches) + PlaneFloats(_outputBlocks, _plan.StripPatches)))
        + Lined(EdgeInputFloats) + (2 * Lined(EdgeOutputFloats));

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => Math.Max(1, threads) * (long)PartFloats * sizeof(float);

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        if (!_hasResidual) residual = null;
        int parts = _plan.Cycles < DirectConvCost.ParallelCycles ? 1 : workers.Threads;
        var operands = new Operands(input, residual, output, (float*)scratch);
        if (parts == 1)
        {
            RunPart(operands, 0, 1);
        }
        else
        {
            Job job = _job ??= new Job();
            job.Set(this, operands, parts);
            workers.Run(job, parts);
            job.Set(null, default, 0);
        }

        // The micro-kernels hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    /// <summary>Whole cache lines.</summary>
    private static nint Lined(nint floats) => (floats + LineFloats - 1) / LineFloats * LineFloats;

    /// <summary>
    /// Floats of one element's plane: an odd number of lines, so that the elements of a patch do not fall into the same
    /// set of a cache.
    /// </summary>
    private static nint PlaneFloats(int blocks, int patches) =>
        ((((nint)blocks * patches * TLanes.Value) + LineFloats - 1) / LineFloats | 1) * LineFloats;

    private static OutputGroup[] PlanGroups(int outputBlocks, int tileBlocks, int inputs)
    {
        TilePlan.Split split = TilePlan.Balance(outputBlocks, tileBlocks);
        var groups = new OutputGroup[split.Big + split.Small];
        int block = 0;
        for (int i = 0; i < groups.Length; i++)
        {
            int blocks = i < split.Big ? split.Size : split.Size - 1;
            groups[i] = new OutputGroup(block, blocks, (nint)block * TLanes.Value * inputs);
            block += blocks;
        }

        return groups;
    }

    private AlignedBuffer PackWeights(ReadOnlySpan<float> weights)
    {
        const int KernelTaps = 9;
        var buffer = new AlignedBuffer(Elements * (long)_elementWeights * sizeof(float));
        float* target = (float*)buffer.Pointer;
        double[] matrix = WinogradWeights.Matrix(TTransform.Points);
        Span<float> elements = stackalloc float[Elements];
        foreach (OutputGroup group in _groups)
        {
            int lanes = group.Blocks * TLanes.Value;
            for (int lane = 0; lane < lanes; lane++)
            {
                int outChannel = (group.FirstBlock * TLanes.Value) + lane;
                if (outChannel >= _shape.OutChannels) break;
                for (int channel = 0; channel < _shape.InChannels; channel++)
                {
                    WinogradWeights.Transform(matrix, weights.Slice(((outChannel * _shape.InChannels) + channel) * KernelTaps, KernelTaps), elements);
                    float* to = target + group.Weights + ((nint)channel * lanes) + lane;
                    for (int element = 0; element < elements.Length; element++) to[element * _elementWeights] = elements[element];
                }
            }
        }

        return buffer;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunPart(Operands operands, int part, int parts)
    {
        // Patches are shared out where there are enough of them. Weights that outweigh the caches are shared out instead:
        // each thread then transforms the whole input, which costs little against many output channels.
        bool byChannels = _groups.Length >= parts && (_plan.Patches < parts * TilePlan.MaxPixels(Lanes, 2) / 2 || _weights.Length > SharedWeightBytes);
        int firstPatch = byChannels ? 0 : (int)((long)_plan.Patches * part / parts);
        int endPatch = byChannels ? _plan.Patches : (int)((long)_plan.Patches * (part + 1) / parts);
        int firstGroup = byChannels ? _groups.Length * part / parts : 0;
        int endGroup = byChannels ? _groups.Length * (part + 1) / parts : _groups.Length;
        if (firstPatch == endPatch) return;

        float* scratch = operands.Scratch + (part * PartFloats);
        TilePlan.Split strips = TilePlan.Balance(endPatch - firstPatch, _plan.StripPatches);
        for (int strip = 0; strip < strips.Big + strips.Small; strip++)
        {
            int patches = strip < strips.Big ? strips.Size : strips.Size - 1;
            RunStrip(operands, scratch, firstPatch, patches, firstGroup, endGroup);
            firstPatch += patches;
        }
    }

    private void RunStrip(Operands operands, float* scratch, int firstPatch, int patches, int firstGroup, int endGroup)
    {
        OutputGroup last = _groups[endGroup - 1];
        int firstBlock = _groups[firstGroup].FirstBlock, blocks = last.FirstBlock + last.Blocks - firstBlock;
        nint inputPlane = PlaneFloats(_inputBlocks, patches), outputPlane = PlaneFloats(blocks, patches);
        float* transformed = scratch;
        float* products = transformed + (Elements * inputPlane);
        float* edge = scratch + (Elements * (PlaneFloats(_inputBlocks, _plan.StripPatches) + PlaneFloats(_outputBlocks, _plan.StripPatches)));

        TransformInput(operands.Input, transformed, inputPlane, edge, firstPatch, patches);
        Multiply(transformed, inputPlane, products, outputPlane, patches, firstGroup, endGroup);
        TransformOutput(operands, products, outputPlane, edge + Lined(EdgeInputFloats), firstPatch, patches, firstBlock, blocks);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(float* transformed, nint inputPlane, float* products, nint outputPlane, int patches, int firstGroup, int endGroup)
    {
        nint noOffset = 0;
        nint blockFloats = (nint)patches * TLanes.Value;
        int firstBlock = _groups[firstGroup].FirstBlock;
        var tile = new ConvTile
        {
            InputBlockStride = blockFloats,
            OutputBlockStride = blockFloats,
            TapOffsets = &noOffset,
            Taps = 1,
            Channels = _shape.InChannels,
            Bias = _epilogue.Zero,
            Minimum = _epilogue.Lowest,
            Maximum = _epilogue.Highest,
        };
        for (int element = 0; element < Elements; element++)
        {
            float* weights = (float*)_weights.Pointer + (element * _elementWeights);
            float* input = transformed + (element * inputPlane);
            float* output = products + (element * outputPlane);
            for (int index = firstGroup; index < endGroup; index++)
            {
                OutputGroup group = _groups[index];
                nint[] tiles = _tiles[group.Blocks];
                TilePlan.Split split = TilePlan.Balance(patches, tiles.Length - 1);
                tile.Weights = weights + group.Weights;
                tile.NextWeights = weights + (index + 1 < endGroup ? _groups[index + 1].Weights : _elementWeights + _groups[firstGroup].Weights);
                tile.PrefetchLines = PrefetchLines(group.Blocks, split.Big + split.Small);
                tile.Input = input;
                tile.Output = output + ((group.FirstBlock - firstBlock) * blockFloats);
                tile.Tiles = split.Big;
                tile.InputStep = tile.OutputStep = (nint)split.Size * TLanes.Value;
                ((delegate*<ConvTile*, void>)tiles[split.Size])(&tile);
                if (split.Small == 0) continue;
                tile.Input += split.Big * tile.InputStep;
                tile.Output += split.Big * tile.OutputStep;
                tile.Tiles = split.Small;
                tile.InputStep = tile.OutputStep = (nint)(split.Size - 1) * TLanes.Value;
                ((delegate*<ConvTile*, void>)tiles[split.Size - 1])(&tile);
            }
        }
    }

    /// <summary>Cache lines per tile and input block that bring in the next group's weights while this one's are used.</summary>
    private int PrefetchLines(int blocks, int tiles)
    {
        int lines = blocks * TLanes.Value * _shape.InChannels / LineFloats;
        int turns = tiles * _inputBlocks;
        return (lines + turns - 1) / turns;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransformInput(float* input, float* transformed, nint plane, float* edge, int firstPatch, int patches)
    {
        int height = _shape.InHeight, width = _shape.InWidth;
        nint blockPixels = (nint)height * width * TLanes.Value;
        nint blockElements = (nint)patches * TLanes.Value;
        int edgeColumns = (EdgePatches * Size) + 2;
        var arguments = new WinogradPatches { PlaneStep = plane };

        // Columns of patches that lie inside the image on the left and on the right.
        int firstInner = (_shape.PadLeft + Size - 1) / Size;
        int endInner = width < Size + 2 ? 0 : ((width + _shape.PadLeft - Size - 2) / Size) + 1;
        for (int done = 0; done < patches;)
        {
            int patch = firstPatch + done;
            int column = patch % _plan.Columns, row = patch / _plan.Columns % _plan.Rows, image = patch / _plan.Columns / _plan.Rows;
            int count = Math.Min(_plan.Columns - column, patches - done);
            int y = (row * Size) - _shape.PadTop, x = (column * Size) - _shape.PadLeft;
            float* pixels = input + (image * _inputBlocks * blockPixels) + ((((nint)y * width) + x) * TLanes.Value);
            float* elements = transformed + ((nint)done * TLanes.Value);
            bool rowInside = y >= 0 && y + Size + 2 <= height;
            if (rowInside && column >= firstInner && column < endInner)
            {
                count = Math.Min(count, endInner - column);
                arguments.Count = count;
                arguments.RowStep = (nint)width * TLanes.Value;
                for (int block = 0; block < _inputBlocks; block++)
                {
                    arguments.Pixels = pixels + (block * blockPixels);
                    arguments.Elements = elements + (block * blockElements);
                    TTransform.Input(&arguments);
                }
            }
            else
            {
                count = Math.Min(count, EdgePatches);
                if (rowInside && firstInner < endInner && column < firstInner) count = Math.Min(count, firstInner - column);
                int columns = (count * Size) + 2;
                int firstX = Math.Clamp(-x, 0, columns), endX = Math.Clamp(width - x, firstX, columns);
                int firstY = Math.Clamp(-y, 0, Size + 2), endY = Math.Clamp(height - y, firstY, Size + 2);
                arguments.Count = count;
                arguments.RowStep = (nint)edgeColumns * TLanes.Value;
                for (int line = 0; line < Size + 2; line++)
                {
                    bool outside = line < firstY || line >= endY;
                    Clear(edge + (line * arguments.RowStep), 0, outside ? columns : firstX);
                    if (!outside) Clear(edge + (line * arguments.RowStep), endX, columns);
                }

                arguments.Pixels = edge;
                nint corner = (((nint)firstY * width) + firstX) * TLanes.Value;
                for (int block = 0; block < _inputBlocks; block++)
                {
                    Copy(pixels + (block * blockPixels) + corner, (nint)width * TLanes.Value,
                        edge + ((((nint)firstY * edgeColumns) + firstX) * TLanes.Value), arguments.RowStep, endY - firstY, endX - firstX);
                    arguments.Elements = elements + (block * blockElements);
                    TTransform.Input(&arguments);
                }
            }

            done += count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransformOutput(
        Operands operands, float* products, nint plane, float* edge, int firstPatch, int patches, int firstBlock, int blocks)
    {
        int height = _shape.OutHeight, width = _shape.OutWidth;
        nint rowFloats = (nint)width * TLanes.Value;
        nint blockPixels = height * rowFloats;
        nint blockElements = (nint)patches * TLanes.Value;
        nint edgeRow = (nint)EdgePatches * Size * TLanes.Value;
        float* edgeResidual = edge + Lined(EdgeOutputFloats);
        int whole = width / Size;
        var arguments = new WinogradPatches { PlaneStep = plane };
        for (int done = 0; done < patches;)
        {
            int patch = firstPatch + done;
            int column = patch % _plan.Columns, row = patch / _plan.Columns % _plan.Rows, image = patch / _plan.Columns / _plan.Rows;
            int count = Math.Min(_plan.Columns - column, patches - done);
            int y = row * Size, x = column * Size;
            nint pixel = (((image * (nint)_outputBlocks) + firstBlock) * blockPixels) + (y * rowFloats) + ((nint)x * TLanes.Value);
            bool inside = y + Size <= height && column < whole;
            count = Math.Min(count, inside ? whole - column : EdgePatches);
            arguments.Count = count;
            arguments.RowStep = inside ? rowFloats : edgeRow;
            arguments.ResidualRowStep = arguments.RowStep;
            int rows = Math.Min(Size, height - y), columns = Math.Min(count * Size, width - x);
            for (int block = 0; block < blocks; block++)
            {
                nint lane = (nint)(firstBlock + block) * TLanes.Value;
                float* pixels = operands.Output + pixel + (block * blockPixels);
                float* residual = operands.Residual == null ? null : operands.Residual + pixel + (block * blockPixels);
                arguments.Elements = products + (block * blockElements) + ((nint)done * TLanes.Value);
                arguments.Bias = _epilogue.Bias + lane;
                arguments.Minimum = _epilogue.Minimum + lane;
                arguments.Maximum = _epilogue.Maximum + lane;
                if (inside)
                {
                    arguments.Pixels = pixels;
                    arguments.Residual = residual;
                    TTransform.Output(&arguments);
                    continue;
                }

                arguments.Pixels = edge;
                arguments.Residual = residual == null ? null : edgeResidual;
                if (residual != null) Copy(residual, rowFloats, edgeResidual, edgeRow, rows, columns);
                TTransform.Output(&arguments);
                Copy(edge, edgeRow, pixels, rowFloats, rows, columns);
            }

            done += count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Clear(float* row, int firstColumn, int endColumn)
    {
        for (nint at = (nint)firstColumn * TLanes.Value; at < (nint)endColumn * TLanes.Value; at += TLanes.Value) TSimd.Store(row + at, TSimd.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, nint sourceRow, float* target, nint targetRow, int rows, int columns)
    {
        for (; rows > 0; rows--, source += sourceRow, target += targetRow)
        {
            for (nint at = 0; at < (nint)columns * TLanes.Value; at += TLanes.Value) TSimd.Store(target + at, TSimd.Load(source + at));
        }
    }

    private readonly struct Operands(float* input, float* residual, float* output, float* scratch)
    {
        public readonly float* Input = input;
        public readonly float* Residual = residual;
        public readonly float* Output = output;
        public readonly float* Scratch = scratch;
    }

    /// <summary>Output channel blocks that share a register tile; their weights begin at an offset within each element's.</summary>
    private readonly record struct OutputGroup(int FirstBlock, int Blocks, nint Weights);

    private sealed class Job : IParallelWork
    {
        private PreparedWinogradConv<TSimd, TVector, TLanes, TTransform>? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedWinogradConv<TSimd, TVector, TLanes, TTransform>? owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
