using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Picks the compiled <see cref="DirectTile{TSimd,TVector,TChannels,TPitch,TOutPitch,TBlocks,TPixels}"/> of a tile size.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TChannels">Channels per input block.</typeparam>
/// <typeparam name="TPitch">Floats between the input of neighbouring output pixels.</typeparam>
/// <typeparam name="TOutPitch">Floats between neighbouring output pixels, or 0.</typeparam>
internal static unsafe class DirectTiles<TSimd, TVector, TChannels, TPitch, TOutPitch>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TChannels : IConstant
    where TPitch : IConstant
    where TOutPitch : IConstant
{
    /// <summary>The micro-kernel for <paramref name="blocks"/> output channel blocks and <paramref name="pixels"/> output pixels.</summary>
    public static delegate*<ConvTile*, void> Get(int blocks, int pixels) => blocks switch
    {
        1 => Get<N1>(pixels),
        2 => Get<N2>(pixels),
        3 => Get<N3>(pixels),
        4 => Get<N4>(pixels),
        _ => throw new ArgumentOutOfRangeException(nameof(blocks), blocks, "A register tile has 1 to 4 channel blocks."),
    };

    private static delegate*<ConvTile*, void> Get<TBlocks>(int pixels)
        where TBlocks : IConstant => pixels switch
    {
        1 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N1>.Run,
        2 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N2>.Run,
        3 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N3>.Run,
        4 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N4>.Run,
        5 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N5>.Run,
        6 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N6>.Run,
        7 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N7>.Run,
        8 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N8>.Run,
        9 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N9>.Run,
        10 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N10>.Run,
        11 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N11>.Run,
        12 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N12>.Run,
        13 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N13>.Run,
        14 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N14>.Run,
        15 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N15>.Run,
        16 => &DirectTile<TSimd, TVector, TChannels, TPitch, TOutPitch, TBlocks, N16>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "A register tile has 1 to 16 pixels."),
    };
}
