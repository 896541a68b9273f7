using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Data;

public class EvaluatorTests
{
    /// <summary>The data README's figures; one image of 2,000 is 0.05 points, and no argmax may differ.</summary>
    [SkippableTheory]
    [InlineData("resnet8_cifar10", "raw", 0.7640)]
    [InlineData("resnet_4b", "cifar10", 0.7545)]
    [InlineData("resnet20", "imagenet", 0.8135)]
    public void Real_networks_have_their_known_accuracy(string model, string preprocessing, double accuracy)
    {
        ImageSet images = DataSpec.Parse($"cifar10:{TestData.Require("cifar10")}").Load(Split.Test);
        Graph graph = OnnxModel.Load(TestData.Require("models", $"{model}.onnx"));
        Evaluation result = Evaluator.Evaluate(graph, images, new EvaluationOptions { Preprocessing = Preprocessing.Parse(preprocessing) });
        Assert.Equal(accuracy, result.Top1, 0.0005);
        Assert.Equal(result.Top1, images.Labels.Zip(result.Predictions).Average(pair => pair.First == pair.Second ? 1.0 : 0.0), 12);
        Assert.InRange(result.Top5, result.Top1, 1);
    }

    [Fact]
    public void Scores_are_ranked_and_batches_and_workers_do_not_matter()
    {
        // Eight classes; the scores of an image are its first eight bytes.
        ImageSet images = Ramp(11);
        Graph graph = Identity("scores");
        Evaluation one = Evaluator.Evaluate(graph, images, Options(1, 1)), many = Evaluator.Evaluate(graph, images, Options(3, 4));
        Assert.Equal(one.Predictions, many.Predictions);
        Assert.Equal([.. Enumerable.Range(0, 11).Select(i => i % 8)], one.Predictions);

        // The label of an even image has the second score, that of an odd one the seventh.
        Assert.Equal((0.0, 6 / 11.0), (one.Top1, one.Top5));
        Assert.Equal((one.Top1, one.Top5), (many.Top1, many.Top5));
    }

    [Fact]
    public void Halves_with_a_codec_agree_with_the_whole_up_to_its_precision()
    {
        ImageSet images = Ramp(16);
        var shape = new TensorShape(1, 8, 1, 1);
        float[] features = [.. images.Pixels.Select(value => (float)value)];
        var codec = FeatureCodec.Calibrate(features, shape, new CodecDecision(8, 8, 8, EntropyCoded: false));
        Evaluation whole = Evaluator.Evaluate(Identity("scores"), images, Options(1, 2));
        Evaluation split = Evaluator.Evaluate(Identity("feature", [8, 1, 1]), codec, Identity("scores"), images, Options(1, 2));
        Assert.Equal(whole.Predictions, split.Predictions);
        Assert.Equal(8, split.MeanPayloadBytes);
        Assert.Equal(0, whole.MeanPayloadBytes);
        Evaluation uncoded = Evaluator.Evaluate(Identity("feature", [8, 1, 1]), null, Identity("scores"), images, Options(1, 2));
        Assert.Equal(whole.Predictions, uncoded.Predictions);
    }

    [Fact]
    public void Images_of_another_size_are_refused_and_cancellation_is_heard()
    {
        var wide = new ImageSet(8, 1, 2, 8, new byte[32], [0, 1]);
        var failure = Assert.Throws<ArgumentException>(() => Evaluator.Evaluate(Identity("scores"), wide, Options(1, 1)));
        Assert.Contains("8x1x2", failure.Message, StringComparison.Ordinal);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Evaluator.Evaluate(Identity("scores"), Ramp(4), Options(1, 1), cancelled.Token));
    }

    [SkippableFact]
    public void Raw_pixels_are_detected_and_a_close_call_stays_with_imagenet()
    {
        ImageSet images = DataSpec.Parse($"cifar10:{TestData.Require("cifar10")}").Load(Split.SearchValidation, 200);
        PreprocessingDetection raw = PreprocessingDetector.Detect(OnnxModel.Load(TestData.Require("models", "resnet8_cifar10.onnx")), images);
        PreprocessingDetection close = PreprocessingDetector.Detect(OnnxModel.Load(TestData.Require("models", "resnet_4b.onnx")), images);
        Assert.Equal(("raw", "imagenet"), (raw.Preprocessing.Name, close.Preprocessing.Name));
        Graph named = Identity("scores");
        named.Metadata["preprocessing"] = "unit";
        Assert.Same(Preprocessing.Unit, PreprocessingDetector.Detect(named, Ramp(4)).Preprocessing);
    }

    private static EvaluationOptions Options(int batch, int workers) => new() { Preprocessing = Preprocessing.Raw, BatchSize = batch, Workers = workers };

    /// <summary>Images of 8x1x1 whose largest byte is at position i mod 8 and falls off behind it, cyclically.</summary>
    private static ImageSet Ramp(int count)
    {
        byte[] pixels = [.. Enumerable.Range(0, count).SelectMany(i => Enumerable.Range(0, 8).Select(c => (byte)(c == i % 8 ? 200 : 100 - (10 * ((c - (i % 8) + 7) % 8)))))];
        return new ImageSet(8, 1, 1, 8, pixels, [.. Enumerable.Range(0, count).Select(i => (i + (i % 2 == 0 ? 1 : 6)) % 8)]);
    }

    private static Graph Identity(string output, int[]? tail = null)
    {
        var graph = new Graph();
        graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [new(null, "N"), new(8), new(1), new(1)]));
        graph.Outputs.Add(new ValueInfo(output, ElementType.Float32, null));
        long[] shape = [-1, .. (tail ?? [8]).Select(size => (long)size)];
        graph.Initializers["shape"] = Tensor.From<long>(new TensorShape(shape.Length), shape);
        var node = new Node { Name = "reshape", OpType = "Reshape" };
        node.Inputs.AddRange(["x", "shape"]);
        node.Outputs.Add(output);
        graph.Nodes.Add(node);
        return graph;
    }
}
