using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>4 pairs with SSE2, or with shifts and 32-bit products where there is no instruction for pairs.</summary>
internal readonly unsafe struct PairProduct128 : ICellProduct<Vector128<int>>
{
    public static int Lanes => 4;

    public static Vector128<int> Zero => Vector128<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(int* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Broadcast(int cell) => Vector128.Create(cell);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(int* target, Vector128<int> sums) => sums.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ToFloats(Vector128<int> sums) => Vector128.ConvertToSingle(sums).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> x, Vector128<int> y, Vector128<int> sums)
    {
        if (Sse2.IsSupported) return sums + Sse2.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16());
        Vector128<int> low = Low(x) * Low(y);
        return sums + low + (Vector128.ShiftRightArithmetic(x, 16) * Vector128.ShiftRightArithmetic(y, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Low(Vector128<int> pairs) => Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(pairs, 16), 16);
}
