using CoInference.Kernels.Devices;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

public class NormalEquationsTests
{
    [Theory]
    [InlineData(200, 7, 3)]
    [InlineData(900, 130, 33)]
    public void FindsTheWeightsAndBiasThatMadeTheData(int rows, int taps, int outputs)
    {
        var random = new Random(1);
        float[] x = Uniform(rows * taps, random), weights = Uniform(taps * outputs, random), bias = Uniform(outputs, random);
        var equations = new NormalEquations(rows, [.. x], taps, Product(x, weights, bias, rows, taps, outputs), outputs, WorkerSet.Single);
        var found = new float[weights.Length];
        var foundBias = new float[outputs];
        equations.Solve(found, foundBias, ridge: 0);

        // Moments are summed in single precision: relative 1e-7 times the condition number of about 10.
        Assert.InRange(NetworkBuilder.RelativeError(weights, found), 0, 1e-4);
        Assert.InRange(NetworkBuilder.RelativeError(bias, foundBias), 0, 1e-4);
    }

    [Fact]
    public void ASupportIsSolvedAsIfTheOtherWeightsDidNotExist()
    {
        const int Rows = 600, Taps = 24, Outputs = 5;
        var random = new Random(2);
        float[] x = Uniform(Rows * Taps, random), y = Uniform(Rows * Outputs, random), weights = Uniform(Taps * Outputs, random);
        for (int i = 0; i < weights.Length; i++)
        {
            if (random.NextDouble() < 0.5) weights[i] = 0;
        }

        float[] found = [.. weights], bias = new float[Outputs];
        new NormalEquations(Rows, [.. x], Taps, [.. y], Outputs, WorkerSet.Single).SolveOnSupport(found, bias, ridge: 0, iterations: 200);
        for (int o = 0; o < Outputs; o++)
        {
            int[] support = Enumerable.Range(0, Taps).Where(tap => weights[(tap * Outputs) + o] != 0).ToArray();
            var reduced = new float[Rows * support.Length];
            var target = new float[Rows];
            for (int r = 0; r < Rows; r++)
            {
                target[r] = y[(r * Outputs) + o];
                for (int i = 0; i < support.Length; i++) reduced[(r * support.Length) + i] = x[(r * Taps) + support[i]];
            }

            float[] expected = new float[support.Length], expectedBias = new float[1];
            new NormalEquations(Rows, reduced, support.Length, target, 1, WorkerSet.Single).Solve(expected, expectedBias, ridge: 0);
            float[] actual = Array.ConvertAll(support, tap => found[(tap * Outputs) + o]);

            // Conjugate gradients stop at a relative residual of 1e-5; the condition number is about 10.
            Assert.InRange(NetworkBuilder.RelativeError(expected, actual), 0, 1e-3);
            Assert.Equal(expectedBias[0], bias[o], 1e-4);
            for (int tap = 0; tap < Taps; tap++) Assert.True(weights[(tap * Outputs) + o] != 0 || found[(tap * Outputs) + o] == 0);
        }
    }

    [Fact]
    public void DependentColumnsAreHandledByTheRidge()
    {
        const int Rows = 100, Taps = 6;
        var random = new Random(3);
        float[] x = Uniform(Rows * Taps, random);
        for (int r = 0; r < Rows; r++)
        {
            x[(r * Taps) + 1] = x[r * Taps];
            x[(r * Taps) + 2] = 0;
        }

        float[] truth = Uniform(Taps, random), y = Product(x, truth, [0.5f], Rows, Taps, 1), found = new float[Taps], bias = new float[1];
        new NormalEquations(Rows, [.. x], Taps, [.. y], 1, WorkerSet.Single).Solve(found, bias, ridge: 1e-6);
        Assert.All(found, weight => Assert.InRange(weight, -4, 4));

        // Any split between the two equal columns explains the data; the ridge of 1e-6 moves the fit by as much.
        Assert.InRange(NetworkBuilder.RelativeError(y, Product(x, found, bias, Rows, Taps, 1)), 0, 1e-4);
    }

    [Fact]
    public void WithoutInformationTheWeightsStay()
    {
        float[] weights = [1, 2], bias = [0];
        new NormalEquations(10, new float[20], 2, Enumerable.Repeat(3f, 10).ToArray(), 1, WorkerSet.Single).Solve(weights, bias, ridge: 0.01);
        Assert.Equal([1f, 2f], weights);
        Assert.Equal(3, bias[0]);
    }

    private static float[] Uniform(int count, Random random) => Array.ConvertAll(CholeskyTests.RandomArray(count, random), value => (float)value);

    private static float[] Product(float[] x, float[] weights, float[] bias, int rows, int taps, int outputs)
    {
        var y = new float[rows * outputs];
        for (int r = 0; r < rows; r++)
        {
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias[o];
                for (int tap = 0; tap < taps; tap++) sum += (double)x[(r * taps) + tap] * weights[(tap * outputs) + o];
                y[(r * outputs) + o] = (float)sum;
            }
        }

        return y;
    }
}
