using System.Numerics;
using System.Runtime.CompilerServices;

namespace CoInference.Runtime.Training;

/// <summary>
/// The one matrix product of training, C += A B, for small row-major matrices that lie in the caches. A may be read
/// transposed, which is what the gradient of the weights needs.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int TileRows = 4;

    /// <summary>Adds A B to C.</summary>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="columns">Columns of B and C.</param>
    /// <param name="depth">Columns of A and rows of B.</param>
    /// <param name="a">Element (i, k) is at i * <paramref name="aRow"/> + k * <paramref name="aDepth"/>.</param>
    /// <param name="aRow">Distance between rows of A.</param>
    /// <param name="aDepth">Distance between columns of A.</param>
    /// <param name="b">Row-major, <paramref name="columns"/> wide.</param>
    /// <param name="c">Row-major, <paramref name="columns"/> wide.</param>
    public static void Add(int rows, int columns, int depth, float* a, int aRow, int aDepth, float* b, float* c)
    {
        int lanes = Vector<float>.Count, column = 0;
        for (; column + (2 * lanes) <= columns; column += 2 * lanes)
        {
            int row = 0;
            for (; row + TileRows <= rows; row += TileRows)
                TileOfFour(depth, a + (row * aRow), aRow, aDepth, b + column, columns, c + (row * columns) + column);
            for (; row < rows; row++) TileOfOne(depth, a + (row * aRow), aDepth, b + column, columns, c + (row * columns) + column);
        }

        for (; column < columns; column++)
        {
            for (int row = 0; row < rows; row++)
            {
                float sum = 0;
                for (int k = 0; k < depth; k++) sum += a[(row * aRow) + (k * aDepth)] * b[(k * columns) + column];
                c[(row * columns) + column] += sum;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileOfFour(int depth, float* a, int aRow, int aDepth, float* b, int columns, float* c)
    {
        int lanes = Vector<float>.Count;
        Vector<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        for (int k = 0; k < depth; k++, b += columns)
        {
            Vector<float> b0 = Vector.Load(b), b1 = Vector.Load(b + lanes);
            int at = k * aDepth;
            var scale = new Vector<float>(a[at]);
            c00 = Vector.FusedMultiplyAdd(scale, b0, c00);
            c01 = Vector.FusedMultiplyAdd(scale, b1, c01);
            scale = new Vector<float>(a1[at]);
            c10 = Vector.FusedMultiplyAdd(scale, b0, c10);
            c11 = Vector.FusedMultiplyAdd(scale, b1, c11);
            scale = new Vector<float>(a2[at]);
            c20 = Vector.FusedMultiplyAdd(scale, b0, c20);
            c21 = Vector.FusedMultiplyAdd(scale, b1, c21);
            scale = new Vector<float>(a3[at]);
            c30 = Vector.FusedMultiplyAdd(scale, b0, c30);
            c31 = Vector.FusedMultiplyAdd(scale, b1, c31);
        }

        Accumulate(c, c00);
        Accumulate(c + lanes, c01);
        c += columns;
        Accumulate(c, c10);
        Accumulate(c + lanes, c11);
        c += columns;
        Accumulate(c, c20);
        Accumulate(c + lanes, c21);
        c += columns;
        Accumulate(c, c30);
        Accumulate(c + lanes, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TileOfOne(int depth, float* a, int aDepth, float* b, int columns, float* c)
    {
        int lanes = Vector<float>.Count;
        Vector<float> c0 = default, c1 = default;
        for (int k = 0; k < depth; k++, b += columns)
        {
            var scale = new Vector<float>(a[k * aDepth]);
            c0 = Vector.FusedMultiplyAdd(scale, Vector.Load(b), c0);
            c1 = Vector.FusedMultiplyAdd(scale, Vector.Load(b + lanes), c1);
        }

        Accumulate(c, c0);
        Accumulate(c + lanes, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Accumulate(float* c, Vector<float> sum) => Vector.Store(Vector.Load(c) + sum, c);
}
