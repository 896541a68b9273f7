using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Runtime.Tests.Training;

/// <summary>Learned encoders and decoders at a cut.</summary>
public class BottleneckTests
{
    private const int Images = 24;

    private static readonly ImageSet Data = DataSpec.Parse("shapes10").Load(Split.Train, 512);

    [Theory]
    [InlineData(4, 2, 3, 1)]
    [InlineData(3, 1, 1, 2)]
    [InlineData(2, 8, 3, 2)]
    public void The_codec_between_the_halves_does_what_the_quantizer_did_in_training(int channels, int bits, int kernel, int stride)
    {
        Graph network = Network();
        Cut cut = InteriorCut(network);
        Graph trained = Bottleneck.Insert(network, new BottleneckSpec(cut.Value, channels, bits, kernel, stride), Data, Preprocessing.ImageNet, 3);
        Graph deployed = Bottleneck.WithoutQuantizer(trained);
        Assert.DoesNotContain(deployed.Nodes, node => node.OpType is "QuantizeLinear" or "DequantizeLinear");
        (Graph device, FeatureCodec codec, Graph edge) = Bottleneck.Split(deployed, bits, Data, Preprocessing.ImageNet);
        Assert.Equal(new TensorShape(1, channels, cut.Shape[2] / stride, cut.Shape[3] / stride), codec.FeatureShape);

        using Session whole = Session.Create(trained), first = Session.Create(device), second = Session.Create(edge);
        float[] input = new float[Data.ImageBytes], expected = new float[10], actual = new float[10], feature = new float[codec.FeatureShape.Count];
        var payload = new byte[codec.MaxPayloadBytes];
        for (int image = 0; image < Images; image++)
        {
            Preprocessing.ImageNet.Apply(Data.Image(image), Data.Channels, input);
            whole.Run(input, expected);
            first.Run(input, feature);
            int length = codec.Encode(feature, payload, out EntropyMode coder);
            codec.Decode(payload.AsSpan(0, length), coder, feature);
            second.Run(feature, actual);

            // Both round the same values; one that lies on a tie to the last bit would differ by a level, and none does here.
            for (int c = 0; c < expected.Length; c++) Assert.Equal(expected[c], actual[c], 1e-4 * Math.Max(1, Math.Abs(expected[c])));
        }
    }

    [Fact]
    public void Training_with_a_rate_shortens_the_payload_and_keeps_the_scores_of_the_teacher()
    {
        Graph network = Network();
        var spec = new BottleneckSpec(InteriorCut(network).Value, 6, 4);
        (double Payload, double Agreement) free = Train(0), cheap = Train(2e-3f), untrained = Judge(Bottleneck.Insert(network, spec, Data, Preprocessing.ImageNet, 3));
        Assert.True(free.Agreement > untrained.Agreement, $"{free} against {untrained} untrained");
        Assert.True(cheap.Payload < 0.8 * free.Payload, $"{cheap} with a rate, {free} without");

        (double Payload, double Agreement) Train(float rate)
        {
            using var trainer = new Trainer(Bottleneck.Insert(network, spec, Data, Preprocessing.ImageNet, 3), Data, null, new TrainerOptions
            {
                Epochs = 3, BatchSize = 32, LearningRate = 0.01f, WarmUpEpochs = 0, RateWeight = rate, Augmentation = Augmentation.Parse("none"),
                Teacher = network, Loss = new ClassificationLoss(0, 1),
            });
            return Judge(trainer.Run().Graph);
        }

        (double Payload, double Agreement) Judge(Graph trained)
        {
            (Graph device, FeatureCodec codec, Graph edge) = Bottleneck.Split(Bottleneck.WithoutQuantizer(trained), spec.Bits, Data, Preprocessing.ImageNet);
            Evaluation own = Evaluator.Evaluate(device, codec, edge, Data), teacher = Evaluator.Evaluate(network, Data);
            return (own.MeanPayloadBytes, own.Predictions.Zip(teacher.Predictions, (a, b) => a == b ? 1.0 : 0).Average());
        }
    }

    [Theory]
    [InlineData("nowhere", 4, 2, 3, 1, "nowhere")]
    [InlineData(null, 0, 2, 3, 1, "0 channels")]
    [InlineData(null, 4, 9, 3, 1, "9 bits")]
    [InlineData(null, 4, 2, 2, 1, "kernel of 2")]
    [InlineData(null, 4, 2, 3, 3, "stride of 3")]
    public void What_does_not_fit_is_named(string? cut, int channels, int bits, int kernel, int stride, string expected)
    {
        Graph network = Network();
        var spec = new BottleneckSpec(cut ?? InteriorCut(network).Value, channels, bits, kernel, stride);
        ArgumentException failure = Assert.Throws<ArgumentException>(() => Bottleneck.Insert(network, spec, Data, Preprocessing.ImageNet, 1));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_bottleneck_is_refused()
    {
        Graph network = Network();
        var spec = new BottleneckSpec(InteriorCut(network).Value, 4, 2);
        Graph once = Bottleneck.Insert(network, spec, Data, Preprocessing.ImageNet, 1);
        Assert.Throws<ArgumentException>(() => Bottleneck.Insert(Bottleneck.WithoutQuantizer(once), spec, Data, Preprocessing.ImageNet, 1));
    }

    [Fact]
    public void Damaged_metadata_is_named()
    {
        Graph network = Network();
        network.Metadata[CodeRange.MetadataKey] = "value 1 0";
        InvalidDataException failure = Assert.Throws<InvalidDataException>(() => CodeRange.Of(network, "value"));
        Assert.Contains(CodeRange.MetadataKey, failure.Message, StringComparison.Ordinal);
    }

    private static Graph Network() => GraphSimplifier.Simplify(Architectures.Create("resnet8", new ArchitectureInput(3, 32, 32, 10, 1)));

    private static Cut InteriorCut(Graph network) => CutFinder.Find(network).Last(cut => cut.Kind == CutKind.Interior && cut.Shape is { Rank: 4 } shape && shape[2] == 16);
}
