using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

public class GradientTests
{
    private static readonly ParallelOptions Parallel = new() { MaxDegreeOfParallelism = 2 };

    [Theory]
    [InlineData(3, 1, 5)]
    [InlineData(3, 2, 6)]
    [InlineData(1, 2, 5)]
    public void Convolution(int kernel, int stride, int side)
    {
        FeatureMap input = new(3, side, side, 4), output = new(3, (side + stride - 1) / stride, (side + stride - 1) / stride, 20);
        Check(input, output, new ConvLayer(input, output, kernel, stride, needsInputGradient: true, new Random(1), Parallel));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Batch_normalization_with_shortcut_and_relu(bool hasShortcut, bool relu)
    {
        FeatureMap input = new(9, 3, 5, 3), output = new(9, 3, 5, 3);
        FeatureMap? shortcut = hasShortcut ? new(9, 3, 5, 3) : null;
        var layer = new BatchNormLayer(input, output, shortcut, relu, Parallel);
        Fill(layer.Scale, new Random(5));
        if (shortcut is not null)
        {
            // Far from zero on either side, so that no difference quotient steps over the corner of the ReLU.
            Fill(shortcut.Values, new Random(6));
            for (int i = 0; i < shortcut.Values.Length; i++) shortcut.Values[i] += shortcut.Values[i] < 0 ? -5 : 5;
        }

        Check(input, output, layer, shortcut);
    }

    [Fact]
    public void Global_pooling()
    {
        FeatureMap input = new(2, 3, 4, 5), output = new(2, 1, 1, 5);
        Check(input, output, new GlobalPoolLayer(input, output));
    }

    [Fact]
    public void Linear()
    {
        FeatureMap input = new(5, 1, 1, 7), output = new(5, 1, 1, 18);
        Check(input, output, new LinearLayer(input, output, needsInputGradient: true, new Random(2)));
    }

    [Fact]
    public void Softmax_loss()
    {
        var logits = new FeatureMap(3, 1, 1, 4);
        Fill(logits.Values, new Random(3));
        var loss = new SoftmaxLoss(logits);
        loss.Labels[1] = 2;
        loss.Measure();
        float[] gradients = [.. logits.Gradients];
        for (int i = 0; i < gradients.Length; i++)
        {
            double numeric = Difference(logits.Values, i, () => loss.Measure().Loss);
            Assert.Equal(numeric, gradients[i], 2e-4);
        }
    }

    /// <summary>Compares analytic gradients of the loss sum(coefficients x output) with central differences.</summary>
    /// <remarks>
    /// The step of 1e-2 balances float rounding (1e-7 of sums of about 10, divided by the step: 1e-4) against curvature
    /// (step squared times a third derivative of order 10: 1e-3); a wrong term would be off by its own size, about 1.
    /// </remarks>
    private static void Check(FeatureMap input, FeatureMap output, TrainingLayer layer, FeatureMap? shortcut = null)
    {
        var random = new Random(7);
        Fill(input.Values, random);
        var coefficients = new float[output.Values.Length];
        Fill(coefficients, random);
        double Loss()
        {
            layer.Forward(training: true);
            double sum = 0;
            for (int i = 0; i < coefficients.Length; i++) sum += (double)coefficients[i] * output.Values[i];
            return sum;
        }

        Loss();
        coefficients.CopyTo(output.Gradients, 0);
        layer.Backward();
        List<(float[] Values, float[] Gradients)> arrays = [(input.Values, [.. input.Gradients]), .. layer.Parameters.Select(p => (p.Values, p.Gradients.ToArray()))];
        if (shortcut is not null) arrays.Add((shortcut.Values, [.. shortcut.Gradients]));
        foreach ((float[] values, float[] gradients) in arrays)
        {
            for (int k = 0; k < 60; k++)
            {
                int i = random.Next(values.Length);
                double numeric = Difference(values, i, Loss);
                Assert.Equal(numeric, gradients[i], 5e-3 * Math.Max(1, Math.Abs(numeric)));
            }
        }
    }

    private static double Difference(float[] values, int index, Func<double> loss)
    {
        const float Step = 1e-2f;
        float kept = values[index];
        values[index] = kept + Step;
        double above = loss();
        values[index] = kept - Step;
        double below = loss();
        values[index] = kept;
        return (above - below) / (2 * Step);
    }

    private static void Fill(float[] values, Random random)
    {
        for (int i = 0; i < values.Length; i++) values[i] = (float)((2 * random.NextDouble()) - 1);
    }
}
