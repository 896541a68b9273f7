using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>4 cells.</summary>
internal readonly unsafe struct CellVector128 : ICellVector<Vector128<int>>
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
}

/// <summary>8 cells.</summary>
internal readonly unsafe struct CellVector256 : ICellVector<Vector256<int>>
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
}

/// <summary>16 cells.</summary>
internal readonly unsafe struct CellVector512 : ICellVector<Vector512<int>>
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
}
