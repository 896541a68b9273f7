using System.Runtime.Intrinsics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Gemm;

/// <summary>
/// Single-precision matrix product: C = activation(A x B + bias + addend), row-major, with B packed beforehand. A may be
/// given transposed; for B see <see cref="PackedMatrix.Pack"/>. The product of one row is a matrix-vector product.
/// </summary>
public static unsafe class Gemm
{
    /// <summary>Scratch memory that <see cref="Run"/> needs, in bytes.</summary>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="matrix">B.</param>
    /// <param name="threads">Threads of the worker set.</param>
    public static long ScratchBytes(int rows, PackedMatrix matrix, int threads) => CpuFeatures.Widest switch
    {
        VectorWidth.Vector512 => GemmLoops<Simd512, Vector512<float>, N16>.ScratchBytes(rows, matrix, threads),
        VectorWidth.Vector256 => GemmLoops<Simd256, Vector256<float>, N8>.ScratchBytes(rows, matrix, threads),
        VectorWidth.Vector128 => GemmLoops<Simd128, Vector128<float>, N4>.ScratchBytes(rows, matrix, threads),
        _ => GemmLoops<SimdScalar, float, N1>.ScratchBytes(rows, matrix, threads),
    };

    /// <summary>Multiplies. Allocates nothing.</summary>
    /// <param name="rows">Rows of A and C; at least 1.</param>
    /// <param name="a">A, row-major [rows, K], or [K, rows] when <paramref name="transposed"/>; K is <see cref="PackedMatrix.Rows"/>.</param>
    /// <param name="aStride">Floats between rows of <paramref name="a"/> as stored.</param>
    /// <param name="transposed">Whether <paramref name="a"/> holds the transpose of A.</param>
    /// <param name="matrix">B, with bias and activation.</param>
    /// <param name="addend">Added before the activation: a residual, or C itself to accumulate; null for nothing. Strided like C.</param>
    /// <param name="c">C, row-major [rows, N]; does not overlap <paramref name="a"/>.</param>
    /// <param name="cStride">Floats between rows of <paramref name="c"/>.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> bytes, 64-byte aligned.</param>
    /// <param name="workers">Threads that share the work.</param>
    public static void Run(
        int rows, float* a, int aStride, bool transposed, PackedMatrix matrix, float* addend, float* c, int cStride, byte* scratch, WorkerSet workers)
    {
        var operands = new GemmOperands
        {
            Rows = rows,
            A = a,
            AStride = aStride,
            Transposed = transposed,
            Addend = addend,
            C = c,
            CStride = cStride,
            Scratch = scratch,
        };
        switch (CpuFeatures.Widest)
        {
            case VectorWidth.Vector512: GemmLoops<Simd512, Vector512<float>, N16>.Run(operands, matrix, workers); break;
            case VectorWidth.Vector256: GemmLoops<Simd256, Vector256<float>, N8>.Run(operands, matrix, workers); break;
            case VectorWidth.Vector128: GemmLoops<Simd128, Vector128<float>, N4>.Run(operands, matrix, workers); break;
            default: GemmLoops<SimdScalar, float, N1>.Run(operands, matrix, workers); break;
        }

        // The loops hold bare pointers into the packed matrix.
        GC.KeepAlive(matrix);
    }
}
