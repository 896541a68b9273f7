using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Tests.Execution;

namespace CoInference.Runtime.Tests.Profiling;

public class PruningGainTests
{
    [SkippableFact]
    [Trait("Category", "Slow")]
    public void Half_the_channels_of_ResNet56_save_more_than_half_of_its_time()
    {
        Graph graph = OnnxModel.Load(TestData.Require("models", "resnet56.onnx"));
        PruningGain gain = PruningGain.Measure(graph, WeightForm.Dense, 0.5);

        // A quarter of the work is left; fixed costs of small layers keep the gain below 4.
        Assert.InRange(gain.MultiplyAddShare, 0.24, 0.28);
        Assert.True(gain.Speedup >= 2.2, $"{gain.DenseMs:F3} ms dense, {gain.SparseMs:F3} ms pruned: {gain.Speedup:F2}x");
    }

    [Fact]
    public void A_network_without_groups_of_a_form_is_named()
    {
        // One convolution that makes the output: none of its channels can go.
        Graph graph = LayerGraph.Create(inputs: 8, outputs: 8, kernel: 3, size: 8);
        Assert.Contains(graph.Name, Assert.Throws<NotSupportedException>(() => PruningGain.Measure(graph, WeightForm.Dense, 0.5)).Message, StringComparison.Ordinal);
    }
}
