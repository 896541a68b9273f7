using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Search;

/// <summary>Everything a search works with, made once from its request: the network, the images, pricer, judge and measurer.</summary>
internal sealed class SearchWorkbench : IDisposable
{
    private readonly SearchRequest _request;
    private readonly WorkerSet _workers;
    private readonly SearchNetwork _network;
    private readonly Dictionary<BottleneckNetwork, SearchNetwork> _bottlenecks = [];
    private readonly PlanMeasurer _measurer;
    private readonly Dictionary<string, double> _unprunedAccuracy = new(StringComparer.Ordinal);
    private readonly SessionOptions _device, _edge;
    private readonly CodecTimer _codecs;
    private ImageSet? _test;

    public SearchWorkbench(SearchRequest request, SearchJournal journal, CancellationToken cancellation)
    {
        _request = request;
        Graph = GraphSimplifier.Simplify(request.Model);
        Cuts = CutFinder.Find(Graph);
        Classes = ShapeInference.Infer(Graph)[Graph.Outputs[0].Name].Shape is { } shape
            ? shape.Count
            : throw new NotSupportedException($"The shape of output '{Graph.Outputs[0].Name}' depends on data; a search needs [N, classes].");
        Validation = request.Data.Load(Split.SearchValidation, request.ValidationImages);
        JudgeImages = Validation.Count <= request.JudgeImages ? Validation : request.Data.Load(Split.SearchValidation, request.JudgeImages);
        Calibration = request.Data.Load(Split.Train, request.CalibrationImages);
        _workers = new WorkerSet(request.WorkThreads);
        _network = new SearchNetwork(Graph, request.ModelHash, request, Calibration, _workers, cancellation);
        SessionOptions device = Sessions(request, request.DeviceThreads, request.Device), edge = Sessions(request, request.EdgeThreads, request.EdgeDevice);
        _measurer = new PlanMeasurer(JudgeImages, request.Link, request.Slowdown, (device, edge), request.MeasureSeconds);
        DeviceTable = request.DeviceTable ?? OpenTable(device, cancellation);
        (_device, _edge, _codecs) = (device, edge, new CodecTimer(journal.CodecTimings));
        Pricer = PricerOf(_network);
        foreach (BottleneckNetwork bottleneck in request.Bottlenecks)
            _bottlenecks.Add(bottleneck, new SearchNetwork(bottleneck.Network, bottleneck.Hash, request, Calibration, _workers, cancellation));
    }

    public Graph Graph { get; }

    public IReadOnlyList<Cut> Cuts { get; }

    public int Classes { get; }

    public ImageSet Calibration { get; }

    public ImageSet Validation { get; }

    public ImageSet JudgeImages { get; }

    public LatencyTable DeviceTable { get; }

    public PlanPricer Pricer { get; }

    public int TestCount => _test?.Count ?? 0;

    /// <summary>
    /// The problem at each cut where something can be decided, and at each cut with learned bottlenecks; how the image itself
    /// is sent never is.
    /// </summary>
    public IReadOnlyList<ICutProblem> Problems()
    {
        IEnumerable<CutProblem?> plain = Cuts.Where(cut => cut.Kind != CutKind.Input)
            .Select(cut => _network.ProblemAt(cut, Pricer, JudgeImages, _request.Range, _ => true));
        IEnumerable<BottleneckProblem> learned = _bottlenecks.GroupBy(entry => entry.Key.Origin.Cut, StringComparer.Ordinal)
            .Select(cut => new BottleneckProblem([.. cut.Select(entry => (entry.Key, ProblemOf(cut.Key, entry.Value)))]));
        return [.. plain.OfType<ICutProblem>(), .. learned];
    }

    /// <summary>The problem at the code of a network with a bottleneck; the encoder is not to be pruned.</summary>
    private CutProblem ProblemOf(string origin, SearchNetwork network)
    {
        Cut cut = CutFinder.FindAll(Graph).FirstOrDefault(candidate => candidate.Value == origin)
            ?? throw new InvalidDataException($"A bottleneck was trained at '{origin}', which is not a cut of the network.");
        Cut code = CutFinder.FindAll(network.Graph).First(candidate => candidate.Value == Bottleneck.Code);
        var before = PrunableGroups.OnDevice(_network.Pruner.Groups(_request.Form), Graph, cut).Select(group => group.Name).ToHashSet(StringComparer.Ordinal);
        DecisionRange range = _request.Range with { MinimumBits = 1, BottleneckLevels = 1 };
        return network.ProblemAt(code, PricerOf(network), JudgeImages, range, group => before.Contains(group.Name))!;
    }

    private PlanPricer PricerOf(SearchNetwork network) => new(
        network.Pruner, (DeviceTable, _device), (_request.EdgeTable ?? DeviceTable, _edge), _request.Link, _request.Slowdown, _codecs, network.Compiler.Features, Classes);

    private SearchNetwork NetworkOf(NamedPlan named) => named.Bottleneck is { } bottleneck ? _bottlenecks[bottleneck] : _network;

    public Plan ToPlan(NamedPlan named) => NetworkOf(named).Compiler.ToPlan(named.Cut, named.Groups, named.Codec, named.InputCoding, named.JpegQuality);

    /// <summary>Compiles a plan.</summary>
    public Bundle Compile(NamedPlan named, CancellationToken cancellation) => Compile(named, ToPlan(named), cancellation);

    /// <summary>Compiles a plan about which more is known by now.</summary>
    public Bundle Compile(NamedPlan named, Plan plan, CancellationToken cancellation) => NetworkOf(named).Compiler.Compile(plan, cancellation);

    /// <summary>Judges a plan on the validation images and measures it.</summary>
    public BaselineResult Assess(NamedPlan named, CancellationToken cancellation)
    {
        Bundle bundle = Compile(named, cancellation);
        (LatencyBreakdown measured, double payload) = _measurer.Measure(bundle, cancellation);
        return new BaselineResult
        {
            Name = named.Name,
            Cut = named.Place,
            Accuracy = ValidationAccuracy(named, cancellation),
            PayloadBytes = payload,
            // How long coding an image takes, and how small it gets, is not in a table: that part is measured, the kernels are priced.
            Predicted = named.Predicted is { } predicted ? Refined(predicted, bundle, cancellation) : measured with { EdgeMs = Pricer.Halves(named.Cut, []).EdgeMs },
            Measured = measured,
            Note = named.Note,
        };
    }

    /// <summary>
    /// A prediction with the wire time of what the entropy coder makes of the calibration images; while searching, only the
    /// bound that it cannot exceed is known.
    /// </summary>
    private LatencyBreakdown Refined(LatencyBreakdown predicted, Bundle bundle, CancellationToken cancellation)
    {
        if (bundle.Plan.Codec is not { EntropyCoded: true } || bundle.Edge is null) return predicted;
        using var runner = new LocalRunner(bundle);
        var logits = new float[bundle.Classes];
        double payload = 0;
        for (int i = 0; i < Calibration.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            payload += runner.Run(Calibration.Image(i), logits).PayloadBytes;
        }

        return predicted with { WireMs = Pricer.WireMs(payload / Calibration.Count) };
    }

    /// <summary>Trains the network of a plan on all training images and compiles it.</summary>
    /// <param name="named">The plan.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told after each epoch, among others.</param>
    /// <param name="cancellation">Stops; the checkpoint in the output folder holds the position.</param>
    public Bundle FineTune(NamedPlan named, TrainerOptions options, IProgress<TrainerProgress> progress, CancellationToken cancellation) =>
        NetworkOf(named).FineTune(
            ToPlan(named), options, Graph,
            pruned => Path.Combine(_request.OutputFolder, $"finetune-{ModelHash.Of(OnnxModel.Serialize(pruned))[..8]}.checkpoint"), progress, cancellation);

    /// <summary>Judges a compiled plan on the validation images and measures it.</summary>
    public BaselineResult Assess(NamedPlan named, Bundle bundle, CancellationToken cancellation)
    {
        (LatencyBreakdown measured, double payload) = _measurer.Measure(bundle, cancellation);
        return new BaselineResult
        {
            Name = named.Name,
            Cut = named.Place,
            Accuracy = _network.Judge.Accuracy(bundle, Validation, cancellation),
            PayloadBytes = payload,
            Predicted = named.Predicted is { } predicted ? Refined(predicted, bundle, cancellation) : measured,
            Measured = measured,
            Note = named.Note,
        };
    }

    /// <summary>Accuracy of a compiled plan on the test split; null when the request wants none.</summary>
    public double? TestAccuracy(Bundle bundle, CancellationToken cancellation) => TestImages() is { } test ? _network.Judge.Accuracy(bundle, test, cancellation) : null;

    /// <summary>Accuracy of a plan on all validation images.</summary>
    public double ValidationAccuracy(NamedPlan named, CancellationToken cancellation) => Accuracy(named, Validation, "validation", cancellation);

    /// <summary>Accuracy of a plan on the test split; null when the request wants none.</summary>
    public double? TestAccuracy(NamedPlan named, CancellationToken cancellation) => TestImages() is { } test ? Accuracy(named, test, "test", cancellation) : null;

    private ImageSet? TestImages() => _request.TestImages == 0 ? null : _test ??= _request.Data.Load(Split.Test, _request.TestImages);

    /// <summary>Stops the threads.</summary>
    public void Dispose() => _workers.Dispose();

    /// <summary>Plans that neither prune nor lose anything on the wire answer like the whole network, which is judged once.</summary>
    private double Accuracy(NamedPlan named, ImageSet images, string set, CancellationToken cancellation)
    {
        bool exact = named.Codec is null or { Bits: > 8 } && named.InputCoding != InputCoding.Jpeg && !named.Groups.Any(group => group.Sparsity > 0);
        if (exact && _unprunedAccuracy.TryGetValue(set, out double known)) return known;
        double accuracy = NetworkOf(named).Judge.Accuracy(ToPlan(named), images, cancellation);
        if (exact) _unprunedAccuracy[set] = accuracy;
        return accuracy;
    }

    // Precision is the device's: a half on the CPU does not round.
    private static SessionOptions Sessions(SearchRequest request, int threads, ComputeDevice? device) => new()
    {
        Threads = threads,
        Precise = request.Precise,
        Precision = device is null ? ProductPrecision.Float32 : request.Precision,
        Device = device,
        Strict = request.Strict,
    };

    /// <summary>The table of an earlier run of this search, or a new one that has seen how this network relates to the sum of its steps.</summary>
    private LatencyTable OpenTable(SessionOptions options, CancellationToken cancellation)
    {
        string path = Path.Combine(_request.OutputFolder, SearchRunner.LatencyTableFile);
        if (File.Exists(path)) return LatencyTable.Load(path);
        LatencyTable table = LatencyTable.ForThisHost();
        table.Calibrate(_request.ModelName, Graph, options, cancellation);
        return table;
    }
}
