using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

/// <summary>The gradients of a whole residual network against PyTorch; Reference/gradients.py made the stored values.</summary>
public class GradientReferenceTests
{
    private const int Batch = 6, Side = 12, Classes = 7;

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void So_it_has_under_every_instruction_set(string setting) => InstructionSets.Run(A_residual_network_has_the_gradients_of_PyTorch, setting);

    [Fact]
    public static void A_residual_network_has_the_gradients_of_PyTorch()
    {
        using Stream stored = typeof(GradientReferenceTests).Assembly.GetManifestResourceStream("gradients.bin")!;
        var bytes = new byte[stored.Length];
        stored.ReadExactly(bytes);
        ReadOnlySpan<float> expected = MemoryMarshal.Cast<byte, float>(bytes);

        Graph graph = Architectures.Create("resnet8", new ArchitectureInput(3, Side, Side, Classes, 0));
        Fill(graph);
        using var network = new TrainingNetwork(graph, Batch, 2);
        float[] images = Wave(Batch * 3 * Side * Side, 1000, 1, 0), logits = new float[Batch * Classes], gradients = new float[logits.Length];
        for (int i = 0; i < Batch; i++) network.SetImage(i, images.AsSpan(i * 3 * Side * Side, 3 * Side * Side));
        network.Forward(logits);
        (double loss, _) = new ClassificationLoss(0.1f).Measure(logits, [0, 3, 6, 2, 5, 1], [], gradients);
        network.Backward(gradients);

        Assert.Equal(expected[0], loss, 1e-5);
        int at = 1;
        foreach (TrainingParameter parameter in network.Parameters.Where(parameter => !parameter.IsStatistic).OrderBy(parameter => parameter.Name, StringComparer.Ordinal))
        {
            // Against double precision: rounding of sums over a thousand terms through ten layers, relative to the largest.
            ReadOnlySpan<float> wanted = expected.Slice(at, parameter.Gradients.Length);
            double largest = 0, error = 0;
            for (int i = 0; i < wanted.Length; i++)
            {
                largest = Math.Max(largest, Math.Abs(wanted[i]));
                error = Math.Max(error, Math.Abs(wanted[i] - parameter.Gradients[i]));
            }

            Assert.True(error <= 2e-4 * largest, $"{parameter.Name}: off by {error}, the largest gradient is {largest}");
            at += wanted.Length;
        }

        Assert.Equal(expected.Length, at);
    }

    private static void Fill(Graph graph)
    {
        int start = 0;
        foreach (Node node in graph.Nodes)
        {
            switch (node.OpType)
            {
                case "Conv":
                    TensorShape shape = graph.Initializers[node.Inputs[1]].Shape;
                    Set(node.Inputs[1], Math.Sqrt(3.0 / (shape[1] * shape[2] * shape[3])), 0);
                    break;
                case "BatchNormalization":
                    Set(node.Inputs[1], 0.3, 1);
                    Set(node.Inputs[2], 0.2, 0);
                    break;
                case "Gemm":
                    Set(node.Inputs[1], Math.Sqrt(3.0 / 64), 0);
                    Set(node.Inputs[2], 0.1, 0);
                    break;
            }
        }

        void Set(string name, double scale, double offset)
        {
            Span<float> values = graph.Initializers[name].Values<float>();
            Wave(values.Length, start, scale, offset).CopyTo(values);
            start += values.Length;
        }
    }

    /// <summary>The formula of Reference/gradients.py.</summary>
    private static float[] Wave(int count, int start, double scale, double offset)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)(((((start + i) * 7919L % 10007 / 10007.0) * 2) - 1) * scale + offset);
        return values;
    }
}
