using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>Picks the compiled <see cref="WeightGradientTile{TSimd,TVector,TInputs}"/>.</summary>
internal static unsafe class WeightGradientTiles<TSimd, TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>The micro-kernel for a number of input channels, 1 to 16.</summary>
    public static delegate*<WeightGradientRows*, void> Get(int inputs) => inputs switch
    {
        1 => &WeightGradientTile<TSimd, TVector, N1>.Run,
        2 => &WeightGradientTile<TSimd, TVector, N2>.Run,
        3 => &WeightGradientTile<TSimd, TVector, N3>.Run,
        4 => &WeightGradientTile<TSimd, TVector, N4>.Run,
        5 => &WeightGradientTile<TSimd, TVector, N5>.Run,
        6 => &WeightGradientTile<TSimd, TVector, N6>.Run,
        7 => &WeightGradientTile<TSimd, TVector, N7>.Run,
        8 => &WeightGradientTile<TSimd, TVector, N8>.Run,
        9 => &WeightGradientTile<TSimd, TVector, N9>.Run,
        10 => &WeightGradientTile<TSimd, TVector, N10>.Run,
        11 => &WeightGradientTile<TSimd, TVector, N11>.Run,
        12 => &WeightGradientTile<TSimd, TVector, N12>.Run,
        13 => &WeightGradientTile<TSimd, TVector, N13>.Run,
        14 => &WeightGradientTile<TSimd, TVector, N14>.Run,
        15 => &WeightGradientTile<TSimd, TVector, N15>.Run,
        16 => &WeightGradientTile<TSimd, TVector, N16>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(inputs), inputs, "A tile has 1 to 16 input channels."),
    };
}
