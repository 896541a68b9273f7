using CoInference.Agent.Networks;

namespace CoInference.Agent.Tests.Networks;

public class MlpTests
{
    private static readonly int[] Widths = [5, 19, 18, 2];

    [Theory]
    [InlineData(OutputActivation.Linear)]
    [InlineData(OutputActivation.Sigmoid)]
    public void Gradients_match_finite_differences(OutputActivation output) => MlpGradientCheck.Run(output);

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Gradients_match_finite_differences_on_every_instruction_set(string setting) => InstructionSets.Run(MlpGradientCheck.RunLinear, setting);

    [Fact]
    public void Gradients_add_up_until_they_are_cleared()
    {
        var random = new RandomSource(5);
        var network = new Mlp(Widths, OutputActivation.Linear, 4, random);
        float[] input = Normals(random, 20);
        var ones = new float[8];
        ones.AsSpan().Fill(1);
        network.Forward(input, 4);
        network.Backward(ones, []);
        float[] once = network.Gradients.ToArray();
        network.Backward(ones, []);
        for (int i = 0; i < once.Length; i++) Assert.Equal(2 * once[i], network.Gradients[i], 1e-5f * (1 + Math.Abs(once[i])));
        network.Backward(ones, new float[20], parameters: false);
        for (int i = 0; i < once.Length; i++) Assert.Equal(2 * once[i], network.Gradients[i], 1e-5f * (1 + Math.Abs(once[i])));
    }

    [Fact]
    public void A_batch_gives_what_its_rows_give()
    {
        var random = new RandomSource(6);
        var network = new Mlp(Widths, OutputActivation.Sigmoid, 9, random);
        float[] input = Normals(random, 45);
        float[] batch = network.Forward(input, 9).ToArray();
        for (int row = 0; row < 9; row++)
        {
            ReadOnlySpan<float> single = network.Forward(input.AsSpan(row * 5, 5), 1);
            // Same products in the same order; only the rounding of the bias addition may differ.
            for (int i = 0; i < 2; i++) Assert.Equal(single[i], batch[(row * 2) + i], 1e-6f);
        }
    }

    [Fact]
    public void Adam_fits_a_function_that_no_linear_model_fits()
    {
        var random = new RandomSource(7);
        var network = new Mlp([2, 32, 32, 1], OutputActivation.Linear, 64, random);
        var adam = new Adam(network.Parameters.Length, 3e-3);
        var input = new float[128];
        var gradient = new float[64];
        double first = 0, last = 0;
        for (int step = 0; step < 1500; step++)
        {
            for (int i = 0; i < input.Length; i++) input[i] = (float)((2 * random.NextUniform()) - 1);
            ReadOnlySpan<float> values = network.Forward(input, 64);
            double loss = 0;
            for (int row = 0; row < 64; row++)
            {
                float error = values[row] - (input[2 * row] * input[(2 * row) + 1]);
                gradient[row] = 2 * error / 64;
                loss += error * error / 64;
            }

            if (step == 0) first = loss;
            if (step >= 1400) last += loss / 100;
            network.ClearGradients();
            network.Backward(gradient, []);
            adam.Step(network.Parameters, network.Gradients);
        }

        // The best linear model of x·y on the square is 0, with a mean squared error of 1/9.
        Assert.True(last < 0.002, $"loss went from {first} to {last}");
    }

    [Fact]
    public void Soft_update_moves_by_the_rate()
    {
        var target = new Mlp(Widths, OutputActivation.Linear, 1, new RandomSource(1));
        var source = new Mlp(Widths, OutputActivation.Linear, 1, new RandomSource(2));
        float[] before = target.Parameters.ToArray();
        target.MoveTowards(source, 0.25f);
        // One rounding of the interpolation of values below 1.
        for (int i = 0; i < before.Length; i++) Assert.Equal((0.75f * before[i]) + (0.25f * source.Parameters[i]), target.Parameters[i], 1e-6f);
    }

    [Fact]
    public void Stored_networks_and_optimizers_continue_alike_and_refuse_other_sizes()
    {
        var random = new RandomSource(8);
        var network = new Mlp(Widths, OutputActivation.Linear, 1, random);
        var adam = new Adam(network.Parameters.Length, 1e-2);
        float[] gradient = Normals(random, network.Parameters.Length);
        adam.Step(network.Parameters, gradient);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        network.Save(writer);
        adam.Save(writer);
        var network2 = new Mlp(Widths, OutputActivation.Linear, 1, random);
        var adam2 = new Adam(network.Parameters.Length, 1e-2);
        stream.Position = 0;
        using var reader = new BinaryReader(stream);
        network2.Restore(reader);
        adam2.Restore(reader);
        adam.Step(network.Parameters, gradient);
        adam2.Step(network2.Parameters, gradient);
        Assert.Equal(network.Parameters.ToArray(), network2.Parameters.ToArray());

        stream.Position = 0;
        Assert.Throws<InvalidDataException>(() => new Mlp([5, 4, 2], OutputActivation.Linear, 1, random).Restore(reader));
    }

    internal static float[] Normals(RandomSource random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)random.NextNormal();
        return values;
    }
}
