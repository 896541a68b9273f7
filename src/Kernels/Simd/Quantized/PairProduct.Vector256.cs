using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>8 pairs with AVX2.</summary>
internal readonly unsafe struct PairProduct256 : ICellProduct<Vector256<int>>
{
    public static int Lanes => 8;

    public static Vector256<int> Zero => Vector256<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(int* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int cell) => Vector256.Create(cell);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(int* target, Vector256<int> sums) => sums.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ToFloats(Vector256<int> sums) => Vector256.ConvertToSingle(sums).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> x, Vector256<int> y, Vector256<int> sums) =>
        Avx2.Add(sums, Avx2.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16()));
}
