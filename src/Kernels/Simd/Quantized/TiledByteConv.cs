using System.Runtime.CompilerServices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Convolution of 8-bit integers in register tiles of pixels by output channels, by any instruction that multiplies the two or
/// four channels of a 32-bit cell and adds them exactly; see <see cref="ByteTileKernel"/>.
/// </summary>
/// <remarks>
/// A unit is a band of output rows and some output channels. The band's input is copied once to [cell][row][column], inside a
/// border that holds the zero point. A cell of two channels has 16 bits for each, the zero point subtracted. One of four has
/// unsigned bytes as they are, and since every output sums over the same taps the zero point comes to a constant per output
/// channel, from which the sums start. Columns lie in one run for each phase of the horizontal stride, so that neighbouring
/// outputs read neighbouring cells.
/// </remarks>
internal sealed unsafe class TiledByteConv : ByteConvKernel
{
    /// <summary>Output pixels of a band: enough to repay the rows that neighbouring bands both copy.</summary>
    private const int BandPixels = 128;

    /// <summary>All channels of the input rows below one output row: a bound on the scratch memory of a unit.</summary>
    private const long MaximumRowBytes = 1 << 24;

    /// <summary>Bands that are fewer are dealt out by output channels too, so that threads get equal shares.</summary>
    private const int UnitsWanted = 8;

    /// <summary>Fewer output channels leave most of a tile empty.</summary>
    private const int MinimumOutputs = 8;

    private const int CellBytes = 4, LineBytes = 64;

    private readonly ConvShape _shape;
    private readonly ByteTileKernel _kernel;
    private readonly int _groupInputs;
    private readonly int _groupOutputs;
    private readonly int _cells;
    private readonly int _steps;
    private readonly int _blocks;
    private readonly int _bandRows;
    private readonly int _bands;
    private readonly int _splits;
    private readonly int _rows;
    private readonly int _columns;
    private readonly int _phaseColumns;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _stepOffsets;
    private readonly TilePlan.Split _tiles;
    private readonly AlignedBuffer _weightSums;

    /// <param name="shape">The layer.</param>
    /// <param name="kernel">From <see cref="Choose"/>.</param>
    /// <param name="weights">[OutChannels, InChannels / Groups, KernelHeight, KernelWidth], within the kernel's bounds.</param>
    public TiledByteConv(ConvShape shape, ByteTileKernel kernel, ReadOnlySpan<short> weights)
    {
        _shape = shape;
        _kernel = kernel;
        _groupInputs = shape.InChannels / shape.Groups;
        _groupOutputs = shape.OutChannels / shape.Groups;
        _cells = (_groupInputs + kernel.CellChannels - 1) / kernel.CellChannels;
        _steps = _cells * shape.KernelHeight * shape.KernelWidth;
        _blocks = (_groupOutputs + Outputs - 1) / Outputs;
        _bandRows = Math.Clamp((BandPixels + shape.OutWidth - 1) / shape.OutWidth, 1, shape.OutHeight);
        _bands = (shape.OutHeight + _bandRows - 1) / _bandRows;
        _bandRows = (shape.OutHeight + _bands - 1) / _bands;
        _splits = Math.Clamp(UnitsWanted / (_bands * shape.Batch * shape.Groups), 1, _blocks);
        _rows = ((_bandRows - 1) * shape.StrideY) + ((shape.KernelHeight - 1) * shape.DilationY) + 1;
        int columns = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        _phaseColumns = (columns + shape.StrideX - 1) / shape.StrideX;
        _columns = _phaseColumns * shape.StrideX;
        _weights = new AlignedBuffer((long)shape.Groups * _blocks * _steps * StepBytes);
        _weightSums = new AlignedBuffer((long)shape.Groups * _blocks * Outputs * sizeof(int));
        _stepOffsets = new AlignedBuffer((long)_steps * sizeof(nint));
        _tiles = TilePlan.Balance(shape.OutWidth, kernel.MaximumPixels);
        Pack(weights);
        PlanOffsets();
    }

    /// <inheritdoc/>
    public override string Name => _kernel.Name;

    /// <inheritdoc/>
    public override int Units => _shape.Batch * _shape.Groups * _bands * _splits;

    /// <inheritdoc/>
    public override long ScratchBytes => Units * UnitBytes;

    private int Outputs => _kernel.Outputs;

    /// <summary>Weights of one step: a cell of each output.</summary>
    private int StepBytes => Outputs * CellBytes;

    private bool HoldsZeroPoint => _kernel.CellChannels == 4;

    private long PlaneCells => (long)_rows * _columns;

    private long SumBytes => Lined((long)_bandRows * _shape.OutWidth * Outputs * sizeof(int));

    private long UnitBytes => Lined(_cells * PlaneCells * CellBytes) + (2 * SumBytes);

    /// <summary>The fastest kernel of this CPU for a layer; null when its tile does not suit the layer, or a row of it is too large to copy.</summary>
    public static ByteTileKernel? Choose(ConvShape shape, ReadOnlySpan<short> weights)
    {
        if (shape.OutChannels / shape.Groups < MinimumOutputs) return null;
        if (2L * shape.InChannels * (shape.InWidth + shape.PadLeft + shape.PadRight) * shape.KernelHeight * shape.DilationY > MaximumRowBytes) return null;
        return ByteTileKernel.Best(weights.IndexOfAnyExceptInRange(sbyte.MinValue, (short)sbyte.MaxValue) < 0);
    }

    /// <inheritdoc/>
    public override void Run(
        byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, RequantizedOutput* requantized, byte* scratch, int firstUnit, int endUnit)
    {
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            (int stack, int share) = Math.DivRem(unit, _bands * _splits);
            (int split, int band) = Math.DivRem(share, _bands);
            (int image, int group) = Math.DivRem(stack, _shape.Groups);
            int firstRow = band * _bandRows;
            int rows = Math.Min(_bandRows, _shape.OutHeight - firstRow);

            // The first unit of this call with the same band copies the input; those for other output channels read its copy.
            int owner = unit;
            for (int earlier = split; earlier > 0 && owner - _bands >= firstUnit; earlier--) owner -= _bands;
            byte* copy = scratch + (owner * UnitBytes);
            int* sums = (int*)(copy + UnitBytes - (2 * SumBytes)), planes = (int*)(copy + UnitBytes - SumBytes);
            byte* source = input + (((long)image * _shape.InChannels) + ((long)group * _groupInputs)) * _shape.InHeight * _shape.InWidth;
            if (owner == unit) Copy(source, isSigned, zeroPoint, firstRow, rows, (int*)copy);
            int firstBlock = _blocks * split / _splits, endBlock = _blocks * (split + 1) / _splits;
            for (int block = firstBlock; block < endBlock; block++)
            {
                int outputs = Math.Min(Outputs, _groupOutputs - (block * Outputs));
                long channel = ((long)image * _shape.OutChannels) + ((long)group * _groupOutputs) + (block * Outputs);
                long place = ((channel * _shape.OutHeight) + firstRow) * _shape.OutWidth, plane = (long)_shape.OutHeight * _shape.OutWidth;
                int pixels = rows * _shape.OutWidth;
                Multiply(copy, (group * _blocks) + block, HoldsZeroPoint ? ZeroByte(isSigned, zeroPoint) : 0, rows, sums, storesFloats);
                if (requantized == null)
                {
                    SumTransposition.Run(sums, Outputs, output + place, (nint)plane, outputs, pixels);
                    continue;
                }

                SumTransposition.Run(sums, Outputs, planes, pixels, outputs, pixels);
                for (int i = 0; i < outputs; i++)
                    requantized->Store(planes + (i * pixels), pixels, (group * _groupOutputs) + (block * Outputs) + i, place + (i * plane));
            }
        }

        // The loops hold bare pointers into the packed weights and tables.
        GC.KeepAlive(this);
    }

    private static long Lined(long bytes) => (bytes + LineBytes - 1) / LineBytes * LineBytes;

    /// <summary>The zero point as it lies among unsigned bytes: flipping the sign bit of a signed byte adds 128 to it.</summary>
    private static byte ZeroByte(bool isSigned, int zeroPoint) => (byte)(isSigned ? zeroPoint + 128 : zeroPoint);

    /// <summary>Weights are [output block][step][output][channel].</summary>
    private void Pack(ReadOnlySpan<short> weights)
    {
        int taps = _shape.KernelHeight * _shape.KernelWidth, channels = _kernel.CellChannels;
        byte* packed = _weights.Pointer;
        int* sums = (int*)_weightSums.Pointer;
        for (int output = 0; output < _shape.OutChannels; output++)
        {
            (int group, int row) = Math.DivRem(output, _groupOutputs);
            (int block, int lane) = Math.DivRem(row, Outputs);
            byte* to = packed + (((long)(group * _blocks) + block) * _steps * StepBytes) + ((long)lane * CellBytes);
            int sum = 0;
            for (int channel = 0; channel < _groupInputs; channel++)
            {
                (int cell, int place) = Math.DivRem(channel, channels);
                for (int tap = 0; tap < taps; tap++)
                {
                    short weight = weights[(((output * _groupInputs) + channel) * taps) + tap];
                    sum += weight;
                    byte* at = to + ((((long)tap * _cells) + cell) * StepBytes);
                    if (channels == 2) ((short*)at)[place] = weight;
                    else ((sbyte*)at)[place] = (sbyte)weight;
                }
            }

            sums[(((group * _blocks) + block) * Outputs) + lane] = sum;
        }
    }

    private void PlanOffsets()
    {
        var steps = (nint*)_stepOffsets.Pointer;
        for (int ky = 0; ky < _shape.KernelHeight; ky++)
        {
            for (int kx = 0; kx < _shape.KernelWidth; kx++)
            {
                (int column, int phase) = Math.DivRem(kx * _shape.DilationX, _shape.StrideX);
                int pixel = (ky * _shape.DilationY * _columns) + (phase * _phaseColumns) + column;
                for (int cell = 0; cell < _cells; cell++) *steps++ = (nint)((pixel + (cell * PlaneCells)) * CellBytes);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Copy(byte* source, bool isSigned, int zeroPoint, int firstRow, int rows, int* target)
    {
        int width = _shape.InWidth, stride = _shape.StrideX, channels = _kernel.CellChannels;
        long plane = (long)_shape.InHeight * width;
        int copiedRows = ((rows - 1) * _shape.StrideY) + ((_shape.KernelHeight - 1) * _shape.DilationY) + 1;
        int border = HoldsZeroPoint ? ZeroByte(isSigned, zeroPoint) * 0x01010101 : 0;
        var planes = stackalloc byte*[4];
        for (int cell = 0; cell < _cells; cell++)
        {
            // Channels beyond the last have weights of zero: any values do.
            for (int i = 0; i < channels; i++) planes[i] = source + (Math.Min((cell * channels) + i, _groupInputs - 1) * plane);
            int* row = target + (cell * PlaneCells);
            for (int y = 0; y < copiedRows; y++, row += _columns)
            {
                int inY = (firstRow * _shape.StrideY) - _shape.PadTop + y;
                if ((uint)inY >= (uint)_shape.InHeight)
                {
                    new Span<int>(row, _columns).Fill(border);
                    continue;
                }

                for (int phase = 0; phase < stride; phase++)
                {
                    // Column j of the phase is input column j stride + shift; first and end bound those inside the image.
                    int shift = phase - _shape.PadLeft;
                    int first = Math.Clamp((-shift + stride - 1) / stride, 0, _phaseColumns);
                    int end = shift >= width ? first : Math.Clamp(((width - 1 - shift) / stride) + 1, first, _phaseColumns);
                    int* run = row + (phase * _phaseColumns);
                    nint from = ((nint)inY * width) + ((nint)first * stride) + shift;
                    new Span<int>(run, first).Fill(border);
                    if (channels == 2) CellInterleaving.Pairs(planes[0] + from, planes[1] + from, stride, isSigned, (short)zeroPoint, run + first, end - first);
                    else CellInterleaving.Quads(planes[0] + from, planes[1] + from, planes[2] + from, planes[3] + from, stride, isSigned, (uint*)run + first, end - first);
                    new Span<int>(run + end, _phaseColumns - end).Fill(border);
                }
            }
        }
    }

    private void Multiply(byte* input, int block, int zero, int rows, int* sums, bool storesFloats)
    {
        int* start = stackalloc int[Outputs];
        int* weightSums = (int*)_weightSums.Pointer + (block * Outputs);
        for (int i = 0; i < Outputs; i++) start[i] = -zero * weightSums[i];
        var tiles = new ByteTiles
        {
            StepOffsets = (nint*)_stepOffsets.Pointer,
            Weights = _weights.Pointer + ((long)block * _steps * StepBytes),
            Start = start,
            Steps = _steps,
            StoresFloats = storesFloats ? 1 : 0,
        };
        for (int row = 0; row < rows; row++)
        {
            tiles.Input = input + ((long)row * _shape.StrideY * _columns * CellBytes);
            tiles.Sums = sums + ((long)row * _shape.OutWidth * Outputs);
            tiles.Count = _tiles.Big;
            _kernel.Run(&tiles, _tiles.Size);
            if (_tiles.Small == 0) continue;
            int done = _tiles.Big * _tiles.Size;
            tiles.Input += done * CellBytes;
            tiles.Sums += done * Outputs;
            tiles.Count = _tiles.Small;
            _kernel.Run(&tiles, _tiles.Size - 1);
        }
    }
}
