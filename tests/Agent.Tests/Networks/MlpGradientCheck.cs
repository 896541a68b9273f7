using CoInference.Agent.Networks;

namespace CoInference.Agent.Tests.Networks;

/// <summary>Compares the backward pass with difference quotients; a class of its own so that child processes can run it.</summary>
public static class MlpGradientCheck
{
    public static void RunLinear() => Run(OutputActivation.Linear);

    /// <summary>
    /// Central differences with h = 1e-3 carry an error of about 1e-4 from float rounding of a loss near 1 and from units
    /// whose ReLU switches within ±h; 2e-3 absolute plus 2 % covers both and still fails for any wrong term.
    /// </summary>
    internal static void Run(OutputActivation output)
    {
        const int Rows = 7;
        const float H = 1e-3f;
        var random = new RandomSource(3);
        var network = new Mlp([5, 19, 18, 2], output, Rows, random);
        float[] input = MlpTests.Normals(random, Rows * 5), target = MlpTests.Normals(random, Rows * 2);

        ReadOnlySpan<float> result = network.Forward(input, Rows);
        var outputGradient = new float[target.Length];
        for (int i = 0; i < target.Length; i++) outputGradient[i] = result[i] - target[i];
        var inputGradient = new float[input.Length];
        network.ClearGradients();
        network.Backward(outputGradient, inputGradient);
        float[] gradients = network.Gradients.ToArray();

        for (int i = 0; i < gradients.Length; i += 3)
        {
            float before = network.Parameters[i];
            network.Parameters[i] = before + H;
            double above = Loss();
            network.Parameters[i] = before - H;
            double below = Loss();
            network.Parameters[i] = before;
            AssertClose((above - below) / (2 * H), gradients[i], $"parameter {i}");
        }

        for (int i = 0; i < input.Length; i++)
        {
            float before = input[i];
            input[i] = before + H;
            double above = Loss();
            input[i] = before - H;
            double below = Loss();
            input[i] = before;
            AssertClose((above - below) / (2 * H), inputGradient[i], $"input {i}");
        }

        double Loss()
        {
            ReadOnlySpan<float> values = network.Forward(input, Rows);
            double sum = 0;
            for (int i = 0; i < target.Length; i++) sum += 0.5 * (values[i] - target[i]) * (values[i] - target[i]);
            return sum;
        }
    }

    private static void AssertClose(double expected, double actual, string what) =>
        Assert.True(Math.Abs(expected - actual) <= 2e-3 + (0.02 * Math.Abs(expected)), $"{what}: difference quotient {expected}, gradient {actual}");
}
