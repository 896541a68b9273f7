namespace CoInference.Kernels.Reference;

/// <summary>The definition of the matrix product, summing in double precision: the oracle for every other one.</summary>
public static class ReferenceGemm
{
    /// <summary>Computes C = A x B + bias, row-major; C is [rows, columns].</summary>
    /// <param name="rows">Rows of A.</param>
    /// <param name="columns">Columns of B.</param>
    /// <param name="depth">Columns of A, rows of B.</param>
    /// <param name="a">[rows, depth], or [depth, rows] when <paramref name="transposeA"/>.</param>
    /// <param name="transposeA">Whether <paramref name="a"/> holds the transpose.</param>
    /// <param name="b">[depth, columns], or [columns, depth] when <paramref name="transposeB"/>.</param>
    /// <param name="transposeB">Whether <paramref name="b"/> holds the transpose.</param>
    /// <param name="bias">[columns], or empty.</param>
    /// <param name="c">The product.</param>
    /// <exception cref="ArgumentException">A length does not fit the dimensions; the message names it.</exception>
    public static void Run(
        int rows, int columns, int depth, ReadOnlySpan<float> a, bool transposeA, ReadOnlySpan<float> b, bool transposeB, ReadOnlySpan<float> bias, Span<float> c)
    {
        RequireLength(nameof(a), a.Length, rows * depth);
        RequireLength(nameof(b), b.Length, depth * columns);
        RequireLength(nameof(bias), bias.Length, bias.IsEmpty ? 0 : columns);
        RequireLength(nameof(c), c.Length, rows * columns);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double sum = bias.IsEmpty ? 0 : bias[column];
                for (int k = 0; k < depth; k++)
                    sum += (double)a[transposeA ? (k * rows) + row : (row * depth) + k] * b[transposeB ? (column * depth) + k : (k * columns) + column];
                c[(row * columns) + column] = (float)sum;
            }
        }
    }

    private static void RequireLength(string name, int actual, int expected)
    {
        if (actual != expected) throw new ArgumentException($"Matrix product: {name} has {actual} values, expected {expected}.", name);
    }
}
