using System.Numerics.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Cholesky factorisation A = L·Lᵀ of a symmetric positive definite matrix, in double precision (Golub and Van Loan,
/// Matrix Computations, section 4.2, row-oriented).
/// </summary>
public sealed class Cholesky
{
    // Rows of L that are completed together: they stay in the second-level cache while each earlier row passes by once.
    private const int RowBlock = 48;

    private readonly double[] _lower;

    private Cholesky(double[] lower, int size)
    {
        _lower = lower;
        Size = size;
    }

    /// <summary>Rows of the matrix.</summary>
    public int Size { get; }

    /// <summary>Factorises a matrix.</summary>
    /// <param name="matrix">[size, size] row-major; only the lower triangle is read. It is overwritten and kept.</param>
    /// <param name="size">Rows and columns.</param>
    /// <returns>The factor, or null when the matrix is not positive definite to working precision.</returns>
    /// <exception cref="ArgumentException">The array is not size x size.</exception>
    public static Cholesky? TryFactor(double[] matrix, int size)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        if (size < 0 || matrix.Length != (long)size * size) throw new ArgumentException($"{matrix.Length} values are not a {size} x {size} matrix.", nameof(matrix));
        for (int first = 0; first < size; first += RowBlock)
        {
            int end = Math.Min(size, first + RowBlock);
            for (int j = 0; j < end; j++)
            {
                ReadOnlySpan<double> rowJ = matrix.AsSpan(j * size, j);
                for (int i = Math.Max(j, first); i < end; i++)
                {
                    ref double entry = ref matrix[(i * size) + j];
                    double rest = entry - TensorPrimitives.Dot(matrix.AsSpan(i * size, j), rowJ);
                    if (i == j)
                    {
                        // A pivot lost in the rounding of its own diagonal entry carries no information.
                        if (!(rest > Math.Abs(entry) * 1e-14)) return null;
                        entry = Math.Sqrt(rest);
                    }
                    else
                    {
                        entry = rest / matrix[(j * size) + j];
                    }
                }
            }
        }

        return new Cholesky(matrix, size);
    }

    /// <summary>Solves A·X = B in place.</summary>
    /// <param name="rightHandSides">[Size, columns] row-major; B on entry, X on return.</param>
    /// <param name="columns">Right-hand sides.</param>
    /// <exception cref="ArgumentException">The span is not Size x columns.</exception>
    public void Solve(Span<double> rightHandSides, int columns)
    {
        if (rightHandSides.Length != (long)Size * columns)
            throw new ArgumentException($"{rightHandSides.Length} values are not {Size} x {columns} right-hand sides.", nameof(rightHandSides));
        for (int i = 0; i < Size; i++)
        {
            Span<double> row = rightHandSides.Slice(i * columns, columns);
            for (int j = 0; j < i; j++) Subtract(_lower[(i * Size) + j], rightHandSides.Slice(j * columns, columns), row);
            TensorPrimitives.Divide(row, _lower[(i * Size) + i], row);
        }

        for (int i = Size - 1; i >= 0; i--)
        {
            Span<double> row = rightHandSides.Slice(i * columns, columns);
            TensorPrimitives.Divide(row, _lower[(i * Size) + i], row);
            for (int j = 0; j < i; j++) Subtract(_lower[(i * Size) + j], row, rightHandSides.Slice(j * columns, columns));
        }
    }

    /// <summary>The inverse of A, [Size, Size], symmetric.</summary>
    public double[] Inverse()
    {
        var inverse = new double[Size * Size];
        for (int i = 0; i < Size; i++) inverse[(i * Size) + i] = 1;
        Solve(inverse, Size);
        return inverse;
    }

    private static void Subtract(double factor, ReadOnlySpan<double> source, Span<double> target) =>
        TensorPrimitives.MultiplyAdd(source, -factor, target, target);
}
