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
    // What one tile reads of all channels should stay in the first-level cache, a band in the second.
    private const long TileBytes = 32 * 1024;
    private const long BandBytes = 384 * 1024;

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
        _columnFloats = (floats + (lanes > 1 ? lanes - 1 : 0) + 15) / 16 * 16;
    }

    /// <summary>Whether all pixels of an image form one run: 1x1 kernels without stride and padding.</summary>
    public static bool IsFlat(ConvShape shape) =>
        shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    /// <summary>Whether the offsets of a band of one row fit 31 bits.</summary>
    public static bool Addresses(ConvShape shape, int lanes) =>
        (long)shape.InChannels * shape.KernelWidth * (((long)shape.KernelHeight * shape.DilationY * shape.OutWidth) + lanes + 16) < int.MaxValue / 2;

    /// <summary>Chooses the tile, in vectors, and the rows (or pixels of the one row) per band.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="lanes">Floats per vector.</param>
    public static (int TileVectors, int BandRows) ChooseBand(ConvShape shape, int lanes)
    {
        if (IsFlat(shape))
        {
            int pixels = shape.OutHeight * shape.OutWidth;
            int vectors = 8;
            while (vectors > 2 && (long)shape.InChannels / shape.Groups * vectors * lanes * sizeof(float) > TileBytes) vectors /= 2;
            while (vectors > 1 && vectors * lanes > pixels + lanes - 1) vectors /= 2;
            return (vectors, vectors * lanes);
        }

        long rowBytes = (long)shape.InChannels * shape.KernelWidth * shape.StrideY * shape.OutWidth * sizeof(float);
        int rows = (int)Math.Clamp(BandBytes / rowBytes, 1, shape.OutHeight);
        int bands = (shape.OutHeight + rows - 1) / rows;
        rows = (shape.OutHeight + bands - 1) / bands;
        int tile = 4;
        while (tile > 1 && tile * lanes > (rows * shape.OutWidth) + lanes - 1) tile /= 2;
        return (tile, rows);
    }

    /// <summary>Output rows (or pixels of the one row) per band.</summary>
    public int BandRows { get; }

    /// <summary>Pixels per row; 1 when all pixels form one row.</summary>
    public int RowPixels { get; }

    /// <summary>Rows (or pixels of the one row) of an image.</summary>
    public int Rows => _flat ? _shape.OutHeight * _shape.OutWidth : _shape.OutHeight;

    /// <summary>Floats of the copy of one input channel.</summary>
    public int ChannelFloats => _shape.KernelWidth * _columnFloats;

    /// <summary>Bytes of one band.</summary>
    public long Bytes => (long)_shape.InChannels * ChannelFloats * sizeof(float);

    /// <summary>Distance from an output pixel of the band to what a tap of an input channel reads there.</summary>
    public int TapOffset(int channel, int ky, int kx)
    {
        int row = ky * _shape.DilationY;
        int slot = Array.IndexOf(_phases, row % _shape.StrideY);
        return (channel * ChannelFloats) + (kx * _columnFloats) + (((slot * _rowsPerPhase) + (row / _shape.StrideY)) * RowPixels);
    }

    /// <summary>Copies the band whose first output row (or pixel) is <paramref name="firstRow"/>.</summary>
    /// <param name="image">First channel of the image, NCHW.</param>
    /// <param name="band">Scratch memory of <see cref="Bytes"/>.</param>
    /// <param name="firstRow">First row of the band; the band may end beyond the image.</param>
    public void Copy(float* image, float* band, int firstRow)
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
        for (int x = first; x < end; x++, from += stride) target[x] = *from;
        for (int x = end; x < width; x++) target[x] = 0;
    }
}
