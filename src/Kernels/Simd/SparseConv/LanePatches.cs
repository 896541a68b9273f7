using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// How output pixels are dealt to the lanes of a vector: the image is cut into a grid of equal patches, one for each lane,
/// and a vector holds the pixels at the same place of all patches.
/// </summary>
/// <remarks>
/// Neighbouring pixels then lie in neighbouring vectors instead of neighbouring lanes, so that a tap of any kernel column,
/// with any stride and dilation, is a whole vector at an aligned address. Patches of the last row and column of the grid may
/// reach beyond the image.
/// </remarks>
/// <param name="GridRows">Patches from top to bottom.</param>
/// <param name="GridColumns">Patches from left to right; times <paramref name="GridRows"/> this is the number of lanes.</param>
/// <param name="Height">Rows of a patch.</param>
/// <param name="Width">Columns of a patch.</param>
internal sealed record LanePatches(int GridRows, int GridColumns, int Height, int Width)
{
    /// <summary>Lanes.</summary>
    public int Lanes => GridRows * GridColumns;

    /// <summary>The grid with the least modelled time for a layer.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="lanes">Lanes, a power of two.</param>
    /// <param name="weights">Weights that are not zero.</param>
    public static LanePatches Choose(ConvShape shape, int lanes, double weights)
    {
        LanePatches best = Cut(shape, lanes, 1);
        for (int columns = 2; columns <= lanes; columns *= 2)
        {
            LanePatches patches = Cut(shape, lanes / columns, columns);
            if (SparseConvCost.PatchCycles(shape, patches, weights) < SparseConvCost.PatchCycles(shape, best, weights)) best = patches;
        }

        return best;
    }

    private static LanePatches Cut(ConvShape shape, int rows, int columns) =>
        new(rows, columns, (shape.OutHeight + rows - 1) / rows, (shape.OutWidth + columns - 1) / columns);
}
