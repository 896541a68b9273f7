using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Picks the compiled <see cref="CellTile{TCells,TProduct,TVector,TPixels}"/>.</summary>
internal static unsafe class CellTileTable<TCells, TProduct, TVector>
    where TCells : ICellVector<TVector>
    where TProduct : ICellProduct<TVector>
    where TVector : unmanaged
{
    /// <summary>The micro-kernel for a number of pixels, 1 to 14.</summary>
    public static delegate*<ByteTiles*, void> Get(int pixels) => pixels switch
    {
        1 => &CellTile<TCells, TProduct, TVector, N1>.Run,
        2 => &CellTile<TCells, TProduct, TVector, N2>.Run,
        3 => &CellTile<TCells, TProduct, TVector, N3>.Run,
        4 => &CellTile<TCells, TProduct, TVector, N4>.Run,
        5 => &CellTile<TCells, TProduct, TVector, N5>.Run,
        6 => &CellTile<TCells, TProduct, TVector, N6>.Run,
        7 => &CellTile<TCells, TProduct, TVector, N7>.Run,
        8 => &CellTile<TCells, TProduct, TVector, N8>.Run,
        9 => &CellTile<TCells, TProduct, TVector, N9>.Run,
        10 => &CellTile<TCells, TProduct, TVector, N10>.Run,
        11 => &CellTile<TCells, TProduct, TVector, N11>.Run,
        12 => &CellTile<TCells, TProduct, TVector, N12>.Run,
        13 => &CellTile<TCells, TProduct, TVector, N13>.Run,
        14 => &CellTile<TCells, TProduct, TVector, N14>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "A tile has 1 to 14 pixels."),
    };
}
