using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>The micro-kernels of the block form by tile size.</summary>
internal static unsafe class BlockTiles<TSimd, TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>The micro-kernel of a tile of <paramref name="pixels"/> pixels, 1 to 28.</summary>
    public static delegate*<BlockTile*, void> Get(int pixels) => pixels switch
    {
        1 => &BlockTile<TSimd, TVector, N1>.Run,
        2 => &BlockTile<TSimd, TVector, N2>.Run,
        3 => &BlockTile<TSimd, TVector, N3>.Run,
        4 => &BlockTile<TSimd, TVector, N4>.Run,
        5 => &BlockTile<TSimd, TVector, N5>.Run,
        6 => &BlockTile<TSimd, TVector, N6>.Run,
        7 => &BlockTile<TSimd, TVector, N7>.Run,
        8 => &BlockTile<TSimd, TVector, N8>.Run,
        9 => &BlockTile<TSimd, TVector, N9>.Run,
        10 => &BlockTile<TSimd, TVector, N10>.Run,
        11 => &BlockTile<TSimd, TVector, N11>.Run,
        12 => &BlockTile<TSimd, TVector, N12>.Run,
        13 => &BlockTile<TSimd, TVector, N13>.Run,
        14 => &BlockTile<TSimd, TVector, N14>.Run,
        15 => &BlockTile<TSimd, TVector, N15>.Run,
        16 => &BlockTile<TSimd, TVector, N16>.Run,
        17 => &BlockTile<TSimd, TVector, N17>.Run,
        18 => &BlockTile<TSimd, TVector, N18>.Run,
        19 => &BlockTile<TSimd, TVector, N19>.Run,
        20 => &BlockTile<TSimd, TVector, N20>.Run,
        21 => &BlockTile<TSimd, TVector, N21>.Run,
        22 => &BlockTile<TSimd, TVector, N22>.Run,
        23 => &BlockTile<TSimd, TVector, N23>.Run,
        24 => &BlockTile<TSimd, TVector, N24>.Run,
        25 => &BlockTile<TSimd, TVector, N25>.Run,
        26 => &BlockTile<TSimd, TVector, N26>.Run,
        27 => &BlockTile<TSimd, TVector, N27>.Run,
        28 => &BlockTile<TSimd, TVector, N28>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "Expected 1 to 28."),
    };
}
