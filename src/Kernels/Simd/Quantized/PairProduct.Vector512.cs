using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>16 pairs with AVX-512BW.</summary>
internal readonly unsafe struct PairProduct512 : ICellProduct<Vector512<int>>
{
    public static int Lanes => 16;

    public static Vector512<int> Zero => Vector512<int>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(int* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Broadcast(int cell) => Vector512.Create(cell);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(int* target, Vector512<int> sums) => sums.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ToFloats(Vector512<int> sums) => Vector512.ConvertToSingle(sums).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> x, Vector512<int> y, Vector512<int> sums) =>
        Avx512F.Add(sums, Avx512BW.MultiplyAddAdjacent(x.AsInt16(), y.AsInt16()));
}
