using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Convolution of 8-bit integers by products of pairs of 16-bit ones; any instruction set, and weights of nine bits, as
/// they are after a zero point was subtracted.
/// </summary>
/// <remarks>
/// Pixels are taken in panels of two vectors. A panel's inputs are gathered once, two taps beside each other per pixel,
/// and stay in the first-level cache while all output channels pass over them, four at a time.
/// </remarks>
internal sealed unsafe class PairConv : ByteConvKernel
{
    private const int RowsPerTile = 4;
    private const int PairsPerChunk = 256;

    private readonly ConvShape _shape;
    private readonly int _taps;
    private readonly int _pairs;
    private readonly int _groupOutputs;
    private readonly int _paddedOutputs;
    private readonly AlignedBuffer _weights;

    public PairConv(ConvShape shape, ReadOnlySpan<short> weights)
    {
        _shape = shape;
        _taps = shape.WeightCount / shape.OutChannels;
        _pairs = (_taps + 1) / 2;
        _groupOutputs = shape.OutChannels / shape.Groups;
        _paddedOutputs = (_groupOutputs + RowsPerTile - 1) / RowsPerTile * RowsPerTile;
        _weights = new AlignedBuffer((long)shape.Groups * _paddedOutputs * _pairs * 2 * sizeof(short));
        Pack(weights);
    }

    /// <inheritdoc/>
    public override string Name => $"conv.integer.panels{32 * Lanes}";

    /// <inheritdoc/>
    public override int Units => _shape.Batch * _shape.Groups * Panels;

    /// <inheritdoc/>
    public override long ScratchBytes => Units * UnitBytes;

    private long UnitBytes => (long)_groupOutputs * PanelPixels * sizeof(int);

    private static int Lanes => CpuFeatures.Widest == VectorWidth.Vector512 && Avx512BW.IsSupported ? 16 : Avx2.IsSupported ? 8 : 4;

    private static int PanelPixels { get; } = 2 * Lanes;

    private int Pixels => _shape.OutHeight * _shape.OutWidth;

    private int Panels => (Pixels + PanelPixels - 1) / PanelPixels;

    /// <inheritdoc/>
    public override void Run(
        byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, RequantizedOutput* requantized, byte* scratch, int firstUnit, int endUnit)
    {
        short* panel = stackalloc short[PairsPerChunk * PanelPixels * 2];
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            (int stack, int index) = Math.DivRem(unit, Panels);
            (int image, int group) = Math.DivRem(stack, _shape.Groups);
            int firstPixel = index * PanelPixels;
            int pixels = Math.Min(PanelPixels, Pixels - firstPixel);
            byte* source = input + (((long)image * _shape.InChannels) + ((long)group * (_shape.InChannels / _shape.Groups))) * _shape.InHeight * _shape.InWidth;
            long place = ((((long)image * _shape.OutChannels) + ((long)group * _groupOutputs)) * Pixels) + firstPixel;
            int* target = requantized == null ? output + place : (int*)(scratch + (unit * UnitBytes));
            int plane = requantized == null ? Pixels : PanelPixels;
            for (int firstPair = 0; firstPair < _pairs; firstPair += PairsPerChunk)
            {
                int pairs = Math.Min(PairsPerChunk, _pairs - firstPair);
                Gather(source, isSigned, zeroPoint, firstPair, pairs, firstPixel, pixels, panel);
                short* weights = (short*)_weights.Pointer + ((((long)group * _paddedOutputs * _pairs) + ((long)RowsPerTile * firstPair)) * 2);
                if (Lanes == 16) Multiply<CellVector512, PairProduct512, Vector512<int>>(panel, weights, pairs, target, plane, pixels, firstPair > 0);
                else if (Lanes == 8) Multiply<CellVector256, PairProduct256, Vector256<int>>(panel, weights, pairs, target, plane, pixels, firstPair > 0);
                else Multiply<CellVector128, PairProduct128, Vector128<int>>(panel, weights, pairs, target, plane, pixels, firstPair > 0);
            }

            if (storesFloats) ConvertToFloats(target, pixels);
            if (requantized == null) continue;
            for (int row = 0; row < _groupOutputs; row++)
                requantized->Store(target + ((long)row * PanelPixels), pixels, (group * _groupOutputs) + row, place + ((long)row * Pixels));
        }

        // The loops hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    /// <summary>Weights of a tile of rows lie pair by pair, the rows beside each other.</summary>
    private void Pack(ReadOnlySpan<short> weights)
    {
        var packed = new Span<short>(_weights.Pointer, _weights.Length / sizeof(short));
        for (int output = 0; output < _shape.OutChannels; output++)
        {
            (int group, int row) = Math.DivRem(output, _groupOutputs);
            (int tile, int lane) = Math.DivRem(row, RowsPerTile);
            int start = ((group * _paddedOutputs) + (tile * RowsPerTile)) * _pairs * 2;
            for (int tap = 0; tap < _taps; tap++)
                packed[start + (((tap / 2 * RowsPerTile) + lane) * 2) + (tap % 2)] = weights[(output * _taps) + tap];
        }
    }

    private void Gather(byte* source, bool isSigned, int zeroPoint, int firstPair, int pairs, int firstPixel, int pixels, short* panel)
    {
        int end = 2 * (firstPair + pairs);
        for (int tap = 2 * firstPair; tap < end; tap++)
        {
            short* column = panel + ((tap / 2 - firstPair) * PanelPixels * 2) + (tap % 2);
            if (tap >= _taps)
            {
                for (int i = 0; i < PanelPixels; i++) column[2 * i] = 0;
                continue;
            }

            (int channelRow, int kx) = Math.DivRem(tap, _shape.KernelWidth);
            (int channel, int ky) = Math.DivRem(channelRow, _shape.KernelHeight);
            byte* plane = source + ((long)channel * _shape.InHeight * _shape.InWidth);
            GatherTap(plane, isSigned, zeroPoint, (ky * _shape.DilationY) - _shape.PadTop, (kx * _shape.DilationX) - _shape.PadLeft, firstPixel, pixels, column);
            for (int i = pixels; i < PanelPixels; i++) column[2 * i] = 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherTap(byte* plane, bool isSigned, int zeroPoint, int offsetY, int offsetX, int firstPixel, int pixels, short* column)
    {
        // A signed byte is its bits with the sign flipped, less 128: one expression serves both types.
        int flip = isSigned ? 0x80 : 0;
        int shift = zeroPoint + flip;
        int stride = _shape.StrideX;
        (int y, int x) = Math.DivRem(firstPixel, _shape.OutWidth);
        for (int i = 0; i < pixels;)
        {
            int run = Math.Min(pixels - i, _shape.OutWidth - x);
            int inY = (y * _shape.StrideY) + offsetY;
            int inX = (x * stride) + offsetX;
            int before = inX < 0 ? Math.Min(run, (stride - 1 - inX) / stride) : 0;
            int end = (uint)inY >= (uint)_shape.InHeight ? before
                : Math.Clamp((_shape.InWidth - inX + stride - 1) / stride, before, run);
            short* target = column + (2 * i);
            byte* source = plane + ((long)inY * _shape.InWidth) + inX;
            for (int at = 0; at < before; at++) target[2 * at] = 0;
            for (int at = before; at < end; at++) target[2 * at] = (short)((source[at * stride] ^ flip) - shift);
            for (int at = end; at < run; at++) target[2 * at] = 0;
            i += run;
            x = 0;
            y++;
        }
    }

    private void Multiply<TCells, TProduct, TVector>(short* panel, short* weights, int pairs, int* target, int plane, int pixels, bool accumulates)
        where TCells : ICellVector<TVector>
        where TProduct : ICellProduct<TVector>
        where TVector : unmanaged
    {
        int* sums = stackalloc int[RowsPerTile * 2 * 16];
        for (int row = 0; row < _groupOutputs; row += RowsPerTile)
        {
            Tile<TCells, TProduct, TVector>(panel, weights + ((long)row * _pairs * 2), pairs, sums);
            for (int r = 0; r < Math.Min(RowsPerTile, _groupOutputs - row); r++)
            {
                var from = new ReadOnlySpan<int>(sums + (r * PanelPixels), pixels);
                var to = new Span<int>(target + ((long)(row + r) * plane), pixels);
                if (accumulates) TensorPrimitives.Add(to, from, to);
                else from.CopyTo(to);
            }
        }
    }

    private void ConvertToFloats(int* target, int pixels)
    {
        for (int row = 0; row < _groupOutputs; row++)
        {
            int* sums = target + ((long)row * Pixels);
            for (int i = 0; i < pixels; i++) ((float*)sums)[i] = sums[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TCells, TProduct, TVector>(short* panel, short* weights, int pairs, int* sums)
        where TCells : ICellVector<TVector>
        where TProduct : ICellProduct<TVector>
        where TVector : unmanaged
    {
        TVector sum00 = TCells.Zero, sum01 = TCells.Zero, sum10 = TCells.Zero, sum11 = TCells.Zero;
        TVector sum20 = TCells.Zero, sum21 = TCells.Zero, sum30 = TCells.Zero, sum31 = TCells.Zero;
        int* row = (int*)weights;
        for (int pair = 0; pair < pairs; pair++, row += RowsPerTile, panel += 4 * TCells.Lanes)
        {
            TVector x0 = TCells.Load((int*)panel);
            TVector x1 = TCells.Load((int*)panel + TCells.Lanes);
            TVector w = TCells.Broadcast(row[0]);
            sum00 = TProduct.MultiplyAdd(x0, w, sum00);
            sum01 = TProduct.MultiplyAdd(x1, w, sum01);
            w = TCells.Broadcast(row[1]);
            sum10 = TProduct.MultiplyAdd(x0, w, sum10);
            sum11 = TProduct.MultiplyAdd(x1, w, sum11);
            w = TCells.Broadcast(row[2]);
            sum20 = TProduct.MultiplyAdd(x0, w, sum20);
            sum21 = TProduct.MultiplyAdd(x1, w, sum21);
            w = TCells.Broadcast(row[3]);
            sum30 = TProduct.MultiplyAdd(x0, w, sum30);
            sum31 = TProduct.MultiplyAdd(x1, w, sum31);
        }

        int lanes = TCells.Lanes;
        TCells.Store(sums, sum00);
        TCells.Store(sums + lanes, sum01);
        TCells.Store(sums + (2 * lanes), sum10);
        TCells.Store(sums + (3 * lanes), sum11);
        TCells.Store(sums + (4 * lanes), sum20);
        TCells.Store(sums + (5 * lanes), sum21);
        TCells.Store(sums + (6 * lanes), sum30);
        TCells.Store(sums + (7 * lanes), sum31);
    }
}
