using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>Random matrices of a stack of products, and what the definition makes of some of its rows, in double precision.</summary>
internal sealed class RandomProduct
{
    private const int Seed = 29;

    // What the scalar reference does in about a second.
    private const long MostReferenceProducts = 1L << 29;

    public RandomProduct(GemmShape shape, GemmEpilogue epilogue)
    {
        (Shape, Epilogue) = (shape, epilogue);
        var random = new Random(Seed);
        A = RandomValues.Create(random, shape.CountA * shape.Rows * shape.Depth);
        B = RandomValues.Create(random, shape.CountB * shape.Columns * shape.Depth);
        Bias = RandomValues.Create(random, epilogue.Bias switch
        {
            GemmBias.PerRow => shape.CountA * shape.Rows,
            GemmBias.PerColumn => shape.Columns,
            GemmBias.Matrix => shape.Rows * shape.Columns,
            _ => 1,
        });
        Residual = RandomValues.Create(random, epilogue.HasResidual ? checked((int)shape.OutputCount) : 1);
        int rows = shape.Count * shape.Rows;
        int step = (int)Math.Min(rows, Math.Max(1, (shape.MultiplyAdds + MostReferenceProducts - 1) / MostReferenceProducts));
        CheckedRows = [.. Enumerable.Range(0, ((rows - 1) / step) + 1).Select(i => i * step).Append(rows - 1).Distinct()];
        Expected = new float[CheckedRows.Count * shape.Columns];
        for (int i = 0; i < CheckedRows.Count; i++) Compute(CheckedRows[i], Expected.AsSpan(i * shape.Columns, shape.Columns));
    }

    public GemmShape Shape { get; }

    public GemmEpilogue Epilogue { get; }

    /// <summary>The As.</summary>
    public float[] A { get; }

    /// <summary>The Bs.</summary>
    public float[] B { get; }

    /// <summary>The bias; one unused value when there is none.</summary>
    public float[] Bias { get; }

    /// <summary>The residual; one unused value when there is none.</summary>
    public float[] Residual { get; }

    /// <summary>Rows of the stack of results that the reference computed: all, or of large products some evenly spread ones and the last.</summary>
    public IReadOnlyList<int> CheckedRows { get; }

    /// <summary>What these rows should be.</summary>
    public float[] Expected { get; }

    /// <summary>Largest magnitude that the reference puts out.</summary>
    public double LargestOutput { get; private set; }

    /// <summary>What rounding errors are measured by: the largest sum of the magnitudes that a result is the sum of.</summary>
    public double RoundingScale { get; private set; }

    private void Compute(int row, Span<float> target)
    {
        (int item, int m) = Math.DivRem(row, Shape.Rows);
        int startA = item % Shape.CountA * Shape.Rows * Shape.Depth, startB = item % Shape.CountB * Shape.Columns * Shape.Depth;
        (int firstA, int stepA) = Shape.TransposeA ? (m, Shape.Rows) : (m * Shape.Depth, 1);
        double[] sums = new double[target.Length], magnitudes = new double[target.Length];
        // Along B as it is stored: the columns of a large matrix miss every cache.
        if (Shape.TransposeB)
        {
            for (int n = 0; n < target.Length; n++)
            {
                for (int k = 0; k < Shape.Depth; k++) Add(n, A[startA + firstA + (k * stepA)], B[startB + (n * Shape.Depth) + k]);
            }
        }
        else
        {
            for (int k = 0; k < Shape.Depth; k++)
            {
                for (int n = 0; n < target.Length; n++) Add(n, A[startA + firstA + (k * stepA)], B[startB + (k * Shape.Columns) + n]);
            }
        }

        for (int n = 0; n < target.Length; n++)
        {
            double bias = Epilogue.Beta * (Epilogue.Bias switch
            {
                GemmBias.PerRow => Bias[(item % Shape.CountA * Shape.Rows) + m],
                GemmBias.PerColumn => Bias[n],
                GemmBias.Matrix => Bias[(m * Shape.Columns) + n],
                _ => 0,
            });
            double residual = Epilogue.HasResidual ? Residual[(row * Shape.Columns) + n] : 0;
            double result = Math.Clamp((Epilogue.Alpha * sums[n]) + bias + residual, Epilogue.Minimum, Epilogue.Maximum);
            target[n] = (float)result;
            LargestOutput = Math.Max(LargestOutput, Math.Abs(result));
            RoundingScale = Math.Max(RoundingScale, Math.Abs(Epilogue.Alpha * magnitudes[n]) + Math.Abs(bias) + Math.Abs(residual));
        }

        void Add(int n, double left, double right)
        {
            sums[n] += left * right;
            magnitudes[n] += Math.Abs(left * right);
        }
    }
}
