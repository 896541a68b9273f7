using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>16 pairs with AVX-512BW.</summary>
internal readonly struct PairProduct512 : ICellProduct<Vector512<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> inputs, Vector512<int> weights, Vector512<int> sums) =>
        Avx512F.Add(sums, Avx512BW.MultiplyAddAdjacent(inputs.AsInt16(), weights.AsInt16()));
}
