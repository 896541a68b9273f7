using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>8 pairs with AVX2.</summary>
internal readonly struct PairProduct256 : ICellProduct<Vector256<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> inputs, Vector256<int> weights, Vector256<int> sums) =>
        Avx2.Add(sums, Avx2.MultiplyAddAdjacent(inputs.AsInt16(), weights.AsInt16()));
}
