using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CoInference.Agent.Networks;

/// <summary>
/// The one matrix product that training a small network needs, vectorised over the columns of the result. The matrices
/// here (a few hundred square, in cache) do not repay packing.
/// </summary>
internal static class MatrixProduct
{
    /// <summary>C (+)= A · B.</summary>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="columns">Columns of B and C.</param>
    /// <param name="inner">Columns of A, rows of B.</param>
    /// <param name="a">Element (i, p) lies at i · <paramref name="aRow"/> + p · <paramref name="aStep"/>: a transposed A costs nothing.</param>
    /// <param name="aRow">Distance between rows of A, in elements.</param>
    /// <param name="aStep">Distance between columns of A, in elements.</param>
    /// <param name="b">Row-major, <paramref name="inner"/> x <paramref name="columns"/>.</param>
    /// <param name="c">Row-major, <paramref name="rows"/> x <paramref name="columns"/>.</param>
    /// <param name="accumulate">Whether the product is added to C or replaces it.</param>
    public static void Run(
        int rows, int columns, int inner, ReadOnlySpan<float> a, int aRow, int aStep, ReadOnlySpan<float> b, Span<float> c, bool accumulate)
    {
        Debug.Assert(rows == 0 || inner == 0 || a.Length > ((rows - 1) * aRow) + ((inner - 1) * aStep), "A is too short.");
        Debug.Assert(b.Length >= inner * columns && c.Length >= rows * columns, "B or C is too short.");
        if (!accumulate) c[..(rows * columns)].Clear();
        ref float b0 = ref MemoryMarshal.GetReference(b);
        int width = Vector<float>.Count, i = 0;
        for (; i <= rows - 4; i += 4)
        {
            ref float a0 = ref Unsafe.Add(ref MemoryMarshal.GetReference(a), i * aRow);
            ref float c0 = ref Unsafe.Add(ref MemoryMarshal.GetReference(c), i * columns);
            int j = 0;
            for (; j <= columns - (2 * width); j += 2 * width) FourRows(inner, columns, ref a0, aRow, aStep, ref Unsafe.Add(ref b0, j), ref Unsafe.Add(ref c0, j));
            for (int row = 0; row < 4; row++) OneRow(inner, columns, j, ref Unsafe.Add(ref a0, row * aRow), aStep, ref b0, ref Unsafe.Add(ref c0, row * columns));
        }

        for (; i < rows; i++)
        {
            OneRow(
                inner, columns, 0, ref Unsafe.Add(ref MemoryMarshal.GetReference(a), i * aRow), aStep, ref b0,
                ref Unsafe.Add(ref MemoryMarshal.GetReference(c), i * columns));
        }
    }

    /// <summary>A tile of four rows by two vectors: eight accumulators hide the latency of the multiply-add.</summary>
    private static void FourRows(int inner, int columns, ref float a, int aRow, int aStep, ref float b, ref float c)
    {
        nuint width = (nuint)Vector<float>.Count;
        Vector<float> c00 = Vector<float>.Zero, c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
        for (int p = 0; p < inner; p++)
        {
            Vector<float> left = Vector.LoadUnsafe(ref b), right = Vector.LoadUnsafe(ref b, width);
            var a0 = new Vector<float>(a);
            c00 = Vector.FusedMultiplyAdd(a0, left, c00);
            c01 = Vector.FusedMultiplyAdd(a0, right, c01);
            var a1 = new Vector<float>(Unsafe.Add(ref a, aRow));
            c10 = Vector.FusedMultiplyAdd(a1, left, c10);
            c11 = Vector.FusedMultiplyAdd(a1, right, c11);
            var a2 = new Vector<float>(Unsafe.Add(ref a, 2 * aRow));
            c20 = Vector.FusedMultiplyAdd(a2, left, c20);
            c21 = Vector.FusedMultiplyAdd(a2, right, c21);
            var a3 = new Vector<float>(Unsafe.Add(ref a, 3 * aRow));
            c30 = Vector.FusedMultiplyAdd(a3, left, c30);
            c31 = Vector.FusedMultiplyAdd(a3, right, c31);
            a = ref Unsafe.Add(ref a, aStep);
            b = ref Unsafe.Add(ref b, columns);
        }

        Add(ref c, c00, c01);
        Add(ref Unsafe.Add(ref c, columns), c10, c11);
        Add(ref Unsafe.Add(ref c, 2 * columns), c20, c21);
        Add(ref Unsafe.Add(ref c, 3 * columns), c30, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref float c, Vector<float> left, Vector<float> right)
    {
        nuint width = (nuint)Vector<float>.Count;
        (Vector.LoadUnsafe(ref c) + left).StoreUnsafe(ref c);
        (Vector.LoadUnsafe(ref c, width) + right).StoreUnsafe(ref c, width);
    }

    private static void OneRow(int inner, int columns, int from, ref float a, int aStep, ref float b, ref float c)
    {
        int width = Vector<float>.Count, j = from;
        for (; j <= columns - width; j += width)
        {
            Vector<float> sum = Vector.LoadUnsafe(ref c, (nuint)j);
            for (int p = 0; p < inner; p++)
                sum = Vector.FusedMultiplyAdd(new Vector<float>(Unsafe.Add(ref a, p * aStep)), Vector.LoadUnsafe(ref b, (nuint)((p * columns) + j)), sum);
            sum.StoreUnsafe(ref c, (nuint)j);
        }

        for (; j < columns; j++)
        {
            float sum = Unsafe.Add(ref c, j);
            for (int p = 0; p < inner; p++) sum = MathF.FusedMultiplyAdd(Unsafe.Add(ref a, p * aStep), Unsafe.Add(ref b, (p * columns) + j), sum);
            Unsafe.Add(ref c, j) = sum;
        }
    }
}
