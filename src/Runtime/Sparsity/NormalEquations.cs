using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Gemm;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// The least-squares problem of one layer: rows X of input taps, rows Y of wanted outputs, and weights W and bias b
/// that minimise |X·W + b - Y|² + ridge · |W - W₀|². The bias is found by centring X and Y and is not penalised.
/// </summary>
internal sealed class NormalEquations
{
    private readonly WorkerSet _workers;
    private readonly float[] _moments;
    private readonly float[] _cross;
    private readonly float[] _rows;
    private readonly double[] _meanX;
    private double[] _meanY;
    private (double Ridge, Cholesky? Factor)? _factor;

    /// <summary>Accumulates the moments of all rows.</summary>
    /// <param name="rows">Number of rows.</param>
    /// <param name="x">[rows, taps]; centred in place and kept.</param>
    /// <param name="taps">Unknown weights per output.</param>
    /// <param name="y">[rows, outputs]; centred in place.</param>
    /// <param name="outputs">Outputs.</param>
    /// <param name="workers">Threads that share the work.</param>
    public NormalEquations(int rows, float[] x, int taps, Span<float> y, int outputs, WorkerSet workers)
    {
        (Rows, Taps, Outputs, _workers) = (rows, taps, outputs, workers);
        _rows = x;
        _meanX = Center(x, rows, Taps);
        _moments = new float[taps * taps];
        TransposedProduct.AccumulateGram(rows, x, Taps, _moments, workers);
        _cross = new float[taps * outputs];
        Aim(y);
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Unknown weights per output.</summary>
    public int Taps { get; }

    /// <summary>Outputs.</summary>
    public int Outputs { get; }

    /// <summary>Replaces the wanted outputs; the moments of X, and their factorisation, stay.</summary>
    /// <param name="y">[Rows, Outputs]; centred in place.</param>
    [MemberNotNull(nameof(_meanY))]
    public void Aim(Span<float> y)
    {
        _meanY = Center(y, Rows, Outputs);
        Array.Clear(_cross);
        TransposedProduct.Accumulate(Rows, _rows, Taps, y, Outputs, _cross, _workers);
    }

    /// <summary>The outputs X·W + b.</summary>
    /// <param name="weights">[Taps, Outputs].</param>
    /// <param name="bias">[Outputs].</param>
    /// <param name="y">[Rows, Outputs], overwritten.</param>
    public unsafe void Predict(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, Span<float> y)
    {
        // X is centred: its mean's share goes into the bias.
        var shifted = new float[Outputs];
        for (int o = 0; o < Outputs; o++)
        {
            double sum = bias[o];
            for (int tap = 0; tap < Taps; tap++) sum += _meanX[tap] * weights[(tap * Outputs) + o];
            shifted[o] = (float)sum;
        }

        PackedMatrix matrix = PackedMatrix.Pack(Taps, Outputs, weights, bias: shifted);
        var scratch = new AlignedBuffer(Gemm.ScratchBytes(Rows, matrix, _workers.Threads));
        fixed (float* x = _rows, output = y)
        {
            Gemm.Run(Rows, x, Taps, transposed: false, matrix, null, output, Outputs, scratch.Pointer, _workers);
        }

        GC.KeepAlive(scratch);
    }

    /// <summary>Solves for all weights.</summary>
    /// <param name="weights">[Taps, Outputs]; W₀ on entry, W on return.</param>
    /// <param name="bias">[Outputs]; b on return.</param>
    /// <param name="ridge">Pull towards W₀ as a share of the mean diagonal of XᵀX.</param>
    public void Solve(Span<float> weights, Span<float> bias, double ridge)
    {
        double[] change = Gradient(weights);
        if (Factor(ridge) is { } factor)
        {
            factor.Solve(change, Outputs);
            for (int i = 0; i < weights.Length; i++) weights[i] += (float)change[i];
        }

        SetBias(weights, bias);
    }

    /// <summary>Solves for the weights that are not zero in W₀; the others stay zero.</summary>
    /// <remarks>
    /// Jacobi-preconditioned conjugate gradients (Saad, Iterative Methods for Sparse Linear Systems, algorithm 9.1), one
    /// independent recursion per output, restricted to that output's support by projection. One product with the shared
    /// moment matrix serves all outputs, so no output needs a factorisation of its own.
    /// </remarks>
    /// <param name="weights">[Taps, Outputs]; W₀ on entry, W on return.</param>
    /// <param name="bias">[Outputs]; b on return.</param>
    /// <param name="ridge">Pull towards W₀ as a share of the mean diagonal of XᵀX.</param>
    /// <param name="iterations">Steps at most.</param>
    public void SolveOnSupport(Span<float> weights, Span<float> bias, double ridge, int iterations)
    {
        const double Tolerance = 1e-5;
        double lambda = Lambda(ridge);
        int count = Taps * Outputs;
        double[] residual = Gradient(weights);
        var support = new bool[count];
        for (int i = 0; i < count; i++)
        {
            support[i] = weights[i] != 0;
            if (!support[i]) residual[i] = 0;
        }

        var step = new double[count];
        double[] direction = Precondition(residual, lambda);
        double[] energy = ColumnDots(residual, direction), first = [.. energy];
        for (int iteration = 0; iteration < iterations; iteration++)
        {
            double[] image = MomentsTimes(direction, lambda);
            for (int i = 0; i < count; i++)
            {
                if (!support[i]) image[i] = 0;
            }

            double[] curvature = ColumnDots(direction, image);
            bool isDone = true;
            for (int i = 0; i < count; i++)
            {
                int o = i % Outputs;
                if (!IsActive(energy[o], first[o], curvature[o])) continue;
                isDone = false;
                double length = energy[o] / curvature[o];
                step[i] += length * direction[i];
                residual[i] -= length * image[i];
            }

            if (isDone) break;
            double[] conditioned = Precondition(residual, lambda);
            double[] next = ColumnDots(residual, conditioned);
            for (int i = 0; i < count; i++)
            {
                int o = i % Outputs;
                direction[i] = conditioned[i] + (energy[o] > 0 ? next[o] / energy[o] * direction[i] : 0);
            }

            energy = next;
        }

        for (int i = 0; i < count; i++) weights[i] += (float)step[i];
        SetBias(weights, bias);

        static bool IsActive(double energy, double first, double curvature) => curvature > 0 && energy > Tolerance * Tolerance * first;
    }

    /// <summary>Sets the bias so that mean outputs match for the given weights.</summary>
    public void SetBias(ReadOnlySpan<float> weights, Span<float> bias)
    {
        for (int o = 0; o < Outputs; o++)
        {
            double mean = _meanY[o];
            for (int tap = 0; tap < Taps; tap++) mean -= _meanX[tap] * weights[(tap * Outputs) + o];
            bias[o] = (float)mean;
        }
    }

    private double Lambda(double ridge)
    {
        double trace = 0;
        for (int i = 0; i < Taps; i++) trace += _moments[(i * Taps) + i];

        // An input that is constant everywhere has no moments; any positive ridge then leaves the weights alone.
        return trace > 0 ? ridge * trace / Taps : 1;
    }

    private Cholesky? Factor(double ridge)
    {
        if (_factor is not { } known || known.Ridge != ridge) _factor = known = (ridge, NewFactor(ridge));
        return known.Factor;
    }

    private Cholesky? NewFactor(double ridge)
    {
        double lambda = Lambda(ridge);

        // Rounding can make a rank-deficient moment matrix slightly indefinite: raise the ridge until it factors.
        for (int attempt = 0; attempt < 8; attempt++, lambda = Math.Max(lambda * 10, Lambda(1e-6)))
        {
            var matrix = new double[Taps * Taps];
            for (int i = 0; i < Taps; i++)
            {
                for (int j = 0; j <= i; j++) matrix[(i * Taps) + j] = _moments[(i * Taps) + j];
                matrix[(i * Taps) + i] += lambda;
            }

            if (Cholesky.TryFactor(matrix, Taps) is { } factor) return factor;
        }

        return null;
    }

    /// <summary>XᵀY - XᵀX·W, [Taps, Outputs].</summary>
    private double[] Gradient(ReadOnlySpan<float> weights)
    {
        var start = new double[Taps * Outputs];
        for (int i = 0; i < start.Length; i++) start[i] = weights[i];
        double[] gradient = MomentsTimes(start, 0);
        for (int i = 0; i < gradient.Length; i++) gradient[i] = _cross[i] - gradient[i];
        return gradient;
    }

    /// <summary>(XᵀX + λI)·V for V of [Taps, Outputs].</summary>
    private double[] MomentsTimes(double[] v, double lambda)
    {
        var single = new float[v.Length];
        TensorPrimitives.ConvertTruncating<double, float>(v, single);

        // The moment matrix is symmetric, so its transpose times V is what is wanted.
        var product = new float[v.Length];
        TransposedProduct.Accumulate(Taps, _moments, Taps, single, Outputs, product, _workers);
        var result = new double[v.Length];
        TensorPrimitives.ConvertTruncating<float, double>(product, result);
        if (lambda != 0) TensorPrimitives.MultiplyAdd(v, lambda, result, result);
        return result;
    }

    private double[] Precondition(double[] residual, double lambda)
    {
        var result = new double[residual.Length];
        for (int tap = 0; tap < Taps; tap++)
        {
            double scale = 1 / Math.Max(_moments[(tap * Taps) + tap] + lambda, double.Epsilon);
            TensorPrimitives.Multiply(residual.AsSpan(tap * Outputs, Outputs), scale, result.AsSpan(tap * Outputs, Outputs));
        }

        return result;
    }

    private double[] ColumnDots(double[] left, double[] right)
    {
        var sums = new double[Outputs];
        for (int tap = 0; tap < Taps; tap++)
        {
            TensorPrimitives.MultiplyAdd(left.AsSpan(tap * Outputs, Outputs), right.AsSpan(tap * Outputs, Outputs), sums, sums);
        }

        return sums;
    }

    private static double[] Center(Span<float> matrix, int rows, int columns)
    {
        // Short single-precision sums, collected in double: as exact as double sums and several times faster.
        const int RowsPerSum = 32;
        var mean = new double[columns];
        var sum = new float[columns];
        var wide = new double[columns];
        for (int r = 0; r < rows; r++)
        {
            TensorPrimitives.Add(sum, matrix.Slice(r * columns, columns), sum);
            if (r % RowsPerSum != RowsPerSum - 1 && r != rows - 1) continue;
            TensorPrimitives.ConvertTruncating<float, double>(sum, wide);
            TensorPrimitives.Add(mean, wide, mean);
            Array.Clear(sum);
        }

        for (int c = 0; c < columns; c++)
        {
            // Centre by the rounded mean and keep that very value, so that both sides stay consistent.
            sum[c] = (float)(mean[c] / Math.Max(1, rows));
            mean[c] = sum[c];
        }

        for (int r = 0; r < rows; r++)
        {
            Span<float> row = matrix.Slice(r * columns, columns);
            TensorPrimitives.Subtract(row, sum, row);
        }

        return mean;
    }
}
