using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.SparseConv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Registry;

/// <summary>Every convolution kernel of this build, one row each.</summary>
public static class ConvKernels
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<ConvKernel> All { get; } =
    [
        new DirectConv<Simd512, Vector512<float>, N16, N16>(),
        new DirectConv<Simd512, Vector512<float>, N16, N1>(),
        new DirectConv<Simd256, Vector256<float>, N8, N8>(),
        new DirectConv<Simd256, Vector256<float>, N8, N1>(),
        new DirectConv<Simd128, Vector128<float>, N4, N4>(),
        new DirectConv<Simd128, Vector128<float>, N4, N1>(),
        new DirectConv<SimdScalar, float, N1, N1>(),
        new WinogradConv<Simd512, Vector512<float>, N16, WinogradTransform2<Simd512, Vector512<float>, OnePatch<Simd512, Vector512<float>>>, TiledWinogradProduct<Simd512, Vector512<float>, N16>>(),
        new WinogradConv<Simd512, Vector512<float>, N16, WinogradTransform4<Simd512, Vector512<float>, OnePatch<Simd512, Vector512<float>>>, TiledWinogradProduct<Simd512, Vector512<float>, N16>>(),
        new WinogradConv<Simd256, Vector256<float>, N8, WinogradTransform2<Simd256, Vector256<float>, OnePatch<Simd256, Vector256<float>>>, TiledWinogradProduct<Simd256, Vector256<float>, N8>>(),
        new WinogradConv<Simd256, Vector256<float>, N8, WinogradTransform4<Simd256, Vector256<float>, OnePatch<Simd256, Vector256<float>>>, TiledWinogradProduct<Simd256, Vector256<float>, N8>>(),
        new WinogradConv<Simd128, Vector128<float>, N4, WinogradTransform2<Simd128, Vector128<float>, OnePatch<Simd128, Vector128<float>>>, TiledWinogradProduct<Simd128, Vector128<float>, N4>>(),
        new WinogradConv<Simd128, Vector128<float>, N4, WinogradTransform4<Simd128, Vector128<float>, OnePatch<Simd128, Vector128<float>>>, TiledWinogradProduct<Simd128, Vector128<float>, N4>>(),
        new WinogradConv<Simd256, Vector256<float>, N8, PatchPairTransform<WinogradTransform2<Simd512, Vector512<float>, TwoPatches>, WinogradTransform2<Simd256, Vector256<float>, OnePatch<Simd256, Vector256<float>>>>, PairedWinogradProduct>(),
        new WinogradConv<Simd256, Vector256<float>, N8, PatchPairTransform<WinogradTransform4Pair, WinogradTransform4<Simd256, Vector256<float>, OnePatch<Simd256, Vector256<float>>>>, PairedWinogradProduct>(),
        new DepthwiseConv<Simd512, Vector512<float>, N16>(),
        new DepthwiseConv<Simd256, Vector256<float>, N8>(),
        new DepthwiseConv<Simd128, Vector128<float>, N4>(),
        new DepthwiseConv<SimdScalar, float, N1>(),
        new GroupedConv<Simd512, Vector512<float>, N16>(),
        new GroupedConv<Simd256, Vector256<float>, N8>(),
        new GroupedConv<Simd128, Vector128<float>, N4>(),
        new BlockConv<Simd512, Vector512<float>>(),
        new BlockConv<Simd256, Vector256<float>>(),
        new BlockConv<Simd128, Vector128<float>>(),
        new UnstructuredConv<Simd512, Vector512<float>>(),
        new UnstructuredConv<Simd256, Vector256<float>>(),
        new UnstructuredConv<Simd128, Vector128<float>>(),
        new UnstructuredConv<SimdScalar, float>(),
    ];

    /// <summary>Rows that support <paramref name="shape"/> and skip zeros of <paramref name="form"/>.</summary>
    public static IEnumerable<ConvKernel> For(ConvShape shape, WeightForm form) =>
        All.Where(kernel => kernel.Form == form && kernel.Supports(shape));
}
