using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Copies a band of an NCHW image to scratch memory in such a form that each kernel tap of a run of output pixels is a run
/// of floats at a constant distance, whatever the padding, stride and dilation are.
/// </summary>
/// <remarks>
/// The copy holds, for every input channel and every kernel column, the input column that this kernel column meets, one
/// float per output column. Rows are grouped by their number modulo the vertical stride. A pixel at (y, x) of the band then
/// finds tap (ky, kx) of channel c at base + y * OutWidth + x + <see cref="TapOffset"/>: rows of output pixels join to one
/// run without gaps, and rows as long as a vector stay aligned. The copy is dense in memory, so that planes whose size is
/// a power of two do not fight for the same cache sets.
/// </remarks>
internal sealed unsafe class PixelWindow
{
    // A band should stay in the second-level cache.
    private const long BandBytes = 192 * 1024;
    private const int FlatBandStep = 128;
    private const int PageBytes = 4096;

    private readonly ConvShape _shape;
    private readonly int[] _phases;
    private readonly int _rowsPerPhase;
    private readonly int _columnFloats;
    private readonly bool _flat;

    /// <summary>Plans bands of one size.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="lanes">Floats per vector; reads of a whole last vector stay inside the copy.</param>
    /// <param name="bandRows">Output rows per band. When <see cref="IsFlat"/>, output pixels per band.</param>
    public PixelWindow(ConvShape shape, int lanes, int bandRows)
    {
        _shape = shape;
        _flat = IsFlat(shape);
        BandRows = bandRows;
        RowPixels = _flat ? 1 : shape.OutWidth;
        // Rows that no tap meets are not stored.
        _phases = [.. Enumerable.Range(0, shape.KernelHeight).Select(ky => ky * shape.DilationY % shape.StrideY).Distinct().Order()];
        _rowsPerPhase = bandRows + ((shape.KernelHeight - 1) * shape.DilationY / shape.StrideY);
        int floats = _phases.Length * _rowsPerPhase * RowPixels;
        // A whole vector may be read at the last pixel of the last row.
        int lines = (floats + lanes - 1 + 15) / 16;
        // An odd number of cache lines spreads the channels over all cache sets.
        _columnFloats = (lines | 1) * 16;
        nint plane = (nint)shape.InHeight * shape.InWidth;
        Copies = !_flat || plane % lanes != 0 || (plane * sizeof(float)) % PageBytes % (PageBytes / 8) == 0;
        ChannelFloats = Copies ? shape.KernelWidth * _columnFloats : (int)plane;
    }

    /// <summary>
    /// Whether bands are copied. The pixels of a 1x1 kernel are read in place when tiles end with the image and the channels
    /// do not crowd into a few cache sets.
    /// </summary>
    public bool Copies { get; }

    /// <summary>Whether all pixels of an image form one run: 1x1 kernels without stride and padding.</summary>
    public static bool IsFlat(ConvShape shape) =>
        shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    /// <summary>Whether the offsets of a band of one row fit 31 bits.</summary>
    public static bool Addresses(ConvShape shape, int lanes) =>
        (long)shape.InChannels * shape.KernelWidth * (((long)shape.KernelHeight * shape.DilationY * shape.OutWidth) + lanes + 16) < int.MaxValue / 2;

    /// <summary>Rows (or pixels of the one row) per band.</summary>
    /// <param name="shape">The layer.</param>
    public static int ChooseBand(ConvShape shape)
    {
        bool flat = IsFlat(shape);
        long rowBytes = sizeof(float) * (flat ? shape.InChannels : (long)shape.InChannels * shape.KernelWidth * shape.StrideY * shape.OutWidth);
        int all = flat ? shape.OutHeight * shape.OutWidth : shape.OutHeight;
        int rows = (int)Math.Clamp(BandBytes / rowBytes, 1, all);
        if (flat) return Math.Min(all, Math.Max(rows / FlatBandStep, 1) * FlatBandStep);
        int bands = (all + rows - 1) / rows;
        return (all + bands - 1) / bands;
    }

    /// <summary>Output rows (or pixels of the one row) per band.</summary>
    public int BandRows { get; }

    /// <summary>Pixels per row; 1 when all pixels form one row.</summary>
    public int RowPixels { get; }

    /// <summary>Rows (or pixels of the one row) of an image.</summary>
    public int Rows => _flat ? _shape.OutHeight * _shape.OutWidth : _shape.OutHeight;

    /// <summary>Floats between input channels.</summary>
    public int ChannelFloats { get; }

    /// <summary>Floats of one input channel that a run of <paramref name="pixels"/> output pixels reads.</summary>
    public long TileFloats(int pixels) =>
        (long)_shape.KernelWidth * _phases.Length * (pixels + ((_rowsPerPhase - BandRows) * RowPixels));

    /// <summary>Bytes of one band; 0 when pixels are read in place.</summary>
    public long Bytes => Copies ? (long)_shape.InChannels * ChannelFloats * sizeof(float) : 0;

    /// <summary>Distance from an output pixel of the band to what a tap of an input channel reads there.</summary>
    public int TapOffset(int channel, int ky, int kx)
    {
        int row = ky * _shape.DilationY;
        int slot = Array.IndexOf(_phases, row % _shape.StrideY);
        return (channel * ChannelFloats) + (kx * _columnFloats) + (((slot * _rowsPerPhase) + (row / _shape.StrideY)) * RowPixels);
    }

    /// <summary>Makes the band readable whose first output row (or pixel) is <paramref name="firstRow"/>.</summary>
    /// <param name="image">First channel of the image, NCHW.</param>
    /// <param name="band">Scratch memory of <see cref="Bytes"/>.</param>
    /// <param name="firstRow">First row of the band; the band may end beyond the image.</param>
    /// <returns>What offsets count from, for the first pixel of the band.</returns>
    public float* Open(float* image, float* band, int firstRow)
    {
        if (!Copies) return image + firstRow;
        Copy(image, band, firstRow);
        return band;
    }

    private void Copy(float* image, float* band, int firstRow)
    {
        nint plane = (nint)_shape.InHeight * _shape.InWidth;
        for (int channel = 0; channel < _shape.InChannels; channel++, image += plane)
        {
            if (_flat)
            {
                int count = (int)Math.Min(BandRows, plane - firstRow);
                new ReadOnlySpan<float>(image + firstRow, count).CopyTo(new Span<float>(band, count));
                band += ChannelFloats;
                continue;
            }

            for (int kx = 0; kx < _shape.KernelWidth; kx++, band += _columnFloats)
            {
                for (int slot = 0; slot < _phases.Length; slot++) CopyPhase(image, band + ((nint)slot * _rowsPerPhase * RowPixels), firstRow, _phases[slot], kx);
            }
        }
    }

    private void CopyPhase(float* plane, float* target, int firstRow, int phase, int kx)
    {
        int shift = (kx * _shape.DilationX) - _shape.PadLeft;
        int firstInput = (firstRow * _shape.StrideY) + phase - _shape.PadTop;
        int firstInside = Math.Clamp((-firstInput + _shape.StrideY - 1) / _shape.StrideY, 0, _rowsPerPhase);
        int endInside = firstInput >= _shape.InHeight ? firstInside
            : Math.Clamp(((_shape.InHeight - 1 - firstInput) / _shape.StrideY) + 1, firstInside, _rowsPerPhase);
        int width = _shape.OutWidth;
        new Span<float>(target, firstInside * width).Clear();
        new Span<float>(target + ((nint)endInside * width), (_rowsPerPhase - endInside) * width).Clear();
        float* source = plane + ((((nint)firstInside * _shape.StrideY) + firstInput) * _shape.InWidth);
        float* to = target + ((nint)firstInside * width);
        if (_shape.StrideX == 1 && _shape.StrideY == 1 && width == _shape.InWidth) CopyShifted(source, to, endInside - firstInside, shift);
        else for (int row = firstInside; row < endInside; row++, source += (nint)_shape.StrideY * _shape.InWidth, to += width) CopyRow(source, to, shift);
    }

    // Rows of equal length shift as one run; what comes from a neighbouring row is then overwritten with the padding.
    private void CopyShifted(float* source, float* target, int rows, int shift)
    {
        if (rows <= 0) return;
        int width = _shape.OutWidth;
        int head = Math.Min(Math.Max(-shift, 0), width);
        int tail = Math.Min(Math.Max(shift, 0), width);
        int count = (rows * width) - head - tail;
        if (count > 0) new ReadOnlySpan<float>(source + tail, count).CopyTo(new Span<float>(target + head, count));
        for (int row = 0; row < rows; row++, target += width)
        {
            for (int x = 0; x < head; x++) target[x] = 0;
            for (int x = width - tail; x < width; x++) target[x] = 0;
        }
    }

    private void CopyRow(float* source, float* target, int shift)
    {
        int stride = _shape.StrideX;
        int width = _shape.OutWidth;
        int first = Math.Clamp((-shift + stride - 1) / stride, 0, width);
        int end = shift >= _shape.InWidth ? first : Math.Clamp(((_shape.InWidth - 1 - shift) / stride) + 1, first, width);
        for (int x = 0; x < first; x++) target[x] = 0;
        float* from = source + (((nint)first * stride) + shift);
        int next = stride == 2 ? first + CopyEven(from, target + first, end - first) : first;
        from += (nint)(next - first) * stride;
        for (int x = next; x < end; x++, from += stride) target[x] = *from;
        for (int x = end; x < width; x++) target[x] = 0;
    }

    // Every second float, as many whole vectors as can be read without passing the last one; returns how many were written.
    private static int CopyEven(float* source, float* target, int count)
    {
        int x = 0;
        if (Avx512F.IsSupported)
        {
            Vector512<int> even = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0);
            for (; x + 8 < count; x += 8) Vector512.Shuffle(Vector512.Load(source + (2 * x)), even).GetLower().Store(target + x);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Vector256<int> even = Vector256.Create(0, 2, 4, 6, 0, 0, 0, 0);
            for (; x + 4 < count; x += 4) Vector256.Shuffle(Vector256.Load(source + (2 * x)), even).GetLower().Store(target + x);
        }

        return x;
    }
}
