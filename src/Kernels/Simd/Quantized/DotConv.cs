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
internal sealed unsafe class DotConv
{
    private const int Quad = 4;
    private const int TilePixels = 6;
    private const int TileOutputs = 16;
    private const int StepWeights = TileOutputs * Quad;

    /// <summary>Output pixels of a band: enough to repay the rows that neighbouring bands both copy.</summary>
    private const int BandPixels = 128;

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
        _blocks = (_groupOutputs + TileOutputs - 1) / TileOutputs;
        _bandRows = ChooseBandRows(shape.OutHeight, shape.OutWidth);
        _bands = (shape.OutHeight + _bandRows - 1) / _bandRows;
        _splits = Math.Clamp(UnitsWanted / (_bands * shape.Batch * shape.Groups), 1, _blocks);
        _rows = ((_bandRows - 1) * shape.StrideY) + ((shape.KernelHeight - 1) * shape.DilationY) + 1;
        _columns = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        _weights = new AlignedBuffer((long)shape.Groups * _blocks * _steps * StepWeights);
        _weightSums = new AlignedBuffer((long)shape.Groups * _blocks * TileOutputs * sizeof(int));
        _tapOffsets = new AlignedBuffer((long)_steps * sizeof(int));
        _pixelOffsets = new AlignedBuffer((((long)_bandRows * shape.OutWidth) + TilePixels) * sizeof(int));
        Pack(weights);
        PlanOffsets();
    }

    /// <summary>Independent parts of the work.</summary>
    public int Units => _shape.Batch * _shape.Groups * _bands * _splits;

    /// <summary>Scratch memory of one run.</summary>
    public long ScratchBytes => Units * UnitBytes;

    private long PlaneBytes => (long)_rows * _columns * Quad;

    private long SumBytes => (((long)_bandRows * _shape.OutWidth) + TilePixels) * TileOutputs * sizeof(int);

    private long UnitBytes => ((_quads * PlaneBytes) + 63) / 64 * 64 + SumBytes;

    /// <summary>Whether this CPU has the instruction, the tile suits the layer, and the weights fit signed bytes.</summary>
    public static bool Supports(ConvShape shape, ReadOnlySpan<short> weights) =>
        AvxVnni.IsSupported
        && shape.OutChannels / shape.Groups >= MinimumOutputs
        && weights.IndexOfAnyExceptInRange(sbyte.MinValue, (short)sbyte.MaxValue) < 0;

    /// <summary>Computes some units; see <see cref="IntegerConv.Run"/>.</summary>
    public void Run(byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, byte* scratch, int firstUnit, int endUnit)
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
                int outputs = Math.Min(TileOutputs, _groupOutputs - (block * TileOutputs));
                long channel = ((long)image * _shape.OutChannels) + ((long)group * _groupOutputs) + (block * TileOutputs);
                int* target = output + (((channel * _shape.OutHeight) + firstRow) * _shape.OutWidth);
                int pixels = rows * _shape.OutWidth;
                Multiply(copy, (group * _blocks) + block, zero, pixels, sums);
                Transpose(sums, target, (nint)_shape.OutHeight * _shape.OutWidth, outputs, pixels, storesFloats);
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

    private static int TilesOf(int pixels) => (pixels + TilePixels - 1) / TilePixels;

    /// <summary>Weights are [output block][tap][four channels][output][channel].</summary>
    private void Pack(ReadOnlySpan<short> weights)
    {
        int kernel = _shape.KernelHeight * _shape.KernelWidth;
        var packed = (sbyte*)_weights.Pointer;
        var sums = (int*)_weightSums.Pointer;
        for (int output = 0; output < _shape.OutChannels; output++)
        {
            (int group, int row) = Math.DivRem(output, _groupOutputs);
            (int block, int lane) = Math.DivRem(row, TileOutputs);
            sbyte* to = packed + (((long)(group * _blocks) + block) * _steps * StepWeights) + (lane * Quad);
            int sum = 0;
            for (int channel = 0; channel < _groupInputs; channel++)
            {
                for (int tap = 0; tap < kernel; tap++)
                {
                    short weight = weights[(((output * _groupInputs) + channel) * kernel) + tap];
                    sum += weight;
                    to[((((long)tap * _quads) + (channel / Quad)) * StepWeights) + (channel % Quad)] = (sbyte)weight;
                }
            }

            sums[(((group * _blocks) + block) * TileOutputs) + lane] = sum;
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
        for (int i = 0; i < TilePixels; i++) pixels[i] = pixels[-1];
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
                Interleave(a + at, b + at, c + at, d + at, flip, row + before, inside);
                for (int x = before + inside; x < _columns; x++) row[x] = border;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(byte* a, byte* b, byte* c, byte* d, byte flip, uint* target, int count)
    {
        // The last vector of a row overlaps the one before it: the same bytes are written twice.
        Vector128<byte> sign = Vector128.Create(flip);
        if (count >= 16)
        {
            for (int i = 0; i < count; i += 16)
            {
                int at = Math.Min(i, count - 16);
                Vector128<byte> va = Vector128.Load(a + at) ^ sign, vb = Vector128.Load(b + at) ^ sign;
                Vector128<byte> vc = Vector128.Load(c + at) ^ sign, vd = Vector128.Load(d + at) ^ sign;
                Vector128<ushort> abLow = Sse2.UnpackLow(va, vb).AsUInt16(), abHigh = Sse2.UnpackHigh(va, vb).AsUInt16();
                Vector128<ushort> cdLow = Sse2.UnpackLow(vc, vd).AsUInt16(), cdHigh = Sse2.UnpackHigh(vc, vd).AsUInt16();
                Sse2.UnpackLow(abLow, cdLow).AsUInt32().Store(target + at);
                Sse2.UnpackHigh(abLow, cdLow).AsUInt32().Store(target + at + 4);
                Sse2.UnpackLow(abHigh, cdHigh).AsUInt32().Store(target + at + 8);
                Sse2.UnpackHigh(abHigh, cdHigh).AsUInt32().Store(target + at + 12);
            }

            return;
        }

        if (count >= 8)
        {
            for (int i = 0; i < count; i += 8)
            {
                int at = Math.Min(i, count - 8);
                Vector128<ushort> ab = Sse2.UnpackLow(LoadHalf(a + at) ^ sign, LoadHalf(b + at) ^ sign).AsUInt16();
                Vector128<ushort> cd = Sse2.UnpackLow(LoadHalf(c + at) ^ sign, LoadHalf(d + at) ^ sign).AsUInt16();
                Sse2.UnpackLow(ab, cd).AsUInt32().Store(target + at);
                Sse2.UnpackHigh(ab, cd).AsUInt32().Store(target + at + 4);
            }

            return;
        }

        uint signs = flip * 0x01010101u;
        for (int i = 0; i < count; i++) target[i] = (a[i] | ((uint)b[i] << 8) | ((uint)c[i] << 16) | ((uint)d[i] << 24)) ^ signs;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LoadHalf(byte* source) => Vector128.CreateScalarUnsafe(*(long*)source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(byte* input, int block, int zero, int pixels, int* sums)
    {
        int* weightSums = (int*)_weightSums.Pointer + (block * TileOutputs);
        Vector256<int> factor = Vector256.Create(-zero);
        int* start = stackalloc int[TileOutputs];
        (Vector256.Load(weightSums) * factor).Store(start);
        (Vector256.Load(weightSums + 8) * factor).Store(start + 8);
        var tiles = new Tiles
        {
            Input = input,
            PixelOffsets = (int*)_pixelOffsets.Pointer,
            Weights = (sbyte*)_weights.Pointer + ((long)block * _steps * StepWeights),
            TapOffsets = (int*)_tapOffsets.Pointer,
            Steps = _steps,
            Start = start,
            Sums = sums,
            Count = TilesOf(pixels),
        };
        MultiplyTiles(&tiles);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTiles(Tiles* tiles)
    {
        int* pixel = tiles->PixelOffsets;
        int* sums = tiles->Sums;
        for (int count = tiles->Count; count > 0; count--, pixel += TilePixels, sums += TilePixels * TileOutputs)
        {
            byte* p0 = tiles->Input + pixel[0], p1 = tiles->Input + pixel[1], p2 = tiles->Input + pixel[2];
            byte* p3 = tiles->Input + pixel[3], p4 = tiles->Input + pixel[4], p5 = tiles->Input + pixel[5];
            sbyte* weights = tiles->Weights;
            int* offset = tiles->TapOffsets;
            Vector256<int> a0 = Vector256.Load(tiles->Start), b0 = Vector256.Load(tiles->Start + 8);
            Vector256<int> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
            Vector256<int> b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0;
            for (int steps = tiles->Steps; steps > 0; steps--)
            {
                nint at = *offset++;
                Vector256<sbyte> wa = Vector256.LoadAligned(weights), wb = Vector256.LoadAligned(weights + 32);
                weights += StepWeights;
                Vector256<byte> x = Repeat(p0 + at);
                a0 = AvxVnni.MultiplyWideningAndAdd(a0, x, wa);
                b0 = AvxVnni.MultiplyWideningAndAdd(b0, x, wb);
                x = Repeat(p1 + at);
                a1 = AvxVnni.MultiplyWideningAndAdd(a1, x, wa);
                b1 = AvxVnni.MultiplyWideningAndAdd(b1, x, wb);
                x = Repeat(p2 + at);
                a2 = AvxVnni.MultiplyWideningAndAdd(a2, x, wa);
                b2 = AvxVnni.MultiplyWideningAndAdd(b2, x, wb);
                x = Repeat(p3 + at);
                a3 = AvxVnni.MultiplyWideningAndAdd(a3, x, wa);
                b3 = AvxVnni.MultiplyWideningAndAdd(b3, x, wb);
                x = Repeat(p4 + at);
                a4 = AvxVnni.MultiplyWideningAndAdd(a4, x, wa);
                b4 = AvxVnni.MultiplyWideningAndAdd(b4, x, wb);
                x = Repeat(p5 + at);
                a5 = AvxVnni.MultiplyWideningAndAdd(a5, x, wa);
                b5 = AvxVnni.MultiplyWideningAndAdd(b5, x, wb);
            }

            a0.Store(sums);
            b0.Store(sums + 8);
            a1.Store(sums + 16);
            b1.Store(sums + 24);
            a2.Store(sums + 32);
            b2.Store(sums + 40);
            a3.Store(sums + 48);
            b3.Store(sums + 56);
            a4.Store(sums + 64);
            b4.Store(sums + 72);
            a5.Store(sums + 80);
            b5.Store(sums + 88);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Repeat(byte* quad) => Vector256.Create(*(int*)quad).AsByte();

    /// <summary>Stores sums, 16 outputs of one pixel after the other, as planes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(int* sums, int* target, nint plane, int outputs, int pixels, bool storesFloats)
    {
        for (int channel = 0; channel < outputs; channel += 8)
        {
            int count = Math.Min(8, outputs - channel);
            if (count == 8 && pixels >= 8)
            {
                for (int i = 0; i < pixels; i += 8)
                {
                    int at = Math.Min(i, pixels - 8);
                    Transpose8(sums + (at * TileOutputs) + channel, target + (channel * plane) + at, plane, storesFloats);
                }

                continue;
            }

            for (int pixel = 0; pixel < pixels; pixel++)
            {
                for (int c = channel; c < channel + count; c++)
                {
                    int sum = sums[(pixel * TileOutputs) + c];
                    if (storesFloats) ((float*)target)[(c * plane) + pixel] = sum;
                    else target[(c * plane) + pixel] = sum;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose8(int* from, int* to, nint plane, bool storesFloats)
    {
        Vector256<int> r0 = Vector256.Load(from), r1 = Vector256.Load(from + 16), r2 = Vector256.Load(from + 32), r3 = Vector256.Load(from + 48);
        Vector256<int> r4 = Vector256.Load(from + 64), r5 = Vector256.Load(from + 80), r6 = Vector256.Load(from + 96), r7 = Vector256.Load(from + 112);
        Vector256<long> s0 = Avx2.UnpackLow(r0, r1).AsInt64(), s1 = Avx2.UnpackHigh(r0, r1).AsInt64();
        Vector256<long> s2 = Avx2.UnpackLow(r2, r3).AsInt64(), s3 = Avx2.UnpackHigh(r2, r3).AsInt64();
        Vector256<long> s4 = Avx2.UnpackLow(r4, r5).AsInt64(), s5 = Avx2.UnpackHigh(r4, r5).AsInt64();
        Vector256<long> s6 = Avx2.UnpackLow(r6, r7).AsInt64(), s7 = Avx2.UnpackHigh(r6, r7).AsInt64();
        Vector256<int> t0 = Avx2.UnpackLow(s0, s2).AsInt32(), t1 = Avx2.UnpackHigh(s0, s2).AsInt32();
        Vector256<int> t2 = Avx2.UnpackLow(s1, s3).AsInt32(), t3 = Avx2.UnpackHigh(s1, s3).AsInt32();
        Vector256<int> t4 = Avx2.UnpackLow(s4, s6).AsInt32(), t5 = Avx2.UnpackHigh(s4, s6).AsInt32();
        Vector256<int> t6 = Avx2.UnpackLow(s5, s7).AsInt32(), t7 = Avx2.UnpackHigh(s5, s7).AsInt32();
        Store(to, Avx2.Permute2x128(t0, t4, 0x20), storesFloats);
        Store(to + plane, Avx2.Permute2x128(t1, t5, 0x20), storesFloats);
        Store(to + (2 * plane), Avx2.Permute2x128(t2, t6, 0x20), storesFloats);
        Store(to + (3 * plane), Avx2.Permute2x128(t3, t7, 0x20), storesFloats);
        Store(to + (4 * plane), Avx2.Permute2x128(t0, t4, 0x31), storesFloats);
        Store(to + (5 * plane), Avx2.Permute2x128(t1, t5, 0x31), storesFloats);
        Store(to + (6 * plane), Avx2.Permute2x128(t2, t6, 0x31), storesFloats);
        Store(to + (7 * plane), Avx2.Permute2x128(t3, t7, 0x31), storesFloats);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(int* target, Vector256<int> sums, bool storesFloats) =>
        (storesFloats ? Vector256.ConvertToSingle(sums).AsInt32() : sums).Store(target);

    /// <summary>Arguments of the register tiles of a band and one block of outputs.</summary>
    private struct Tiles
    {
        public byte* Input;
        public int* PixelOffsets;
        public sbyte* Weights;
        public int* TapOffsets;
        public int* Start;
        public int* Sums;
        public int Steps;
        public int Count;
    }
}
