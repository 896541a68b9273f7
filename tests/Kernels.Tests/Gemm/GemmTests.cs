using CoInference.Kernels.Devices;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Gemm;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.Gemm;

public class GemmTests
{
    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Products_agree_with_the_reference(string setting) => InstructionSets.Run(GemmChecks.Products, setting);

    [Fact]
    public void Wrong_lengths_are_refused()
    {
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(3, 4, new float[11]));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(3, 4, new float[12], bias: new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => PackedMatrix.Pack(0, 4, []));
    }
}

/// <summary>Checks that also run in child processes under narrower instruction sets.</summary>
public static class GemmChecks
{
    private static readonly (int Rows, int Columns, int Depth)[] Shapes =
    [
        (1, 1, 1), (1, 10, 64), (1, 1000, 37), (1, 257, 1280), (2, 33, 5), (7, 16, 16), (13, 31, 17), (14, 32, 600),
        (15, 100, 48), (29, 65, 129), (64, 10, 100), (100, 3, 33), (65, 96, 1030), (300, 70, 40),
    ];

    /// <summary>Every combination of transposes, accumulation, bias, clamp and threads.</summary>
    public static void Products()
    {
        using var pair = new WorkerSet(2);
        foreach ((int rows, int columns, int depth) in Shapes)
        {
            for (int options = 0; options < 32; options++)
                Check(rows, columns, depth, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0, (options & 8) != 0, (options & 16) != 0 ? pair : WorkerSet.Single);
        }
    }

    private static unsafe void Check(int rows, int columns, int depth, bool transposeA, bool transposeB, bool accumulate, bool clamp, WorkerSet workers)
    {
        var random = new Random(rows + columns + depth);
        float[] a = Values(random, rows * depth), b = Values(random, depth * columns), bias = clamp ? Values(random, columns) : [];
        var expected = new float[rows * columns];
        ReferenceGemm.Run(rows, columns, depth, a, transposeA, b, transposeB, bias, expected);
        float[] start = Values(random, rows * columns);
        Epilogue epilogue = clamp ? new Epilogue(FusedActivation.Clamp, -0.5f, 2f) : default;

        PackedMatrix matrix = PackedMatrix.Pack(depth, columns, b, transposeB, bias, epilogue, rows);
        int stride = columns + 3;
        var c = new float[rows * stride];
        for (int row = 0; row < rows; row++) start.AsSpan(row * columns, columns).CopyTo(c.AsSpan(row * stride));
        var scratch = new AlignedBuffer(Simd.Gemm.Gemm.ScratchBytes(rows, matrix, workers.Threads));
        fixed (float* aPointer = a, cPointer = c)
        {
            Simd.Gemm.Gemm.Run(
                rows, aPointer, transposeA ? rows : depth, transposeA, matrix, accumulate ? cPointer : null, cPointer, stride, scratch.Pointer, workers);
        }

        GC.KeepAlive(scratch);

        // As for convolutions: each product and each sum rounds by 2^-24 of a running sum of values in [-1, 1].
        double tolerance = (depth + 4) * Math.Pow(2, -24) * 2;
        for (int i = 0; i < c.Length; i++)
        {
            int row = i / stride, column = i % stride;
            if (column >= columns)
            {
                Assert.Equal(0f, c[i]);
                continue;
            }

            double wanted = expected[(row * columns) + column] + (accumulate ? start[(row * columns) + column] : 0);
            if (clamp) wanted = Math.Clamp(wanted, epilogue.Minimum, epilogue.Maximum);
            Assert.True(
                Math.Abs(c[i] - wanted) <= tolerance * Math.Max(1, Math.Abs(wanted)),
                $"{rows}x{columns}x{depth} tA={transposeA} tB={transposeB} accumulate={accumulate} clamp={clamp} threads={workers.Threads}: [{row}, {column}] is {c[i]}, expected {wanted}");
        }
    }

    private static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (random.NextSingle() * 2) - 1;
        return values;
    }
}
