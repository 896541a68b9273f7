using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>The micro-kernels of the unstructured form by tile size.</summary>
internal static unsafe class UnstructuredTiles<TSimd, TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>The micro-kernel of a tile of <paramref name="vectors"/> vectors, 1 to 8.</summary>
    public static delegate*<UnstructuredTile*, void> Get(int vectors) => vectors switch
    {
        1 => &UnstructuredTile<TSimd, TVector, N1>.Run,
        2 => &UnstructuredTile<TSimd, TVector, N2>.Run,
        3 => &UnstructuredTile<TSimd, TVector, N3>.Run,
        4 => &UnstructuredTile<TSimd, TVector, N4>.Run,
        5 => &UnstructuredTile<TSimd, TVector, N5>.Run,
        6 => &UnstructuredTile<TSimd, TVector, N6>.Run,
        7 => &UnstructuredTile<TSimd, TVector, N7>.Run,
        8 => &UnstructuredTile<TSimd, TVector, N8>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(vectors), vectors, "Expected 1 to 8."),
    };
}
