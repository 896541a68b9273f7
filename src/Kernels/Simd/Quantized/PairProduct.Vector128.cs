using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>4 pairs with SSE2, or with shifts and 32-bit products where there is no instruction for pairs.</summary>
internal readonly struct PairProduct128 : ICellProduct<Vector128<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> inputs, Vector128<int> weights, Vector128<int> sums)
    {
        if (Sse2.IsSupported) return sums + Sse2.MultiplyAddAdjacent(inputs.AsInt16(), weights.AsInt16());
        Vector128<int> low = Low(inputs) * Low(weights);
        return sums + low + (Vector128.ShiftRightArithmetic(inputs, 16) * Vector128.ShiftRightArithmetic(weights, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Low(Vector128<int> pairs) => Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(pairs, 16), 16);
}
