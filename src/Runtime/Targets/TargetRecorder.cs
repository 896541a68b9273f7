using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Targets;

/// <summary>What is measured for a <see cref="TargetTable"/>.</summary>
public sealed record TargetRecorderOptions
{
    /// <summary>How pixels become network input.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>The network in 8-bit integers, for further targets; null for none.</summary>
    public Graph? Integer { get; init; }

    /// <summary>Widths of the features that cross at a cut, in bits.</summary>
    public IReadOnlyList<int> Bits { get; init; } = [8, 4];

    /// <summary>Thread counts of the device; cuts use the first.</summary>
    public IReadOnlyList<int> Threads { get; init; } = Environment.ProcessorCount > 1 ? [1, Environment.ProcessorCount] : [1];

    /// <summary>Loads at which the slowdown by co-runners is measured; rising from 0.</summary>
    public IReadOnlyList<double> Loads { get; init; } = [0, 0.25, 0.5, 0.75, 1];

    /// <summary>Longest time for one measurement, in milliseconds.</summary>
    public double MaxMilliseconds { get; init; } = 250;
}

/// <summary>Measures every way to answer with one network on this host, for decisions in simulated time.</summary>
public sealed class TargetRecorder
{
    private const int TimedImages = 16, MostSamples = 1_000_000, ScatterSamples = 400;
    private const double DisturbedMilliseconds = 1000;

    private readonly Graph _graph;
    private readonly ImageSet _images, _calibration;
    private readonly TargetRecorderOptions _options;
    private readonly EvaluationOptions _evaluation;
    private readonly TimingOptions _timing;

    private TargetRecorder(Graph graph, ImageSet images, ImageSet calibration, TargetRecorderOptions options)
    {
        (_graph, _images, _calibration, _options) = (graph, images, calibration, options);
        _evaluation = new EvaluationOptions { Preprocessing = options.Preprocessing, BatchSize = 1 };
        _timing = new TimingOptions { Samples = 25, WarmUpMilliseconds = 20, MaxMilliseconds = options.MaxMilliseconds };
    }

    /// <summary>Measures a network: times, payloads, accuracies, and the slowdown by co-runners. The host should do nothing else meanwhile.</summary>
    /// <param name="model">The network: one image in, one score per class out.</param>
    /// <param name="name">Its name in the table.</param>
    /// <param name="images">Test images, scaled to the network's input where they have another size. Where their classes are not the network's, agreement with the network in f32 counts as accuracy.</param>
    /// <param name="calibration">Training images for the codecs.</param>
    /// <param name="options">What to measure.</param>
    /// <param name="progress">Receives the share done and what is measured; may be null.</param>
    /// <param name="cancellation">Stops between two measurements.</param>
    /// <exception cref="NotSupportedException">The network cannot be run or cut.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static TargetTable Record(
        Graph model, string name, ImageSet images, ImageSet calibration, TargetRecorderOptions options, IProgress<(double Share, string Text)>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        Graph graph = GraphSimplifier.Simplify(model);
        IReadOnlyList<Cut> cuts = CutFinder.Find(graph);
        TensorShape input = cuts[0].Shape;
        int classes = cuts[^1].Shape.Count;
        images = Fit(images, input);
        var recorder = new TargetRecorder(graph, images, Fit(calibration, input), options);
        bool labelled = images.Classes == classes;
        if (!labelled) recorder = new TargetRecorder(graph, recorder.Relabelled(classes, cancellation), recorder._calibration, options);
        return recorder.Record(name, cuts, labelled, progress, cancellation);
    }

    private TargetTable Record(string name, IReadOnlyList<Cut> cuts, bool labelled, IProgress<(double Share, string Text)>? progress, CancellationToken cancellation)
    {
        Cut[] interior = [.. cuts.Where(cut => cut.Kind == CutKind.Interior)];
        int total = 3 + (interior.Length * _options.Bits.Count), done = 0;
        double accuracy = Evaluator.Evaluate(_graph, _images, _evaluation, cancellation).Top1;
        var targets = new List<TargetTimes>();
        foreach (int threads in _options.Threads) targets.Add(DeviceOnly(_graph, threads, "f32", accuracy, cancellation));
        if (_options.Integer is { } integer)
        {
            double integerAccuracy = Evaluator.Evaluate(integer, _images, _evaluation, cancellation).Top1;
            foreach (int threads in _options.Threads) targets.Add(DeviceOnly(integer, threads, "i8", integerAccuracy, cancellation));
        }

        Report("device only");
        targets.AddRange(EdgeOnly(targets[0].DeviceMs, accuracy, cancellation));
        Report("edge only");
        foreach (Cut cut in interior)
        {
            (Graph device, Graph edge) = GraphSplitter.Split(_graph, cut);
            double deviceMs = Milliseconds(device, _options.Threads[0], cancellation), edgeMs = Milliseconds(edge, 1, cancellation);
            var samples = new FeatureSamples(BundleCompiler.Features(device, cut.Shape, _calibration, _options.Preprocessing), cut.Shape);
            foreach (int bits in _options.Bits)
            {
                targets.Add(Split(cut, (device, edge), samples, bits, (deviceMs, edgeMs), cancellation));
                Report(targets[^1].Target.Name);
            }
        }

        (IReadOnlyList<Interference> interference, IReadOnlyList<double> scatter) = Disturbed(cancellation);
        Report("co-runners");
        return new TargetTable
        {
            Network = name,
            Host = HostInfo.Capture(),
            Size = Size(),
            AccuracyOf = labelled ? "labels" : "agreement with the network in f32",
            Images = _images.Count,
            ReplyBytes = FeatureFrame.ReplyBytes(cuts[^1].Shape.Count, default),
            Targets = targets,
            Interferences = interference,
            Scatter = scatter,
        };

        void Report(string text) => progress?.Report(((double)++done / total, text));
    }

    private TargetTimes DeviceOnly(Graph graph, int threads, string precision, double accuracy, CancellationToken cancellation) => new(
        new ExecutionTarget($"cpu.{threads}.{precision}", TargetPlacement.Device, "cpu", threads, precision, "", "", 0, accuracy),
        Milliseconds(graph, threads, cancellation), 0, 0, 0, new EdgeWork(0, 0, 0, 0, 0, 0));

    private IEnumerable<TargetTimes> EdgeOnly(double edgeMs, double accuracy, CancellationToken cancellation)
    {
        EdgeWork work = Work(_graph);
        var input = new float[_images.ImageBytes];
        int next = 0;
        double prepare = Timing.Measure(() => _options.Preprocessing.Apply(_images.Image(next++ % _images.Count), _images.Channels, input), _timing, cancellation).MedianMs;
        yield return new TargetTimes(Target("raw", _images.ImageBytes), 0, 0, prepare, edgeMs, work);
        if (_images.Channels is not (1 or 3)) yield break;
        PixelImage[] pictures = [.. Enumerable.Range(0, Math.Min(TimedImages, _images.Count)).Select(image => PixelImage.FromPlanes(_images.Image(image), _images.Channels, _images.Height, _images.Width))];
        byte[][] files = [.. pictures.Select(picture => PngEncoder.Encode(picture))];
        double encode = Timing.Measure(() => PngEncoder.Encode(pictures[next++ % pictures.Length]), _timing, cancellation).MedianMs;
        double decode = Timing.Measure(() => PngDecoder.Decode(files[next++ % files.Length]), _timing, cancellation).MedianMs;
        yield return new TargetTimes(Target("png", files.Average(file => file.Length)), 0, encode, decode + prepare, edgeMs, work);

        ExecutionTarget Target(string coding, double bytes) =>
            new($"edge.{coding}", TargetPlacement.Edge, "", 0, "f32", "", coding, bytes + FeatureFrame.RequestHeaderBytes, accuracy);
    }

    private TargetTimes Split(Cut cut, (Graph Device, Graph Edge) halves, FeatureSamples samples, int bits, (double DeviceMs, double EdgeMs) times, CancellationToken cancellation)
    {
        int channels = cut.Shape[1];
        FeatureCodec codec = FeatureCodec.Calibrate(samples, new CodecDecision(channels, channels, bits, EntropyCoded: true));
        Evaluation judged = Evaluator.Evaluate(halves.Device, codec, halves.Edge, _images, _evaluation, cancellation);
        int images = Math.Min(TimedImages, samples.Images), next = 0;
        float[][] features = [.. Enumerable.Range(0, images).Select(image => samples.Image(image).ToArray())];
        var payload = new byte[codec.MaxPayloadBytes];
        var coded = new (byte[] Bytes, EntropyMode Mode)[images];
        for (int image = 0; image < images; image++) coded[image] = (payload[..codec.Encode(features[image], payload, out EntropyMode mode)], mode);
        var decoded = new float[cut.Shape.Count];
        double encode = Timing.Measure(() => codec.Encode(features[next++ % images], payload, out _), _timing, cancellation).MedianMs;
        double decode = Timing.Measure(() => codec.Decode(coded[next % images].Bytes, coded[next++ % images].Mode, decoded), _timing, cancellation).MedianMs;
        var target = new ExecutionTarget(
            $"cut.{cut.Value.Replace(' ', '_')}.{bits}bit", TargetPlacement.Split, "cpu", _options.Threads[0], "f32", cut.Value, $"{bits}bit coded",
            judged.MeanPayloadBytes + FeatureFrame.RequestHeaderBytes, judged.Top1);
        return new TargetTimes(target, times.DeviceMs, encode, decode, times.EdgeMs, Work(halves.Edge));
    }

    private double Milliseconds(Graph graph, int threads, CancellationToken cancellation)
    {
        using Session session = Session.Create(graph, new SessionOptions { Threads = threads });
        return Timing.Measure(new SessionRun(session).Run, _timing, cancellation).MedianMs;
    }

    /// <summary>Mean times under co-runners over undisturbed means, and the scatter of undisturbed runs.</summary>
    private (IReadOnlyList<Interference> Interference, IReadOnlyList<double> Scatter) Disturbed(CancellationToken cancellation)
    {
        // Single runs: a co-runner that works for a share of each period hits some runs and spares others, and the mean is what counts.
        TimingOptions single = _timing with { MinSampleMicroseconds = 0, Samples = MostSamples, MaxMilliseconds = DisturbedMilliseconds };
        var curves = new List<Interference>();
        double[] scatter = [];
        foreach ((Graph graph, string precision) in (ReadOnlySpan<(Graph, string)>)(_options.Integer is { } integer ? [(_graph, "f32"), (integer, "i8")] : [(_graph, "f32")]))
        {
            foreach (int threads in _options.Threads)
            {
                using Session session = Session.Create(graph, new SessionOptions { Threads = threads });
                var run = new SessionRun(session);
                Timing calm = Timing.Measure(run.Run, single, cancellation);
                if (scatter.Length == 0) scatter = [.. calm.SamplesUs.Where((_, i) => i % Math.Max(1, calm.Count / ScatterSamples) == 0).Select(sample => Math.Round(sample / calm.MedianUs, 4))];
                double undisturbed = calm.SamplesUs.Average();
                foreach ((string kind, Func<double, CoRunners> start) in (ReadOnlySpan<(string, Func<double, CoRunners>)>)[(Interference.Processor, CoRunners.Computing), (Interference.Memory, CoRunners.Streaming)])
                {
                    var slowdown = new List<double>();
                    foreach (double load in _options.Loads)
                    {
                        using CoRunners others = start(load);
                        slowdown.Add(load == 0 ? 1 : Math.Round(Math.Max(1, Timing.Measure(run.Run, single, cancellation).SamplesUs.Average() / undisturbed), 4));
                    }

                    curves.Add(new Interference(threads, precision, kind, _options.Loads, slowdown));
                }
            }
        }

        return (curves, scatter);
    }

    private NetworkSize Size()
    {
        IReadOnlyList<StepSpec> steps = Session.Describe(_graph);
        EdgeWork work = Work(_graph);
        int recurrent = _graph.Nodes.Count(node => node.OpType is "LSTM" or "GRU" or "RNN");
        return new NetworkSize(work.Convolutions, work.DenseLayers, recurrent, steps.Sum(step => (double)step.MultiplyAdds));
    }

    /// <summary>Counts what a network, or a part of one, computes.</summary>
    internal static EdgeWork Work(Graph graph)
    {
        var (conv, dense) = ((Sum: 0.0, Count: 0), (Sum: 0.0, Count: 0));
        foreach (StepSpec step in Session.Describe(graph).Where(step => step.Conv is not null))
        {
            if (step.Op.Contains("Conv", StringComparison.Ordinal)) conv = (conv.Sum + step.MultiplyAdds, conv.Count + 1);
            else dense = (dense.Sum + step.MultiplyAdds, dense.Count + 1);
        }

        IReadOnlyDictionary<string, ValueSpec> shapes = ShapeInference.Infer(graph);
        Node[] activations = [.. graph.Nodes.Where(node => node.OpType is "Relu" or "Clip" or "LeakyRelu" or "PRelu" or "Sigmoid" or "HardSigmoid" or "HardSwish" or "Tanh" or "Elu")];
        return new EdgeWork(conv.Sum, conv.Count, dense.Sum, dense.Count, activations.Sum(node => (double)(shapes.GetValueOrDefault(node.Outputs[0])?.Shape?.Count ?? 0)), activations.Length);
    }

    /// <summary>The same images with the network's own answers as labels.</summary>
    private ImageSet Relabelled(int classes, CancellationToken cancellation)
    {
        IReadOnlyList<int> answers = Evaluator.Evaluate(_graph, new ImageSet(_images.Channels, _images.Height, _images.Width, classes, _images.Pixels, new int[_images.Count]), _evaluation, cancellation).Predictions;
        return new ImageSet(_images.Channels, _images.Height, _images.Width, classes, _images.Pixels, [.. answers]);
    }

    private static ImageSet Fit(ImageSet images, TensorShape input)
    {
        (int channels, int height, int width) = (input[1], input[2], input[3]);
        if (images.Channels != channels) throw new NotSupportedException($"The network reads {channels} channels, the images have {images.Channels}.");
        if (images.Height == height && images.Width == width) return images;
        var pixels = new byte[images.Count * channels * height * width];
        for (int image = 0; image < images.Count; image++)
        {
            ImageResizer.Fit(PixelImage.FromPlanes(images.Image(image), channels, images.Height, images.Width), height, width, crop: 1)
                .CopyPlanes(channels, pixels.AsSpan(image * channels * height * width, channels * height * width));
        }

        return new ImageSet(channels, height, width, images.Classes, pixels, images.Labels);
    }
}
