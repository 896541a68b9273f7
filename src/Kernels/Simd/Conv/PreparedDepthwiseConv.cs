using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A depthwise convolution with packed weights; see <see cref="DepthwiseConv{TSimd,TVector,TLanes}"/>.</summary>
/// <remarks>
/// The input is read in place when padding concerns only the outermost pixels of a row and the stride is 1 or 2; other
/// shapes go through the padded copy of <see cref="InputWindow"/>, one channel block at a time.
/// </remarks>
internal sealed unsafe class PreparedDepthwiseConv<TSimd, TVector, TLanes> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const long BandInputBytes = 24 * 1024;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly InputWindow _window;
    private readonly ChannelEpilogue _epilogue;
    private readonly bool _hasResidual;
    private readonly bool _inPlace;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _tapColumns;
    private readonly TilePlan.Split _tiles;
    private readonly nint _big;
    private readonly nint _small;
    private readonly int _blocks;
    private readonly int _bandRows;
    private readonly int _pixelStep;
    private readonly nint _tapRowStep;
    private readonly nint _inputRowStep;
    private readonly int _leftClip;
    private readonly int _rightEnd;
    private readonly double _cycles;

    public PreparedDepthwiseConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _hasResidual = epilogue.HasResidual;
        _blocks = (shape.OutChannels + TLanes.Value - 1) / TLanes.Value;
        _epilogue = new ChannelEpilogue(epilogue, bias, shape.OutChannels, TLanes.Value, TLanes.Value);
        _window = new InputWindow(shape, TLanes.Value, inputBlocks: 1);
        _weights = PackWeights(shape, weights, _blocks);

        // The last pixel's taps beyond the image, and the first pixel's taps before it; in place they must not concern
        // the second or the last but one pixel.
        int overhang = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1 - shape.PadLeft - shape.InWidth;
        _inPlace = shape is { DilationX: 1, StrideX: 1 or 2 } && shape.PadLeft <= shape.StrideX && overhang <= shape.StrideX;
        _pixelStep = _inPlace ? shape.StrideX : _window.Pitch / TLanes.Value;
        _leftClip = _inPlace ? Math.Min(shape.PadLeft, shape.KernelWidth) : 0;
        _rightEnd = _inPlace ? Math.Clamp(shape.KernelWidth - overhang, 0, shape.KernelWidth) : shape.KernelWidth;

        int rowFloats = shape.InWidth * TLanes.Value;
        _tapRowStep = _inPlace ? (nint)shape.DilationY * rowFloats
            : shape.KernelHeight > 1 ? _window.TapOffsets[shape.KernelWidth] - _window.TapOffsets[0] : 0;
        _inputRowStep = _inPlace ? (nint)shape.StrideY * rowFloats : _window.RowStep;
        _tapColumns = new AlignedBuffer((long)shape.KernelWidth * sizeof(nint));
        for (int kx = 0; kx < shape.KernelWidth; kx++)
            ((nint*)_tapColumns.Pointer)[kx] = _inPlace ? (nint)kx * TLanes.Value : _window.TapOffsets[kx];

        _tiles = TilePlan.Balance(shape.OutWidth, DepthwiseTiles<TSimd, TVector, N1, N0>.MaxPixels);
        _big = (nint)Tile(_tiles.Size);
        if (_tiles.Small > 0) _small = (nint)Tile(_tiles.Size - 1);
        long rowBytes = (long)shape.StrideY * rowFloats * sizeof(float);
        _bandRows = _inPlace ? shape.OutHeight : (int)Math.Clamp(BandInputBytes / rowBytes, 1, shape.OutHeight);
        _cycles = DepthwiseConv<TSimd, TVector, TLanes>.Cycles(shape);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override long MultiplyAdds => _shape.MultiplyAdds;

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => _inPlace ? 0 : Math.Max(1, threads) * _window.BandBytes(_bandRows);

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        if (!_hasResidual) residual = null;
        int parts = _cycles < DirectConvCost.ParallelCycles ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(input, residual, output, scratch, 0, 1);
        }
        else
        {
            Job job = _job ??= new Job();
            job.Owner = this;
            job.Input = input;
            job.Residual = residual;
            job.Output = output;
            job.Scratch = scratch;
            job.Parts = parts;
            workers.Run(job, parts);
            job.Owner = null;
        }

        // The micro-kernels hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    private static AlignedBuffer PackWeights(ConvShape shape, ReadOnlySpan<float> weights, int blocks)
    {
        int taps = shape.KernelHeight * shape.KernelWidth;
        var buffer = new AlignedBuffer((long)blocks * taps * TLanes.Value * sizeof(float));
        float* target = (float*)buffer.Pointer;
        for (int channel = 0; channel < shape.OutChannels; channel++)
        {
            float* filter = target + ((nint)(channel / TLanes.Value) * taps * TLanes.Value) + (channel % TLanes.Value);
            for (int tap = 0; tap < taps; tap++) filter[tap * TLanes.Value] = weights[(channel * taps) + tap];
        }

        return buffer;
    }

    private delegate*<DepthwiseTile*, void> Tile(int pixels)
    {
        if (_inPlace && _shape.KernelWidth == 3)
        {
            return _pixelStep == 2 ? DepthwiseTiles<TSimd, TVector, N2, N3>.Get(pixels)
                : DepthwiseTiles<TSimd, TVector, N1, N3>.Get(pixels);
        }

        return _pixelStep == 2 ? DepthwiseTiles<TSimd, TVector, N2, N0>.Get(pixels)
            : DepthwiseTiles<TSimd, TVector, N1, N0>.Get(pixels);
    }

    private void RunPart(float* input, float* residual, float* output, byte* scratch, int part, int parts)
    {
        // Planes are shared out if there are enough of them, else the rows of each plane.
        int planes = _shape.Batch * _blocks;
        bool byPlanes = planes >= 2 * parts || planes % parts == 0;
        int firstPlane = byPlanes ? (int)((long)planes * part / parts) : 0;
        int endPlane = byPlanes ? (int)((long)planes * (part + 1) / parts) : planes;
        int firstRow = byPlanes ? 0 : (int)((long)_shape.OutHeight * part / parts);
        int endRow = byPlanes ? _shape.OutHeight : (int)((long)_shape.OutHeight * (part + 1) / parts);
        nint inputPlane = (nint)_shape.InHeight * _shape.InWidth * TLanes.Value;
        nint outputPlane = (nint)_shape.OutHeight * _shape.OutWidth * TLanes.Value;
        float* band = (float*)(scratch + (part * _window.BandBytes(_bandRows)));
        for (int plane = firstPlane; plane < endPlane; plane++)
        {
            float* planeResidual = residual == null ? null : residual + (plane * outputPlane);
            for (int row = firstRow; row < endRow; row += _bandRows)
            {
                int rows = Math.Min(_bandRows, endRow - row);
                var tile = new DepthwiseTile
                {
                    InputRowStep = _inputRowStep,
                    TapRowStep = _tapRowStep,
                    TapColumns = (nint*)_tapColumns.Pointer,
                    KernelColumns = _shape.KernelWidth,
                    OutputRowStep = (nint)_shape.OutWidth * TLanes.Value,
                };
                RunRows(&tile, plane % _blocks, input + (plane * inputPlane), planeResidual, output + (plane * outputPlane), band, row, rows);
            }
        }
    }

    private void RunRows(DepthwiseTile* tile, int block, float* input, float* residual, float* output, float* band, int firstRow, int rows)
    {
        tile->Bias = _epilogue.Bias + (block * TLanes.Value);
        tile->Minimum = _epilogue.Minimum + (block * TLanes.Value);
        tile->Maximum = _epilogue.Maximum + (block * TLanes.Value);
        float* weights = (float*)_weights.Pointer + ((nint)block * _shape.KernelHeight * _shape.KernelWidth * TLanes.Value);
        if (!_inPlace)
        {
            tile->KernelRows = _shape.KernelHeight;
            tile->Weights = weights;
            float* copy = _window.Open(input, band, firstRow, rows, firstBlock: 0, blocks: 1);
            RunTiles(tile, copy, residual, output, firstRow, rows);
            return;
        }

        for (int row = firstRow; row < firstRow + rows;)
        {
            int top = (row * _shape.StrideY) - _shape.PadTop;
            int firstTap = top >= 0 ? 0 : (-top + _shape.DilationY - 1) / _shape.DilationY;
            int endTap = TapsAbove(_shape.InHeight - top);

            // Rows that see the whole kernel go together.
            int count = 1;
            if (firstTap == 0 && endTap == _shape.KernelHeight)
            {
                int lastInside = (_shape.InHeight - 1 - ((_shape.KernelHeight - 1) * _shape.DilationY) + _shape.PadTop) / _shape.StrideY;
                count = Math.Min(lastInside, firstRow + rows - 1) - row + 1;
            }

            tile->KernelRows = Math.Max(0, endTap - firstTap);
            tile->Weights = weights + ((nint)firstTap * _shape.KernelWidth * TLanes.Value);
            float* from = input + ((((nint)(top + (firstTap * _shape.DilationY)) * _shape.InWidth) - _shape.PadLeft) * TLanes.Value);
            RunTiles(tile, from, residual, output, row, count);
            row += count;
        }
    }

    /// <summary>Kernel rows that lie above a limit <paramref name="below"/> input rows down from the first tap.</summary>
    private int TapsAbove(int below) => below <= 0 ? 0 : Math.Min(_shape.KernelHeight, ((below - 1) / _shape.DilationY) + 1);

    private void RunTiles(DepthwiseTile* tile, float* input, float* residual, float* output, int row, int rows)
    {
        nint at = row * tile->OutputRowStep;
        bool uniform = _tiles.Small == 0;
        tile->Input = input;
        tile->Output = output + at;
        tile->Addend = residual == null ? null : residual + at;
        tile->Rows = rows;
        tile->Tiles = _tiles.Big;
        tile->LeftClip = _leftClip;
        tile->RightEnd = uniform ? _rightEnd : _shape.KernelWidth;
        ((delegate*<DepthwiseTile*, void>)_big)(tile);
        if (uniform) return;
        nint pixels = (nint)_tiles.Big * _tiles.Size;
        tile->Input += pixels * TLanes.Value * _pixelStep;
        tile->Output += pixels * TLanes.Value;
        if (residual != null) tile->Addend += pixels * TLanes.Value;
        tile->Tiles = _tiles.Small;
        tile->LeftClip = 0;
        tile->RightEnd = _rightEnd;
        ((delegate*<DepthwiseTile*, void>)_small)(tile);
    }

    private sealed class Job : IParallelWork
    {
        public PreparedDepthwiseConv<TSimd, TVector, TLanes>? Owner { get; set; }

        public float* Input { get; set; }

        public float* Residual { get; set; }

        public float* Output { get; set; }

        public byte* Scratch { get; set; }

        public int Parts { get; set; }

        public void Execute(int part) => Owner!.RunPart(Input, Residual, Output, Scratch, part, Parts);
    }
}
