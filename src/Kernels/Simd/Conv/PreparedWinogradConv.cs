using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A Winograd convolution with transformed weights; see <see cref="WinogradConv{TSimd,TVector,TLanes,TTransform,TProducts}"/>.</summary>
/// <remarks>
/// Patches are numbered over the whole batch and handled in strips. A strip's input is transformed to [element][input
/// block][patch][lane]; for each element one matrix product with that element's weights (<see cref="WinogradProduct"/>) gives
/// [element][output block][patch][lane]; the output transform of these stores the pixels.
/// </remarks>
internal sealed unsafe class PreparedWinogradConv<TSimd, TVector, TLanes, TTransform, TProducts> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
    where TTransform : IWinogradTransform<TVector>
    where TProducts : IWinogradProducts
{
    /// <summary>Patches of a run that is moved through scratch memory because it meets an edge of the image.</summary>
    private const int EdgePatches = 8;

    private const int LineFloats = 16;
    private const long SharedWeightBytes = 4096 * 1024;

    /// <summary>Fewer patches per thread than this leave register tiles half empty.</summary>
    private const int MinimumPatches = 7;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly WinogradPlan _plan;
    private readonly ChannelEpilogue _epilogue;
    private readonly bool _hasResidual;
    private readonly int _inputBlocks;
    private readonly int _outputBlocks;
    private readonly WinogradProduct _product;

    public PreparedWinogradConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _plan = WinogradPlan.Create<TVector, TTransform, TProducts>(shape, TLanes.Value);
        _hasResidual = epilogue.HasResidual;
        _epilogue = new ChannelEpilogue(epilogue, bias, shape.OutChannels, TLanes.Value, TLanes.Value);
        _inputBlocks = (shape.InChannels + TLanes.Value - 1) / TLanes.Value;
        _outputBlocks = (shape.OutChannels + TLanes.Value - 1) / TLanes.Value;
        _product = TProducts.Create(shape, _plan.TileBlocks, TTransform.Points, weights);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _product.WeightBytes;

    /// <inheritdoc/>
    public override long MultiplyAdds => (long)_plan.Patches * Elements * _shape.InChannels * _shape.OutChannels;

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

        // The transforms hold bare pointers into the epilogue's values.
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunPart(Operands operands, int part, int parts)
    {
        // Patches are shared out where there are enough of them. Weights that outweigh the caches are shared out instead:
        // each thread then transforms the whole input, which costs little against many output channels.
        int groups = _product.Groups.Count;
        bool byChannels = groups >= parts && (_plan.Patches < parts * MinimumPatches || _product.WeightBytes > SharedWeightBytes);
        int firstPatch = byChannels ? 0 : (int)((long)_plan.Patches * part / parts);
        int endPatch = byChannels ? _plan.Patches : (int)((long)_plan.Patches * (part + 1) / parts);
        int firstGroup = byChannels ? groups * part / parts : 0;
        int endGroup = byChannels ? groups * (part + 1) / parts : groups;
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
        WinogradProduct.OutputGroup last = _product.Groups[endGroup - 1];
        int firstBlock = _product.Groups[firstGroup].FirstBlock, blocks = last.FirstBlock + last.Blocks - firstBlock;
        nint inputPlane = PlaneFloats(_inputBlocks, patches), outputPlane = PlaneFloats(blocks, patches);
        float* transformed = scratch;
        float* products = transformed + (Elements * inputPlane);
        float* edge = scratch + (Elements * (PlaneFloats(_inputBlocks, _plan.StripPatches) + PlaneFloats(_outputBlocks, _plan.StripPatches)));

        TransformInput(operands.Input, transformed, inputPlane, edge, firstPatch, patches);
        _product.Run(transformed, inputPlane, products, outputPlane, patches, firstGroup, endGroup);
        TransformOutput(operands, products, outputPlane, edge + Lined(EdgeInputFloats), firstPatch, patches, firstBlock, blocks);
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

    private sealed class Job : IParallelWork
    {
        private PreparedWinogradConv<TSimd, TVector, TLanes, TTransform, TProducts>? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedWinogradConv<TSimd, TVector, TLanes, TTransform, TProducts>? owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
