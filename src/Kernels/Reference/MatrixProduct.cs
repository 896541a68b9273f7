using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Matrix products of any numeric element type, accumulated in double.</summary>
public static class MatrixProduct
{
    /// <summary>Shape of <see cref="MatMul"/>: NumPy's rules for vectors, matrices and stacks of matrices.</summary>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static TensorShape MatMulShape(TensorShape left, TensorShape right)
    {
        if (left.Rank == 0 || right.Rank == 0) throw new ArgumentException($"A matrix product of {left} and {right} is not defined.");
        int inner = right.Rank == 1 ? right[0] : right[-2];
        if (left[-1] != inner) throw new ArgumentException($"A matrix product of {left} and {right} is not defined: {left[-1]} is not {inner}.");
        TensorShape batch = Broadcasting.Combine(BatchOf(left), BatchOf(right));
        ReadOnlySpan<int> rows = left.Rank == 1 ? [] : [left[-2]];
        ReadOnlySpan<int> columns = right.Rank == 1 ? [] : [right[-1]];
        return new TensorShape([.. batch.Dimensions, .. rows, .. columns]);
    }

    /// <summary>Multiplies matrices, or stacks of matrices with broadcasting.</summary>
    /// <param name="left">[..., M, K] or [K].</param>
    /// <param name="right">[..., K, N] or [K].</param>
    /// <returns>[..., M, N], without M or N where the operand is a vector; the element type is that of <paramref name="left"/>.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static Tensor MatMul(Tensor left, Tensor right) =>
        Doubles.Store(left.Type, MatMulShape(left.Shape, right.Shape), Products(Doubles.Of(left), left.Shape, Doubles.Of(right), right.Shape));

    /// <summary>Multiplies 8-bit matrices into 32-bit sums.</summary>
    /// <param name="left">[..., M, K] of Int8 or UInt8.</param>
    /// <param name="right">[..., K, N] of Int8 or UInt8.</param>
    /// <param name="leftZeroPoint">Scalar or one per row [M], or null for 0.</param>
    /// <param name="rightZeroPoint">Scalar or one per column [N], or null for 0.</param>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static Tensor MatMulInteger(Tensor left, Tensor right, Tensor? leftZeroPoint, Tensor? rightZeroPoint) =>
        Doubles.Store(ElementType.Int32, MatMulShape(left.Shape, right.Shape), IntegerSums(left, right, leftZeroPoint, rightZeroPoint));

    /// <summary>Multiplies quantized matrices and quantizes the result.</summary>
    /// <param name="left">[..., M, K].</param>
    /// <param name="right">[..., K, N], with a scalar scale or one per column.</param>
    /// <param name="output">Scale and zero point of the result, whose element type is that of the zero point.</param>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static Tensor MatMulQuantized(QuantizedTensor left, QuantizedTensor right, QuantizedScale output)
    {
        TensorShape shape = MatMulShape(left.Values.Shape, right.Values.Shape);
        double[] sums = IntegerSums(left.Values, right.Values, left.ZeroPoint, right.ZeroPoint);
        double[] leftScale = Doubles.Of(left.Scale);
        double[] rightScale = Doubles.Of(right.Scale);
        double outputScale = Doubles.Of(output.Scale)[0];
        double zeroPoint = Doubles.Of(output.ZeroPoint)[0];
        int columns = right.Values.Shape.Rank == 1 ? 1 : right.Values.Shape[-1];
        int rows = left.Values.Shape.Rank == 1 ? 1 : left.Values.Shape[-2];
        if (leftScale.Length != 1 && leftScale.Length != rows) throw new ArgumentException($"The left scale has shape {left.Scale.Shape}, expected a scalar or [{rows}].");
        if (rightScale.Length != 1 && rightScale.Length != columns) throw new ArgumentException($"The right scale has shape {right.Scale.Shape}, expected a scalar or [{columns}].");
        for (int i = 0; i < sums.Length; i++)
        {
            double scale = leftScale[leftScale.Length == 1 ? 0 : i / columns % rows] * rightScale[rightScale.Length == 1 ? 0 : i % columns] / outputScale;
            sums[i] = Math.Round(sums[i] * scale, MidpointRounding.ToEven) + zeroPoint;
        }

        return Doubles.Store(output.ZeroPoint.Type, shape, sums);
    }

    /// <summary>Shape of <see cref="Gemm"/>.</summary>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static TensorShape GemmShape(TensorShape a, TensorShape b, TensorShape? c, bool transposeA, bool transposeB)
    {
        if (a.Rank != 2 || b.Rank != 2) throw new ArgumentException($"Gemm needs matrices, found {a} and {b}.");
        (int m, int k) = transposeA ? (a[1], a[0]) : (a[0], a[1]);
        (int inner, int n) = transposeB ? (b[1], b[0]) : (b[0], b[1]);
        if (k != inner) throw new ArgumentException($"Gemm of {a}{(transposeA ? " transposed" : "")} and {b}{(transposeB ? " transposed" : "")} is not defined: {k} is not {inner}.");
        var shape = new TensorShape(m, n);
        if (c is { } addend) Broadcasting.Strides(addend, shape);
        return shape;
    }

    /// <summary>alpha · A · B + beta · C, with A and B transposed on demand.</summary>
    /// <param name="a">[M, K], or [K, M] when transposed.</param>
    /// <param name="b">[K, N], or [N, K] when transposed.</param>
    /// <param name="c">Anything that broadcasts to [M, N], or null.</param>
    /// <param name="alpha">Factor of the product.</param>
    /// <param name="beta">Factor of <paramref name="c"/>.</param>
    /// <param name="transposeA">Whether A is transposed first.</param>
    /// <param name="transposeB">Whether B is transposed first.</param>
    /// <exception cref="ArgumentException">The shapes do not fit each other.</exception>
    public static Tensor Gemm(Tensor a, Tensor b, Tensor? c, double alpha, double beta, bool transposeA, bool transposeB)
    {
        TensorShape shape = GemmShape(a.Shape, b.Shape, c?.Shape, transposeA, transposeB);
        Tensor left = transposeA ? Transposition.Transpose(a, [1, 0]) : a;
        Tensor right = transposeB ? Transposition.Transpose(b, [1, 0]) : b;
        double[] sums = Products(Doubles.Of(left), left.Shape, Doubles.Of(right), right.Shape);
        double[]? addend = c is null ? null : Doubles.Of(Broadcasting.Expand(c, shape));
        for (int i = 0; i < sums.Length; i++) sums[i] = (alpha * sums[i]) + (addend is null ? 0 : beta * addend[i]);
        return Doubles.Store(a.Type, shape, sums);
    }

    private static TensorShape BatchOf(TensorShape shape) => new(shape.Rank <= 2 ? [] : shape.Dimensions[..^2]);

    private static double[] IntegerSums(Tensor left, Tensor right, Tensor? leftZeroPoint, Tensor? rightZeroPoint)
    {
        double[] a = Doubles.Of(left);
        double[] b = Doubles.Of(right);
        int depth = left.Shape.Rank == 0 ? 1 : left.Shape[-1];
        int rows = left.Shape.Rank < 2 ? 1 : left.Shape[-2];
        int columns = right.Shape.Rank < 2 ? 1 : right.Shape[-1];
        Shift(a, leftZeroPoint, rows, i => i / depth % rows, "left");
        Shift(b, rightZeroPoint, columns, i => i % columns, "right");
        return Products(a, left.Shape, b, right.Shape);
    }

    private static void Shift(double[] values, Tensor? zeroPoint, int count, Func<int, int> indexOf, string side)
    {
        if (zeroPoint is null) return;
        double[] zeros = Doubles.Of(zeroPoint);
        if (zeros.Length != 1 && zeros.Length != count)
            throw new ArgumentException($"The {side} zero point has shape {zeroPoint.Shape}, expected a scalar or [{count}].");
        for (int i = 0; i < values.Length; i++) values[i] -= zeros[zeros.Length == 1 ? 0 : indexOf(i)];
    }

    private static double[] Products(double[] a, TensorShape aShape, double[] b, TensorShape bShape)
    {
        var result = new double[MatMulShape(aShape, bShape).Count];
        int m = aShape.Rank == 1 ? 1 : aShape[-2];
        int n = bShape.Rank == 1 ? 1 : bShape[-1];
        int k = aShape[-1];
        TensorShape batch = Broadcasting.Combine(BatchOf(aShape), BatchOf(bShape));
        int[] aBatch = Broadcasting.Strides(BatchOf(aShape), batch);
        int[] bBatch = Broadcasting.Strides(BatchOf(bShape), batch);
        for (int index = 0; index < batch.Count; index++)
        {
            int left = 0;
            int right = 0;
            for (int axis = batch.Rank - 1, rest = index; axis >= 0; axis--)
            {
                left += rest % batch[axis] * aBatch[axis];
                right += rest % batch[axis] * bBatch[axis];
                rest /= batch[axis];
            }

            Multiply(a.AsSpan(left * m * k), b.AsSpan(right * k * n), result.AsSpan(index * m * n, m * n), m, n, k);
        }

        return result;
    }

    private static void Multiply(ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> c, int m, int n, int k)
    {
        for (int row = 0; row < m; row++)
        {
            Span<double> target = c.Slice(row * n, n);
            for (int inner = 0; inner < k; inner++)
            {
                double factor = a[(row * k) + inner];
                ReadOnlySpan<double> source = b.Slice(inner * n, n);
                for (int column = 0; column < target.Length; column++) target[column] += factor * source[column];
            }
        }
    }
}
