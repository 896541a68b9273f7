using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

/// <summary>The quantizer that training passes through, and the rate it adds to the loss.</summary>
public class QuantizerGradientTests
{
    private const int Batch = 4, Channels = 3, Code = 18, Pixels = 20;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    public void The_output_has_the_levels_and_the_gradient_passes_straight_through(int bits)
    {
        using TrainingNetwork quantized = Network(bits, 0), plain = Network(null, 0);
        float[] levels = Forward(quantized), values = Forward(plain), coefficients = Values(levels.Length, new Random(5));
        int highest = (1 << bits) - 1;
        Assert.All(levels, level => Assert.Equal(Math.Round(level * highest), level * highest, 1e-4));
        Assert.InRange(levels.Distinct().Count(), 2, highest + 1);
        for (int i = 0; i < levels.Length; i++) Assert.InRange(Math.Abs(levels[i] - values[i]), 0, (0.5f / highest) + 1e-6f);

        // Behind the quantizer all is linear, so that straight through means: the gradient of the network without it.
        quantized.Backward(coefficients);
        plain.Backward(coefficients);
        for (int p = 0; p < plain.Parameters.Count; p++) Assert.Equal(plain.Parameters[p].Gradients, quantized.Parameters[p].Gradients);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_gradient_of_the_rate_agrees_with_differences(int bits)
    {
        const float Weight = 0.25f, Step = 1e-3f;
        using TrainingNetwork network = Network(bits, Weight);
        float[] logits = Forward(network);
        Assert.InRange(network.Rate, 1, Code * Pixels * bits);
        network.Backward(new float[logits.Length]);
        int compared = 0;
        foreach (TrainingParameter parameter in network.Parameters)
        {
            float[] gradients = [.. parameter.Gradients];
            for (int i = 0; i < gradients.Length; i++)
            {
                float kept = parameter.Values[i];
                parameter.Values[i] = kept + Step;
                double above = Rate();
                parameter.Values[i] = kept - Step;
                double below = Rate();
                parameter.Values[i] = kept;
                double expected = Weight * (above - below) / (2.0 * Step), at = Rate();

                // Where the two sides differ, a value crosses a level or the clamp inside the step.
                if (Math.Abs(above + below - (2 * at)) > 0.02 * Math.Abs(above - below)) continue;
                compared++;
                Assert.Equal(expected, gradients[i], 0.03 * Math.Max(0.2, Math.Abs(expected)));
            }
        }

        Assert.True(compared > 20, $"{compared} quotients mean something");

        double Rate()
        {
            network.Forward(logits);
            return network.Rate;
        }
    }

    [Fact]
    public void A_lone_conversion_is_refused_by_name()
    {
        Graph graph = Graph(3);
        Node quantize = graph.Nodes.Find(node => node.OpType == "QuantizeLinear")!;
        graph.Initializers["other"] = Tensor.Scalar(0.3f);
        quantize.Inputs[1] = "other";
        NotSupportedException failure = Assert.Throws<NotSupportedException>(() => new TrainingNetwork(graph, Batch, 1));
        Assert.Contains("DequantizeLinear", failure.Message, StringComparison.Ordinal);
    }

    private static TrainingNetwork Network(int? bits, float rateWeight)
    {
        var network = new TrainingNetwork(Graph(bits), Batch, 2, rateWeight);
        var random = new Random(9);
        for (int image = 0; image < Batch; image++) network.SetImage(image, Values(Channels * Pixels, random));
        return network;
    }

    private static Graph Graph(int? bits)
    {
        var graph = new TrainableGraph(Channels, 4, 5);
        graph.Scalar("zero", 0);
        graph.Scalar("one", 1);
        string code = graph.Node("Clip", [graph.Pointwise("front", graph.Input, Channels, Code), "zero", "one"]);
        if (bits is { } width)
        {
            graph.Scalar("step", 1f / ((1 << width) - 1));
            code = graph.Node("DequantizeLinear", [graph.Node("QuantizeLinear", [code, "step"]), "step"]);
        }

        return graph.Flattened(code);
    }

    private static float[] Forward(TrainingNetwork network)
    {
        var logits = new float[Batch * network.Classes];
        network.Forward(logits);
        return logits;
    }

    private static float[] Values(int count, Random random)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)((2 * random.NextDouble()) - 1);
        return values;
    }
}
