using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// What training adds to the transforms of F(4 x 4, 3 x 3): weights that change with every step, and the gradient of the
/// weights, which is dg = G^T [(A dY A^T) .* (B^T d B)] G summed over patches, because Y = A^T [(G g G^T) .* (B^T d B)] A.
/// </summary>
/// <typeparam name="TSimd">Vector operations; lanes are channels.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
internal static unsafe class WinogradTraining4<TSimd, TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows and columns of outputs of a patch.</summary>
    public const int Size = 4;

    /// <summary>Elements of the transform domain.</summary>
    public const int Elements = Width * Width;

    private const int Width = Size + 2, Kernel = 3;
    private const float InverseRoot2 = 0.70710678118654752f, Root2 = 1.41421356237309505f;

    private static readonly float[] _weightMatrix = [.. WinogradWeights.Matrix(WinogradTransform4<TSimd, TVector, OnePatch<TSimd, TVector>>.Points).Select(value => (float)value)];

    /// <summary>G g G^T of one kernel per lane.</summary>
    /// <param name="kernel">Nine vectors, row by row.</param>
    /// <param name="elements">Receives element (0, 0).</param>
    /// <param name="stride">Floats between elements.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Weights(TVector* kernel, float* elements, nint stride)
    {
        TVector* left = stackalloc TVector[Width * Kernel];
        fixed (float* matrix = _weightMatrix)
        {
            for (int row = 0; row < Width; row++)
            {
                for (int column = 0; column < Kernel; column++)
                    left[(row * Kernel) + column] = Combine(matrix + (row * Kernel), kernel[column], kernel[Kernel + column], kernel[(2 * Kernel) + column]);
            }

            for (int row = 0; row < Width; row++)
            {
                TVector* from = left + (row * Kernel);
                for (int column = 0; column < Width; column++, elements += stride)
                    TSimd.Store(elements, Combine(matrix + (column * Kernel), from[0], from[1], from[2]));
            }
        }
    }

    /// <summary>G^T dU G of one kernel per lane, from sums over patches.</summary>
    /// <param name="elements">Element (0, 0).</param>
    /// <param name="stride">Floats between elements.</param>
    /// <param name="kernel">Receives nine vectors, row by row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightGradients(float* elements, nint stride, TVector* kernel)
    {
        TVector* left = stackalloc TVector[Kernel * Width];
        fixed (float* matrix = _weightMatrix)
        {
            for (int row = 0; row < Kernel; row++)
            {
                for (int column = 0; column < Width; column++)
                {
                    TVector sum = TSimd.Zero;
                    for (int k = 0; k < Width; k++)
                        sum = TSimd.MultiplyAdd(TSimd.Broadcast(matrix[(k * Kernel) + row]), TSimd.Load(elements + (((k * Width) + column) * stride)), sum);
                    left[(row * Width) + column] = sum;
                }
            }

            for (int row = 0; row < Kernel; row++)
            {
                for (int column = 0; column < Kernel; column++)
                {
                    TVector sum = TSimd.Zero;
                    for (int k = 0; k < Width; k++) sum = TSimd.MultiplyAdd(TSimd.Broadcast(matrix[(k * Kernel) + column]), left[(row * Width) + k], sum);
                    kernel[(row * Kernel) + column] = sum;
                }
            }
        }
    }

    /// <summary>Computes A dY A^T of patches side by side: of pixels that the output transform would have written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OutputGradient(WinogradPatches* patches)
    {
        float* row0 = patches->Pixels;
        float* target = patches->Elements;
        nint step = patches->RowStep, plane = patches->PlaneStep;
        for (int count = patches->Count; count > 0; count--)
        {
            float* row1 = row0 + step;
            float* row2 = row1 + step;
            float* row3 = row2 + step;
            StoreRow(target, plane, TSimd.Load(row0), TSimd.Load(row0 + TSimd.Lanes), TSimd.Load(row0 + (2 * TSimd.Lanes)), TSimd.Load(row0 + (3 * TSimd.Lanes)));
            StorePair(target + (Width * plane), plane, row0, row1, row2, row3, InverseRoot2, 0.5f);
            StorePair(target + (3 * Width * plane), plane, row0, row1, row2, row3, Root2, 2f);
            StoreRow(target + (5 * Width * plane), plane, TSimd.Load(row3), TSimd.Load(row3 + TSimd.Lanes), TSimd.Load(row3 + (2 * TSimd.Lanes)), TSimd.Load(row3 + (3 * TSimd.Lanes)));
            row0 += Size * TSimd.Lanes;
            target += TSimd.Lanes;
        }
    }

    /// <summary>The rows of a pair of points +-p, which share even and odd parts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StorePair(float* target, nint plane, float* row0, float* row1, float* row2, float* row3, float point, float square)
    {
        TVector even0 = Even(row0, row2, square), odd0 = Odd(row1, row3, point, square);
        TVector even1 = Even(row0 + TSimd.Lanes, row2 + TSimd.Lanes, square), odd1 = Odd(row1 + TSimd.Lanes, row3 + TSimd.Lanes, point, square);
        TVector even2 = Even(row0 + (2 * TSimd.Lanes), row2 + (2 * TSimd.Lanes), square), odd2 = Odd(row1 + (2 * TSimd.Lanes), row3 + (2 * TSimd.Lanes), point, square);
        TVector even3 = Even(row0 + (3 * TSimd.Lanes), row2 + (3 * TSimd.Lanes), square), odd3 = Odd(row1 + (3 * TSimd.Lanes), row3 + (3 * TSimd.Lanes), point, square);
        StoreRow(target, plane, TSimd.Add(even0, odd0), TSimd.Add(even1, odd1), TSimd.Add(even2, odd2), TSimd.Add(even3, odd3));
        StoreRow(target + (Width * plane), plane, TSimd.Subtract(even0, odd0), TSimd.Subtract(even1, odd1), TSimd.Subtract(even2, odd2), TSimd.Subtract(even3, odd3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Even(float* row0, float* row2, float square) => TSimd.MultiplyAdd(TSimd.Broadcast(square), TSimd.Load(row2), TSimd.Load(row0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Odd(float* row1, float* row3, float point, float square) =>
        TSimd.Multiply(TSimd.Broadcast(point), TSimd.MultiplyAdd(TSimd.Broadcast(square), TSimd.Load(row3), TSimd.Load(row1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* target, nint plane, TVector c0, TVector c1, TVector c2, TVector c3)
    {
        TSimd.Store(target, c0);
        TVector even = TSimd.MultiplyAdd(TSimd.Broadcast(0.5f), c2, c0);
        TVector odd = TSimd.Multiply(TSimd.Broadcast(InverseRoot2), TSimd.MultiplyAdd(TSimd.Broadcast(0.5f), c3, c1));
        TSimd.Store(target + plane, TSimd.Add(even, odd));
        TSimd.Store(target + (2 * plane), TSimd.Subtract(even, odd));
        even = TSimd.MultiplyAdd(TSimd.Broadcast(2f), c2, c0);
        odd = TSimd.Multiply(TSimd.Broadcast(Root2), TSimd.MultiplyAdd(TSimd.Broadcast(2f), c3, c1));
        TSimd.Store(target + (3 * plane), TSimd.Add(even, odd));
        TSimd.Store(target + (4 * plane), TSimd.Subtract(even, odd));
        TSimd.Store(target + (5 * plane), c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Combine(float* row, TVector a, TVector b, TVector c) => TSimd.MultiplyAdd(
        TSimd.Broadcast(row[2]), c, TSimd.MultiplyAdd(TSimd.Broadcast(row[1]), b, TSimd.Multiply(TSimd.Broadcast(row[0]), a)));
}
