using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Agent.Environments;

/// <summary>Predicted kernel times of both halves.</summary>
/// <param name="DeviceMs">Device half, slowed down.</param>
/// <param name="EdgeMs">Edge half.</param>
/// <param name="Feature">Shape of the value that crosses, with a batch of 1.</param>
public sealed record HalfPrices(double DeviceMs, double EdgeMs, TensorShape Feature);

/// <summary>
/// Prices decisions without running them: the network is shaped as decided, split, planned as a session would plan it, and
/// every kernel of the plan is looked up in the latency table of its side, which measures what it does not know yet.
/// </summary>
public sealed class PlanPricer
{
    private readonly Pruner _pruner;
    private readonly SessionOptions _device, _edge;
    private readonly LatencyTable _deviceTable, _edgeTable;
    private readonly CodecTimer _codecs;
    private readonly Func<Cut, float[]> _features;
    private readonly int _replyBytes;

    /// <summary>Creates a pricer.</summary>
    /// <param name="pruner">Shapes the network.</param>
    /// <param name="device">Kernels of the device, and the options of its session.</param>
    /// <param name="edge">Kernels of the edge, and the options of its session.</param>
    /// <param name="link">The link.</param>
    /// <param name="slowdown">Factor on the device's times.</param>
    /// <param name="codecs">Times of encoders and decoders.</param>
    /// <param name="features">Features of the unpruned network at a cut, for timing codecs on.</param>
    /// <param name="classes">Scores that the edge sends back.</param>
    public PlanPricer(
        Pruner pruner, (LatencyTable Table, SessionOptions Options) device, (LatencyTable Table, SessionOptions Options) edge,
        LinkSpec link, double slowdown, CodecTimer codecs, Func<Cut, float[]> features, int classes)
    {
        (_pruner, Link, Slowdown, _codecs, _features) = (pruner, link, slowdown, codecs, features);
        (_deviceTable, _device) = device;
        (_edgeTable, _edge) = edge;
        _replyBytes = FeatureFrame.ReplyBytes(classes, default);
    }

    /// <summary>The link.</summary>
    public LinkSpec Link { get; }

    /// <summary>Factor on the device's times.</summary>
    public double Slowdown { get; }

    /// <summary>Kernel times of both halves of the network, shaped as decided.</summary>
    public HalfPrices Halves(Cut cut, IReadOnlyList<GroupDecision> groups)
    {
        (Graph device, Graph edge) = Split(cut, groups);
        double deviceMs = cut.Kind == CutKind.Input ? 0 : Slowdown * _deviceTable.PriceMs(Session.Describe(device, _device));
        double edgeMs = cut.Kind == CutKind.Output ? 0 : _edgeTable.PriceMs(Session.Describe(edge, _edge));
        return new HalfPrices(deviceMs, edgeMs, ShapeInference.Infer(device)[cut.Value].Shape ?? cut.Shape);
    }

    /// <summary>The planned kernels of the unpruned device half with the time of each in milliseconds, slowed down.</summary>
    public IReadOnlyList<(StepSpec Step, double Ms)> DeviceSteps(Cut cut) =>
        [.. Session.Describe(Split(cut, []).Device, _device).Select(step => (step, Slowdown * _deviceTable.PriceMs([step])))];

    /// <summary>The whole latency.</summary>
    /// <param name="cut">Where the network is cut.</param>
    /// <param name="halves">Kernel times of the halves.</param>
    /// <param name="codec">How the feature is compressed; null when nothing crosses.</param>
    public LatencyBreakdown Price(Cut cut, HalfPrices halves, CodecDecision? codec)
    {
        if (codec is null) return new LatencyBreakdown(halves.DeviceMs, 0, 0, 0, halves.EdgeMs);
        CodecTiming timing = _codecs.Time(cut, halves.Feature, codec, _features);
        return new LatencyBreakdown(
            halves.DeviceMs, Slowdown * timing.EncodeMs, WireMs(PayloadBytes(halves.Feature, codec)), timing.DecodeMs, halves.EdgeMs);
    }

    /// <summary>Time on the wire of a request with this payload and its reply.</summary>
    public double WireMs(double payloadBytes) => Link.TransferMs(payloadBytes, _replyBytes);

    /// <summary>Bytes of a request when symbols are packed, header included; an entropy coder can only lower it.</summary>
    public static double PayloadBytes(TensorShape feature, CodecDecision codec)
    {
        long symbols = (long)feature.Count / feature[1] * codec.Channels;
        return FeatureFrame.RequestHeaderBytes + (((symbols * codec.Bits) + 7) / 8);
    }

    private (Graph Device, Graph Edge) Split(Cut cut, IReadOnlyList<GroupDecision> groups) =>
        GraphSplitter.Split(_pruner.Shape([.. groups.Where(group => group.Sparsity > 0)]), cut);
}
