using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Kernels.Devices;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Search;

/// <summary>Everything a search works with, made once from its request: the network, the images, pricer, judge and measurer.</summary>
internal sealed class SearchWorkbench : IDisposable
{
    private readonly SearchRequest _request;
    private readonly WorkerSet _workers;
    private readonly Pruner _pruner;
    private readonly PlanCompiler _compiler;
    private readonly PlanJudge _judge;
    private readonly PlanMeasurer _measurer;
    private readonly Dictionary<string, double> _unprunedAccuracy = new(StringComparer.Ordinal);
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
        _pruner = Pruner.Create(Graph, request.Preprocessing.Apply(Calibration, request.Pruner.Refit.Images), request.Pruner with { Workers = _workers }, cancellation);
        _compiler = new PlanCompiler(Graph, _pruner, Calibration, Template(request, Graph), request.Precise);
        _judge = new PlanJudge(_compiler, request.WorkThreads, request.Precise);
        var device = new SessionOptions { Threads = request.DeviceThreads, Precise = request.Precise };
        var edge = new SessionOptions { Threads = request.EdgeThreads, Precise = request.Precise };
        _measurer = new PlanMeasurer(JudgeImages, request.Link, request.Slowdown, device, request.MeasureSeconds);
        DeviceTable = request.DeviceTable ?? OpenTable(device, cancellation);
        Pricer = new PlanPricer(
            _pruner, (DeviceTable, device), (request.EdgeTable ?? DeviceTable, edge), request.Link, request.Slowdown,
            new CodecTimer(journal.CodecTimings), _compiler.Features, Classes);
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

    /// <summary>The problem at each cut where something can be decided; how the image itself is sent never is.</summary>
    public IReadOnlyList<CutProblem> Problems()
    {
        IReadOnlyList<PrunableGroup> groups = _pruner.Groups(_request.Form);
        var problems = new List<CutProblem>();
        foreach (Cut cut in Cuts.Where(cut => cut.Kind != CutKind.Input))
        {
            IReadOnlyList<PrunableGroup> local = PrunableGroups.OnDevice(groups, Graph, cut);
            if (cut.Kind == CutKind.Output && local.Count == 0) continue;
            problems.Add(new CutProblem(
                Graph, cut, local, Pricer, (decided, codec, stop) => _judge.Accuracy(_compiler.ToPlan(cut, decided, codec), JudgeImages, stop), _request.Range));
        }

        return problems;
    }

    public Plan ToPlan(NamedPlan named) => _compiler.ToPlan(named.Cut, named.Groups, named.Codec, named.InputCoding, named.JpegQuality);

    public Bundle Compile(Plan plan, CancellationToken cancellation) => _compiler.Compile(plan, cancellation);

    /// <summary>Judges a plan on the validation images and measures it.</summary>
    public BaselineResult Assess(NamedPlan named, CancellationToken cancellation)
    {
        Bundle bundle = Compile(ToPlan(named), cancellation);
        (LatencyBreakdown measured, double payload) = _measurer.Measure(bundle, cancellation);
        return new BaselineResult
        {
            Name = named.Name,
            Cut = named.Cut.Value,
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
    public Bundle FineTune(NamedPlan named, TrainerOptions options, IProgress<TrainerProgress> progress, CancellationToken cancellation)
    {
        Plan plan = ToPlan(named);
        Graph pruned = _compiler.Prune(plan, cancellation);
        string hash = ModelHash.Of(OnnxModel.Serialize(pruned))[..8];
        options = options with
        {
            Preprocessing = _request.Preprocessing,
            Teacher = Graph,
            KeepsZeros = true,
            Threads = _request.WorkThreads,
            Checkpoint = Path.Combine(_request.OutputFolder, $"finetune-{hash}.checkpoint"),
            Resumes = true,
        };

        // The search works on folded normalizations; training needs some.
        Graph network = Renormalization.Insert(pruned, Calibration, _request.Preprocessing, _request.WorkThreads, cancellation: cancellation);
        using var trainer = new Trainer(network, _request.Data.Load(Split.Train), null, options);
        Graph trained = GraphSimplifier.Simplify(trainer.Run(progress, cancellation).Graph);
        return BundleCompiler.CompilePruned(trained, plan, Calibration, _request.Preprocessing, _request.Precise);
    }

    /// <summary>Judges a compiled plan on the validation images and measures it.</summary>
    public BaselineResult Assess(NamedPlan named, Bundle bundle, CancellationToken cancellation)
    {
        (LatencyBreakdown measured, double payload) = _measurer.Measure(bundle, cancellation);
        return new BaselineResult
        {
            Name = named.Name,
            Cut = named.Cut.Value,
            Accuracy = _judge.Accuracy(bundle, Validation, cancellation),
            PayloadBytes = payload,
            Predicted = named.Predicted is { } predicted ? Refined(predicted, bundle, cancellation) : measured,
            Measured = measured,
            Note = named.Note,
        };
    }

    /// <summary>Accuracy of a compiled plan on the test split; null when the request wants none.</summary>
    public double? TestAccuracy(Bundle bundle, CancellationToken cancellation) => TestImages() is { } test ? _judge.Accuracy(bundle, test, cancellation) : null;

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
        double accuracy = _judge.Accuracy(ToPlan(named), images, cancellation);
        if (exact) _unprunedAccuracy[set] = accuracy;
        return accuracy;
    }

    /// <summary>The table of an earlier run of this search, or a new one that has seen how this network relates to the sum of its steps.</summary>
    private LatencyTable OpenTable(SessionOptions options, CancellationToken cancellation)
    {
        string path = Path.Combine(_request.OutputFolder, SearchRunner.LatencyTableFile);
        if (File.Exists(path)) return LatencyTable.Load(path);
        LatencyTable table = LatencyTable.ForThisHost();
        table.Calibrate(_request.ModelName, Graph, options, cancellation);
        return table;
    }

    private static Plan Template(SearchRequest request, Graph graph) => new()
    {
        ModelHash = request.ModelHash,
        Cut = graph.Outputs[0].Name,
        Groups = [],
        Codec = null,
        Predicted = new LatencyBreakdown(0, 0, 0, 0, 0),
        PayloadBytes = 0,
        ValidationAccuracy = 0,
        Link = request.Link,
        Slowdown = request.Slowdown,
        Preprocessing = request.Preprocessing,
        Seed = request.Seed,
    };
}
