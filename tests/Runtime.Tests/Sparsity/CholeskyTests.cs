using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

public class CholeskyTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 3)]
    [InlineData(48, 10)]
    [InlineData(131, 7)]
    public void SolvesSystemsWithKnownSolutions(int size, int columns)
    {
        var random = new Random(size);
        double[] matrix = RandomPositive(size, random), solution = RandomArray(size * columns, random);
        double[] rightHandSides = Multiply(matrix, solution, size, columns);
        Cholesky factor = Assert.IsType<Cholesky>(Cholesky.TryFactor([.. matrix], size));
        factor.Solve(rightHandSides, columns);

        // The matrices have a condition number of about 1e3, so 1e-16 of rounding grows to about 1e-13.
        for (int i = 0; i < solution.Length; i++) Assert.Equal(solution[i], rightHandSides[i], 1e-10);
    }

    [Fact]
    public void InverseTimesMatrixIsIdentity()
    {
        const int Size = 60;
        double[] matrix = RandomPositive(Size, new Random(3));
        double[] product = Multiply(matrix, Cholesky.TryFactor([.. matrix], Size)!.Inverse(), Size, Size);
        for (int i = 0; i < product.Length; i++) Assert.Equal(i % (Size + 1) == 0 ? 1 : 0, product[i], 1e-10);
    }

    [Fact]
    public void RefusesMatricesThatAreNotPositiveDefinite()
    {
        Assert.Null(Cholesky.TryFactor([1, 2, 2, 1], 2));
        Assert.Null(Cholesky.TryFactor([1, 1, 1, 1], 2));
        Assert.Null(Cholesky.TryFactor([double.NaN], 1));
        Assert.Throws<ArgumentException>(() => Cholesky.TryFactor([1, 0, 1], 2));
    }

    internal static double[] RandomArray(int count, Random random)
    {
        var values = new double[count];
        for (int i = 0; i < count; i++) values[i] = (random.NextDouble() * 2) - 1;
        return values;
    }

    internal static double[] Multiply(double[] left, double[] right, int size, int columns)
    {
        var product = new double[size * columns];
        for (int i = 0; i < size; i++)
        {
            for (int k = 0; k < size; k++)
            {
                for (int j = 0; j < columns; j++) product[(i * columns) + j] += left[(i * size) + k] * right[(k * columns) + j];
            }
        }

        return product;
    }

    private static double[] RandomPositive(int size, Random random)
    {
        double[] root = RandomArray(size * size, random);
        var matrix = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                double sum = i == j ? 0.1 : 0;
                for (int k = 0; k < size; k++) sum += root[(i * size) + k] * root[(j * size) + k];
                matrix[(i * size) + j] = sum;
            }
        }

        return matrix;
    }
}
