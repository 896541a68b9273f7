using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Convolution of bytes with signed bytes by the instruction that adds four products to each 32-bit lane (AVX-VNNI), without
/// an intermediate sum that could saturate.
/// </summary>
/// <remarks>
/// A unit is a band of output rows. Its input is copied once to [four channels][row][column][channel], unsigned, inside a
/// border that holds the zero point: then every output sums over the same taps, and the zero point comes to a constant per
/// output channel, from which the sums start. A register tile is 6 pixels x 16 output channels: one load repeats the four
/// channels of a pixel over a vector, and two vectors hold the weights of 16 outputs.
/// </remarks>
internal sealed unsafe class DotConv : ByteConvKernel
{
    private const int Quad = 4;

    /// <summary>Output pixels of a band: enough to repay the rows that neighbouring bands both copy.</summary>
    private const int BandPixels = 128;

    /// <summary>All channels of the input rows below one output row: a bound on the scratch memory of a unit.</summary>
    private const long MaximumRowBytes = 1 << 24;

    /// <summary>Bands that are fewer are dealt out by output channels too, so that threads get equal shares.</summary>
    private const int UnitsWanted = 8;

    /// <summary>Fewer output channels leave most of a tile empty.</summary>
    private const int MinimumOutputs = 8;

    private readonly ConvShape _shape;
    private readonly int _groupInputs;
    private readonly int _groupOutputs;
    private readonly int _quads;
    private readonly int _steps;
    private readonly int _blocks;
    private readonly int _bandRows;
    private readonly int _bands;
    private readonly int _splits;
    private readonly int _rows;
    private readonly int _columns;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _weightSums;
    private readonly AlignedBuffer _tapOffsets;
    private readonly AlignedBuffer _pixelOffsets;

    public DotConv(ConvShape shape, ReadOnlySpan<short> weights)
    {
        _shape = shape;
        _groupInputs = shape.InChannels / shape.Groups;
        _groupOutputs = shape.OutChannels / shape.Groups;
        _quads = (_groupInputs + Quad - 1) / Quad;
        _steps = _quads * shape.KernelHeight * shape.KernelWidth;
        _blocks = (_groupOutputs + DotTiles.Outputs - 1) / DotTiles.Outputs;
        _bandRows = ChooseBandRows(shape.OutHeight, shape.OutWidth);
        _bands = (shape.OutHeight + _bandRows - 1) / _bandRows;
        _splits = Math.Clamp(UnitsWanted / (_bands * shape.Batch * shape.Groups), 1, _blocks);
        _rows = ((_bandRows - 1) * shape.StrideY) + ((shape.KernelHeight - 1) * shape.DilationY) + 1;
        _columns = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        _weights = new AlignedBuffer((long)shape.Groups * _blocks * _steps * DotTiles.StepWeights);
        _weightSums = new AlignedBuffer((long)shape.Groups * _blocks * DotTiles.Outputs * sizeof(int));
        _tapOffsets = new AlignedBuffer((long)_steps * sizeof(int));
        _pixelOffsets = new AlignedBuffer((((long)_bandRows * shape.OutWidth) + DotTiles.Pixels) * sizeof(int));
        Pack(weights);
        PlanOffsets();
    }

    /// <inheritdoc/>
    public override string Name => "conv.integer.vnni256";

    /// <inheritdoc/>
    public override int Units => _shape.Batch * _shape.Groups * _bands * _splits;

    /// <inheritdoc/>
    public override long ScratchBytes => Units * UnitBytes;

    private long PlaneBytes => (long)_rows * _columns * Quad;

    private long SumBytes => (((long)_bandRows * _shape.OutWidth) + DotTiles.Pixels) * DotTiles.Outputs * sizeof(int);

    private long UnitBytes => ((_quads * PlaneBytes) + 63) / 64 * 64 + SumBytes;

    /// <summary>Whether this CPU has the instruction, the tile suits the layer, a row of it is not too large to copy, and the weights fit signed bytes.</summary>
    public static bool Supports(ConvShape shape, ReadOnlySpan<short> weights) =>
        AvxVnni.IsSupported
        && (long)shape.InChannels * (shape.InWidth + shape.PadLeft + shape.PadRight) * shape.KernelHeight * shape.DilationY <= MaximumRowBytes
        && shape.OutChannels / shape.Groups >= MinimumOutputs
        && weights.IndexOfAnyExceptInRange(sbyte.MinValue, (short)sbyte.MaxValue) < 0;

    /// <inheritdoc/>
    public override void Run(byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, byte* scratch, int firstUnit, int endUnit)
    {
        // Flipping the sign bit of a signed byte adds 128 to it.
        byte flip = isSigned ? (byte)0x80 : (byte)0;
        int zero = isSigned ? zeroPoint + 128 : zeroPoint;
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            (int plane, int share) = Math.DivRem(unit, _bands * _splits);
            (int split, int band) = Math.DivRem(share, _bands);
            (int image, int group) = Math.DivRem(plane, _shape.Groups);
            int firstRow = band * _bandRows;
            int rows = Math.Min(_bandRows, _shape.OutHeight - firstRow);

            // The first unit of this call with the same band copies the input; those for other output channels read its copy.
            int owner = unit;
            for (int earlier = split; earlier > 0 && owner - _bands >= firstUnit; earlier--) owner -= _bands;
            byte* copy = scratch + (owner * UnitBytes);
            int* sums = (int*)(copy + UnitBytes - SumBytes);
            byte* source = input + (((long)image * _shape.InChannels) + ((long)group * _groupInputs)) * _shape.InHeight * _shape.InWidth;
            if (owner == unit) Copy(source, flip, (byte)zero, firstRow, rows, copy);
            int firstBlock = _blocks * split / _splits, endBlock = _blocks * (split + 1) / _splits;
            for (int block = firstBlock; block < endBlock; block++)
            {
                int outputs = Math.Min(DotTiles.Outputs, _groupOutputs - (block * DotTiles.Outputs));
                long channel = ((long)image * _shape.OutChannels) + ((long)group * _groupOutputs) + (block * DotTiles.Outputs);
                int* target = output + (((channel * _shape.OutHeight) + firstRow) * _shape.OutWidth);
                int pixels = rows * _shape.OutWidth;
                Multiply(copy, (group * _blocks) + block, zero, pixels, sums);
                SumTransposition.Run(sums, target, (nint)_shape.OutHeight * _shape.OutWidth, outputs, pixels, storesFloats);
            }
        }

        // The loops hold bare pointers into the packed weights and tables.
        GC.KeepAlive(this);
    }

    /// <summary>Rows of a band, of those that give it about the right size the number that leaves the fewest tiles partly empty.</summary>
    private static int ChooseBandRows(int height, int width)
    {
        int least = Math.Clamp((BandPixels + width - 1) / width, 1, height);
        int best = least;
        for (int rows = least + 1; rows <= Math.Min(2 * least, height); rows++)
        {
            if (TilesOfAll(rows) < TilesOfAll(best)) best = rows;
        }

        return best;

        int TilesOfAll(int rows) => (height / rows * TilesOf(rows * width)) + TilesOf(height % rows * width);
    }

    private static int TilesOf(int pixels) => (pixels + DotTiles.Pixels - 1) / DotTiles.Pixels;

    /// <summary>Weights are [output block][tap][four channels][output][channel].</summary>
    private void Pack(ReadOnlySpan<short> weights)
    {
        int kernel = _shape.KernelHeight * _shape.KernelWidth;
        var packed = (sbyte*)_weights.Pointer;
        var sums = (int*)_weightSums.Pointer;
        for (int output = 0; output < _shape.OutChannels; output++)
        {
            (int group, int row) = Math.DivRem(output, _groupOutputs);
            (int block, int lane) = Math.DivRem(row, DotTiles.Outputs);
            sbyte* to = packed + (((long)(group * _blocks) + block) * _steps * DotTiles.StepWeights) + (lane * Quad);
            int sum = 0;
            for (int channel = 0; channel < _groupInputs; channel++)
            {
                for (int tap = 0; tap < kernel; tap++)
                {
                    short weight = weights[(((output * _groupInputs) + channel) * kernel) + tap];
                    sum += weight;
                    to[((((long)tap * _quads) + (channel / Quad)) * DotTiles.StepWeights) + (channel % Quad)] = (sbyte)weight;
                }
            }

            sums[(((group * _blocks) + block) * DotTiles.Outputs) + lane] = sum;
        }
    }

    private void PlanOffsets()
    {
        var taps = (int*)_tapOffsets.Pointer;
        for (int ky = 0; ky < _shape.KernelHeight; ky++)
        {
            for (int kx = 0; kx < _shape.KernelWidth; kx++)
            {
                int pixel = ((ky * _shape.DilationY * _columns) + (kx * _shape.DilationX)) * Quad;
                for (int quad = 0; quad < _quads; quad++) *taps++ = pixel + (int)(quad * PlaneBytes);
            }
        }

        var pixels = (int*)_pixelOffsets.Pointer;
        for (int y = 0; y < _bandRows; y++)
        {
            for (int x = 0; x < _shape.OutWidth; x++) *pixels++ = ((y * _shape.StrideY * _columns) + (x * _shape.StrideX)) * Quad;
        }

        // The last tile of a band may reach beyond it; what it computes there is not stored.
        for (int i = 0; i < DotTiles.Pixels; i++) pixels[i] = pixels[-1];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Copy(byte* source, byte flip, byte zero, int firstRow, int rows, byte* target)
    {
        int width = _shape.InWidth;
        long plane = (long)_shape.InHeight * width;
        int copiedRows = ((rows - 1) * _shape.StrideY) + ((_shape.KernelHeight - 1) * _shape.DilationY) + 1;
        int before = Math.Min(_shape.PadLeft, _columns);
        int inside = Math.Clamp(_columns - before, 0, width);
        uint border = zero * 0x01010101u;
        for (int quad = 0; quad < _quads; quad++)
        {
            // Channels beyond the last have weights of zero: any values do.
            int channels = Math.Min(Quad, _groupInputs - (quad * Quad));
            byte* a = source + (quad * Quad * plane);
            byte* b = channels > 1 ? a + plane : a;
            byte* c = channels > 2 ? b + plane : a;
            byte* d = channels > 3 ? c + plane : a;
            uint* row = (uint*)(target + (quad * PlaneBytes));
            for (int y = 0; y < copiedRows; y++, row += _columns)
            {
                int inY = (firstRow * _shape.StrideY) - _shape.PadTop + y;
                bool outside = (uint)inY >= (uint)_shape.InHeight;
                int borderEnd = outside ? _columns : before;
                for (int x = 0; x < borderEnd; x++) row[x] = border;
                if (outside) continue;
                nint at = (nint)inY * width;
                QuadInterleaving.Run(a + at, b + at, c + at, d + at, flip, row + before, inside);
                for (int x = before + inside; x < _columns; x++) row[x] = border;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(byte* input, int block, int zero, int pixels, int* sums)
    {
        int* weightSums = (int*)_weightSums.Pointer + (block * DotTiles.Outputs);
        Vector256<int> factor = Vector256.Create(-zero);
        int* start = stackalloc int[DotTiles.Outputs];
        (Vector256.Load(weightSums) * factor).Store(start);
        (Vector256.Load(weightSums + 8) * factor).Store(start + 8);
        var tiles = new DotTiles
        {
            Input = input,
            PixelOffsets = (int*)_pixelOffsets.Pointer,
            Weights = (sbyte*)_weights.Pointer + ((long)block * _steps * DotTiles.StepWeights),
            TapOffsets = (int*)_tapOffsets.Pointer,
            Steps = _steps,
            Start = start,
            Sums = sums,
            Count = TilesOf(pixels),
        };
        DotTiles.Multiply(&tiles);
    }
}
