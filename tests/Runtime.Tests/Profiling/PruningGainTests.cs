using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Tests.Execution;

namespace CoInference.Runtime.Tests.Profiling;

[Collection(TimedTests.Name)]
public class PruningGainTests
{
    [SkippableFact]
    [Trait("Category", "Slow")]
    public void Half_the_channels_of_ResNet56_save_more_than_half_of_its_time()
    {
        Graph graph = OnnxModel.Load(TestData.Require("models", "resnet56.onnx"));

        // A quarter of the work is left. Winograd takes more off layers of whole vectors of channels than off the pruned ones
        // of half a vector, so it is left out where the kernels' share of the gain is to be seen.
        PruningGain direct = PruningGain.Measure(graph, WeightForm.Dense, 0.5, new ProfileOptions { Session = new SessionOptions { Precise = true } });
        Assert.InRange(direct.MultiplyAddShare, 0.24, 0.28);
        Assert.True(direct.Speedup >= 2.2, $"{direct.DenseMs:F3} ms dense, {direct.SparseMs:F3} ms pruned: {direct.Speedup:F2}x");
        PruningGain gain = PruningGain.Measure(graph, WeightForm.Dense, 0.5);
        Assert.True(gain.Speedup >= 1.8, $"{gain.DenseMs:F3} ms dense, {gain.SparseMs:F3} ms pruned: {gain.Speedup:F2}x");
    }

    [Fact]
    public void A_network_without_groups_of_a_form_is_named()
    {
        // One convolution that makes the output: none of its channels can go.
        Graph graph = LayerGraph.Create(inputs: 8, outputs: 8, kernel: 3, size: 8);
        Assert.Contains(graph.Name, Assert.Throws<NotSupportedException>(() => PruningGain.Measure(graph, WeightForm.Dense, 0.5)).Message, StringComparison.Ordinal);
    }
}
