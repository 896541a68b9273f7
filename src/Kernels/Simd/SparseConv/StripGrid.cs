using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// How output pixels are dealt to the lanes of vectors: the image is cut into strips of <see cref="SegmentPixels"/> columns, and
/// vectors run down a strip. A vector holds one segment, or several where the image is narrower than a vector; segments then lie
/// <see cref="Height"/> rows apart.
/// </summary>
/// <remarks>
/// The vectors of a tile are vertical neighbours, so that a tap of any kernel row is the same run of vectors some rows further down.
/// The last strip may reach beyond the right edge of the image and the last segment beyond the lower one.
/// </remarks>
/// <param name="Segments">Segments of a vector.</param>
/// <param name="SegmentPixels">Neighbouring pixels of a segment; times <paramref name="Segments"/> this is the number of lanes.</param>
/// <param name="Strips">Strips from left to right.</param>
/// <param name="Height">Vectors of a strip from top to bottom.</param>
internal sealed record StripGrid(int Segments, int SegmentPixels, int Strips, int Height)
{
    private const int LeastSegment = 4;

    /// <summary>Lanes.</summary>
    public int Lanes => Segments * SegmentPixels;

    /// <summary>The grid with the least modelled time for a layer.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="lanes">Lanes, a power of two.</param>
    /// <param name="weights">Weights that are not zero.</param>
    public static StripGrid Choose(ConvShape shape, int lanes, double weights)
    {
        StripGrid best = Cut(shape, lanes, 1);
        for (int segments = 2; segments * LeastSegment <= lanes; segments *= 2)
        {
            StripGrid grid = Cut(shape, lanes, segments);
            if (SparseConvCost.StripCycles(shape, grid, weights) < SparseConvCost.StripCycles(shape, best, weights)) best = grid;
        }

        return best;
    }

    /// <summary>Pixels of a segment of a strip that lie in the image.</summary>
    public int ColumnsOf(int strip, ConvShape shape) => Math.Min(SegmentPixels, shape.OutWidth - (strip * SegmentPixels));

    private static StripGrid Cut(ConvShape shape, int lanes, int segments)
    {
        int pixels = lanes / segments;
        return new StripGrid(segments, pixels, (shape.OutWidth + pixels - 1) / pixels, (shape.OutHeight + segments - 1) / segments);
    }
}
