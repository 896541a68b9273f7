using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Picks the compiled <see cref="CellTile{TProduct,TVector,TPixels}"/>.</summary>
internal static unsafe class CellTileTable<TProduct, TVector>
    where TProduct : ICellProduct<TVector>
    where TVector : unmanaged
{
    /// <summary>The micro-kernel for a number of pixels, 1 to 14.</summary>
    public static delegate*<ByteTiles*, void> Get(int pixels) => pixels switch
    {
        1 => &CellTile<TProduct, TVector, N1>.Run,
        2 => &CellTile<TProduct, TVector, N2>.Run,
        3 => &CellTile<TProduct, TVector, N3>.Run,
        4 => &CellTile<TProduct, TVector, N4>.Run,
        5 => &CellTile<TProduct, TVector, N5>.Run,
        6 => &CellTile<TProduct, TVector, N6>.Run,
        7 => &CellTile<TProduct, TVector, N7>.Run,
        8 => &CellTile<TProduct, TVector, N8>.Run,
        9 => &CellTile<TProduct, TVector, N9>.Run,
        10 => &CellTile<TProduct, TVector, N10>.Run,
        11 => &CellTile<TProduct, TVector, N11>.Run,
        12 => &CellTile<TProduct, TVector, N12>.Run,
        13 => &CellTile<TProduct, TVector, N13>.Run,
        14 => &CellTile<TProduct, TVector, N14>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "A tile has 1 to 14 pixels."),
    };
}
