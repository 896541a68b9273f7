using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.IntegerNetworks;

namespace CoInference.Runtime.Tests.IntegerNetworks;

public class NetworkQuantizerTests
{
    private static readonly Graph Float = GraphSimplifier.Simplify(OnnxModel.Load(Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx")));
    private static readonly Graph Integer = NetworkQuantizer.Quantize(Float, DataSpec.Parse("shapes10").Load(Split.Train, 64), Preprocessing.ImageNet);

    [Fact]
    public void Every_convolution_becomes_one_of_integers_and_the_predictions_stay()
    {
        Assert.DoesNotContain(Integer.Nodes, node => node.OpType == "Conv");
        Assert.Equal(Float.Nodes.Count(node => node.OpType == "Conv"), Integer.Nodes.Count(node => node.OpType == "QLinearConv"));
        ImageSet test = DataSpec.Parse("shapes10").Load(Split.Test, 200);
        var options = new EvaluationOptions { Preprocessing = Preprocessing.ImageNet };
        Evaluation f32 = Evaluator.Evaluate(Float, test, options), i8 = Evaluator.Evaluate(Integer, test, options);
        // Rounding changes a few close calls; a wrong scale or zero point changes most.
        Assert.InRange(f32.Predictions.Zip(i8.Predictions).Count(pair => pair.First == pair.Second), 190, 200);
    }

    [Fact]
    public void It_runs_as_the_reference_operators_say_and_survives_the_file()
    {
        Graph read = OnnxModel.Parse(OnnxModel.Serialize(Integer));
        ImageSet images = DataSpec.Parse("shapes10").Load(Split.Test, 4);
        using Session fast = Session.Create(read), reference = Session.Create(Integer, new SessionOptions { Reference = true });
        Assert.DoesNotContain(fast.Steps, step => step.Op == "QLinearConv" && step.Kernel == "reference");
        var input = new float[images.ImageBytes];
        float[] a = new float[10], b = new float[10];
        for (int i = 0; i < images.Count; i++)
        {
            Preprocessing.ImageNet.Apply(images.Image(i), images.Channels, input);
            fast.Run(input, a);
            reference.Run(input, b);
            // Integers are exact; only the float layers around them round differently, which may move a byte by one level.
            for (int c = 0; c < a.Length; c++) Assert.InRange(Math.Abs(a[c] - b[c]), 0, 0.05 * b.Max(Math.Abs));
        }
    }
}
