using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>Picks the compiled <see cref="DepthwiseTileKernel{TSimd,TVector,TStride,TKernel,TPixels}"/> of a tile size.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TStride">Horizontal step between output pixels.</typeparam>
/// <typeparam name="TKernel">3, or 0 for any kernel.</typeparam>
internal static unsafe class DepthwiseTiles<TSimd, TVector, TStride, TKernel>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TStride : IConstant
    where TKernel : IConstant
{
    /// <summary>Most pixels of a tile when the register file has 32 vectors and when it has 16.</summary>
    public static int MaxPixels => TSimd.Lanes == 16 ? 14 : 12;

    /// <summary>The micro-kernel for <paramref name="pixels"/> output pixels.</summary>
    public static delegate*<DepthwiseTile*, void> Get(int pixels) => pixels switch
    {
        1 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N1>.Run,
        2 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N2>.Run,
        3 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N3>.Run,
        4 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N4>.Run,
        5 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N5>.Run,
        6 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N6>.Run,
        7 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N7>.Run,
        8 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N8>.Run,
        9 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N9>.Run,
        10 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N10>.Run,
        11 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N11>.Run,
        12 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N12>.Run,
        13 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N13>.Run,
        14 => &DepthwiseTileKernel<TSimd, TVector, TStride, TKernel, N14>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(pixels), pixels, "A depthwise tile has 1 to 14 pixels."),
    };
}
