using System.Globalization;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Splitting;

namespace CoInference.Agent.Environments;

/// <summary>
/// Times feature encoders and decoders on real features of a cut. For each number of bits four numbers of sent channels
/// are measured, and others interpolated between them: both times are linear in it.
/// </summary>
public sealed class CodecTimer
{
    private const int Nodes = 4, TimedImages = 16;

    private static readonly TimingOptions Options = new() { Samples = 9, WarmUpMilliseconds = 1, MaxMilliseconds = 20 };

    private readonly IDictionary<string, CodecTiming> _timings;
    private readonly Dictionary<string, FeatureSamples> _samples = new(StringComparer.Ordinal);

    /// <summary>Creates a timer.</summary>
    /// <param name="timings">Times measured before; new ones are added.</param>
    public CodecTimer(IDictionary<string, CodecTiming> timings) => _timings = timings;

    /// <summary>Median times of a codec, in milliseconds on this host.</summary>
    /// <param name="cut">Where the network is cut.</param>
    /// <param name="shape">Shape of the feature, with a batch of 1; pruning may have left it fewer channels than the cut has.</param>
    /// <param name="decision">Channels and bits.</param>
    /// <param name="features">Features of the unpruned network at a cut; asked for when something must be measured.</param>
    public CodecTiming Time(Cut cut, TensorShape shape, CodecDecision decision, Func<Cut, float[]> features)
    {
        int total = shape[1];
        int[] nodes = [.. Enumerable.Range(0, Nodes).Select(node => Math.Max(1, total * node / (Nodes - 1))).Append(1).Distinct().Order()];
        int above = nodes.First(node => node >= decision.Channels), below = nodes.Last(node => node <= decision.Channels);
        CodecTiming high = AtNode(above);
        if (above == below) return high;
        CodecTiming low = AtNode(below);
        double share = (double)(decision.Channels - below) / (above - below);
        return new CodecTiming(low.EncodeMs + (share * (high.EncodeMs - low.EncodeMs)), low.DecodeMs + (share * (high.DecodeMs - low.DecodeMs)));

        CodecTiming AtNode(int channels)
        {
            CodecDecision node = decision with { Channels = channels };
            string key = string.Create(CultureInfo.InvariantCulture, $"{cut.Value}|{shape}|{channels}|{node.Bits}|{(node.EntropyCoded ? "coded" : "packed")}");
            if (!_timings.TryGetValue(key, out CodecTiming? timing)) _timings[key] = timing = Measure(SamplesOf(cut, shape, features), node);
            return timing;
        }
    }

    private static CodecTiming Measure(FeatureSamples samples, CodecDecision decision)
    {
        FeatureCodec codec = FeatureCodec.Calibrate(samples, decision);
        // Images in turn: one over and over would be learned by the branch predictor, and stay in the nearest cache.
        int images = Math.Min(TimedImages, samples.Images), next = 0;
        float[][] inputs = [.. Enumerable.Range(0, images).Select(image => samples.Image(image).ToArray())];
        var coded = new (byte[] Payload, EntropyMode Coder)[images];
        var payload = new byte[codec.MaxPayloadBytes];
        for (int image = 0; image < images; image++)
        {
            int length = codec.Encode(inputs[image], payload, out EntropyMode coder);
            coded[image] = (payload[..length], coder);
        }

        double encode = Timing.Measure(() => codec.Encode(inputs[next++ % images], payload, out _), Options).MedianMs;
        var feature = new float[samples.Shape.Count];
        double decode = Timing.Measure(Decode, Options).MedianMs;
        return new CodecTiming(encode, decode);

        void Decode()
        {
            (byte[] bytes, EntropyMode mode) = coded[next++ % images];
            codec.Decode(bytes, mode, feature);
        }
    }

    private FeatureSamples SamplesOf(Cut cut, TensorShape shape, Func<Cut, float[]> features)
    {
        string key = $"{cut.Value}|{shape}";
        if (_samples.TryGetValue(key, out FeatureSamples? known)) return known;
        return _samples[key] = new FeatureSamples(FirstChannels(features(cut), cut.Shape, shape), shape);
    }

    /// <summary>The first channels of each feature: what pruning leaves has the same size, which is all that time depends on.</summary>
    private static float[] FirstChannels(float[] values, TensorShape full, TensorShape shape)
    {
        if (full == shape) return values;
        int images = values.Length / full.Count;
        var sliced = new float[images * shape.Count];
        for (int image = 0; image < images; image++) values.AsSpan(image * full.Count, shape.Count).CopyTo(sliced.AsSpan(image * shape.Count));
        return sliced;
    }
}
