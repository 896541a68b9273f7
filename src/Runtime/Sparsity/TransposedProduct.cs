using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Gemm;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>C += Aᵀ·B for tall matrices with one sample per row, the product behind least squares.</summary>
internal static unsafe class TransposedProduct
{
    // A pass of rows of one panel stays in the second-level cache while all of C's rows pass by.
    private const int RowsPerPass = 384;
    private const int PanelColumns = 128;

    /// <summary>Adds Aᵀ·B to C.</summary>
    /// <param name="rows">Samples.</param>
    /// <param name="a">[rows, m].</param>
    /// <param name="m">Columns of A, rows of C.</param>
    /// <param name="b">[rows, n].</param>
    /// <param name="n">Columns of B and C.</param>
    /// <param name="c">[m, n].</param>
    /// <param name="workers">Threads that share the work.</param>
    public static void Accumulate(int rows, ReadOnlySpan<float> a, int m, ReadOnlySpan<float> b, int n, Span<float> c, WorkerSet workers) =>
        Run(rows, a, m, b, n, c, isGram: false, workers);

    /// <summary>Adds Aᵀ·A to C, which becomes symmetric.</summary>
    /// <param name="rows">Samples.</param>
    /// <param name="a">[rows, m].</param>
    /// <param name="m">Columns of A.</param>
    /// <param name="c">[m, m]; symmetric on entry.</param>
    /// <param name="workers">Threads that share the work.</param>
    public static void AccumulateGram(int rows, ReadOnlySpan<float> a, int m, Span<float> c, WorkerSet workers)
    {
        Run(rows, a, m, a, m, c, isGram: true, workers);
        for (int i = 1; i < m; i++)
        {
            for (int j = 0; j < i; j++) c[(i * m) + j] = c[(j * m) + i];
        }
    }

    private static void Run(int rows, ReadOnlySpan<float> a, int m, ReadOnlySpan<float> b, int n, Span<float> c, bool isGram, WorkerSet workers)
    {
        if (a.Length < rows * m || b.Length < rows * n || c.Length < m * n)
            throw new ArgumentException($"Spans of {a.Length}, {b.Length} and {c.Length} floats do not hold {rows} rows of {m} and {n} columns and their product.");
        fixed (float* left = a, right = b, result = c)
        {
            for (int column = 0; column < n; column += PanelColumns)
            {
                int width = Math.Min(PanelColumns, n - column);

                // Of a symmetric product only the part on and above the diagonal is computed.
                int height = isGram ? column + width : m;
                PackedMatrix panel = PackedMatrix.Allocate(Math.Min(RowsPerPass, rows), width);
                var scratch = new AlignedBuffer(Gemm.ScratchBytes(height, panel, workers.Threads));
                for (int row = 0; row < rows; row += RowsPerPass)
                {
                    int count = Math.Min(RowsPerPass, rows - row);
                    if (count != panel.Rows)
                    {
                        panel = PackedMatrix.Allocate(count, width);
                        scratch = new AlignedBuffer(Gemm.ScratchBytes(height, panel, workers.Threads));
                    }

                    panel.Repack(right + ((nint)row * n) + column, n, transposed: false);
                    Gemm.Run(height, left + ((nint)row * m), m, transposed: true, panel, result + column, result + column, n, scratch.Pointer, workers);
                }

                GC.KeepAlive(scratch);
            }
        }
    }
}
