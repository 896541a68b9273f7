using System.Text.Json.Serialization;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Bench.RateAccuracy;

/// <summary>One way to send an image's content.</summary>
/// <param name="Kind">Family; a curve of the chart.</param>
/// <param name="Setting">Member of the family.</param>
/// <param name="Bytes">Mean bytes per image, header included.</param>
/// <param name="Top1">Share of test images answered rightly, 0 to 1.</param>
internal sealed record RatePoint(string Kind, string Setting, double Bytes, double Top1);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(List<RatePoint>))]
internal sealed partial class RateJson : JsonSerializerContext;

/// <summary>Measures the points of the curve.</summary>
internal sealed class Curve
{
    private static readonly int[] Qualities = [95, 90, 75, 50, 25, 10];
    private static readonly (int Divisor, int Bits)[] FeatureCodecs = [(1, 8), (1, 4), (1, 2), (2, 4), (4, 4), (4, 2), (8, 2)];
    private static readonly (int Channels, int Bits)[] LinearCodes = [(16, 4), (10, 3), (6, 2)];

    private readonly Graph _graph;
    private readonly Cut _cut;
    private readonly ImageSet _test, _calibration;
    private readonly EvaluationOptions _options;

    public Curve(Graph graph, string cut, DataSource data)
    {
        _graph = graph;
        _cut = CutFinder.FindAll(graph).First(candidate => candidate.Value == cut);
        (_test, _calibration) = (data.Load(Split.Test), data.Load(Split.Train, BundleCompiler.CodecImages));
        string preset = graph.Metadata.GetValueOrDefault(Preprocessing.MetadataKey) ?? Preprocessing.ImageNet.Name;
        _options = new EvaluationOptions { Preprocessing = Preprocessing.Parse(preset) };
        DenseTop1 = Evaluator.Evaluate(graph, _test, _options).Top1;
    }

    /// <summary>Accuracy of the network on images as they are.</summary>
    public double DenseTop1 { get; }

    /// <summary>The image itself crosses.</summary>
    public IEnumerable<RatePoint> Images()
    {
        yield return Point("pixels", "raw", _test.ImageBytes, DenseTop1);
        yield return Point("PNG", "lossless", MeanBytes(image => PngEncoder.Encode(image).Length), DenseTop1);
        if (!JpegCodec.IsAvailable) yield break;
        foreach (int quality in Qualities)
        {
            double top1 = Evaluator.Evaluate(_graph, JpegCodec.RoundTrip(_test, quality), _options).Top1;
            yield return Point("JPEG", $"quality {quality}", MeanBytes(image => JpegCodec.Encode(image, quality).Length), top1);
        }
    }

    /// <summary>The feature crosses, with fewer channels and bits, nothing trained.</summary>
    public IEnumerable<RatePoint> Features()
    {
        (Graph device, Graph edge) = GraphSplitter.Split(_graph, _cut);
        float[] features = BundleCompiler.Features(device, _cut.Shape, _calibration, _options.Preprocessing);
        foreach ((int divisor, int bits) in FeatureCodecs)
        {
            int channels = Math.Max(1, _cut.Shape[1] / divisor);
            FeatureCodec codec = FeatureCodec.Calibrate(features, _cut.Shape, new CodecDecision(channels, _cut.Shape[1], bits, EntropyCoded: true));
            Evaluation result = Evaluator.Evaluate(device, codec, edge, _test, _options);
            yield return Point("feature", $"{channels} channels, {bits} bits", result.MeanPayloadBytes, result.Top1);
        }
    }

    /// <summary>The code of a bottleneck that was fitted but not trained.</summary>
    public IEnumerable<RatePoint> LinearBottlenecks()
    {
        foreach ((int channels, int bits) in LinearCodes)
        {
            if (channels > _cut.Shape[1]) continue;
            Graph fitted = Bottleneck.Insert(_graph, new BottleneckSpec(_cut.Value, channels, bits, Stride: 2), _calibration, _options.Preprocessing, seed: 0);
            yield return Code("linear bottleneck", Bottleneck.WithoutQuantizer(fitted), bits);
        }
    }

    /// <summary>The code of a trained bottleneck.</summary>
    public RatePoint Learned(Graph network, int bits) => Code("learned bottleneck", network, bits);

    private RatePoint Code(string kind, Graph network, int bits)
    {
        (Graph device, FeatureCodec codec, Graph edge) = Bottleneck.Split(network, bits, _calibration, _options.Preprocessing);
        Evaluation result = Evaluator.Evaluate(device, codec, edge, _test, _options);
        return Point(kind, $"{codec.FeatureShape[1]}x{codec.FeatureShape[2]}x{codec.FeatureShape[3]}, {bits} bits", result.MeanPayloadBytes, result.Top1);
    }

    private double MeanBytes(Func<PixelImage, int> length) =>
        Enumerable.Range(0, _test.Count).AsParallel().Average(i => (double)length(PixelImage.FromPlanes(_test.Image(i), _test.Channels, _test.Height, _test.Width)));

    private static RatePoint Point(string kind, string setting, double bytes, double top1) => new(kind, setting, bytes + FeatureFrame.RequestHeaderBytes, top1);
}
