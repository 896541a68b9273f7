using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Picks the compiled <see cref="DirectRowTile{TSimd,TVector,TChannels,TPixels}"/> of a tile size.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TChannels">Channels per input block.</typeparam>
internal static unsafe class DirectRowTiles<TSimd, TVector, TChannels>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TChannels : IConstant
{
    /// <summary>The micro-kernel for <paramref name="pixels"/> output pixels.</summary>
    public static delegate*<ConvTile*, void> Get(int pixels) => pixels switch
    {
        1 => &DirectRowTile<TSimd, TVector, TChannels, N1>.Run,
        2 => &DirectRowTile<TSimd, TVector, TChannels, N2>.Run,
        3 => &DirectRowTile<TSimd, TVector, TChannels, N3>.Run,
        4 => &DirectRowTile<TSimd, TVector, TChannels, N4>.Run,
        5 => &DirectRowTile<TSimd, TVector, TChannels, N5>.Run,
        6 => &DirectRowTile<TSimd, TVector, TChannels, N6>.Run,
        7 => &DirectRowTile<TSimd, TVector, TChannels, N7>.Run,
        8 => &DirectRowTile<TSimd, TVector, TChannels, N8>.Run,
        9 => &DirectRowTile<TSimd, TVector, TChannels, N9>.Run,
        10 => &DirectRowTile<TSimd, TVector, TChannels, N10>.Run,
        11 => &DirectRowTile<TSimd, TVector, TChannels, N11>.Run,
        12 => &DirectRowTile<TSimd, TVector, TChannels, N12>.Run,
        13 => &DirectRowTile<TSimd, TVector, TChannels, N13>.Run,
        14 => &DirectRowTile<TSimd, TVector, TChannels, N14>.Run,
        15 => &DirectRowTile<TSimd, TVector, TChannels, N15>.Run,
        16 => &DirectRowTile<TSimd, TVector, TChannels, N16>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "A register tile has 1 to 16 pixels."),
    };
}
