using CoInference.Agent.Environments;
using CoInference.Kernels.Devices;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training;

namespace CoInference.Agent.Search;

/// <summary>A network of a search, the given one or one with a bottleneck: what prunes, compiles and judges it.</summary>
internal sealed class SearchNetwork
{
    private readonly SearchRequest _request;
    private readonly ImageSet _calibration;

    /// <summary>Prepares a network.</summary>
    /// <param name="graph">The simplified network.</param>
    /// <param name="hash">SHA-256 of its file, lower-case hex.</param>
    /// <param name="request">The search.</param>
    /// <param name="calibration">Images for re-fit and codec.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="cancellation">Stops.</param>
    public SearchNetwork(Graph graph, string hash, SearchRequest request, ImageSet calibration, WorkerSet workers, CancellationToken cancellation)
    {
        (Graph, _request, _calibration) = (graph, request, calibration);
        Pruner = Pruner.Create(
            graph, request.Preprocessing.Apply(calibration, request.Pruner.Refit.Images), request.Pruner with { Workers = workers }, cancellation);
        Compiler = new PlanCompiler(graph, Pruner, calibration, Template(request, hash, graph), request.Precise);
        Judge = new PlanJudge(Compiler, request.WorkThreads, request.Precise);
    }

    public Graph Graph { get; }

    public Pruner Pruner { get; }

    public PlanCompiler Compiler { get; }

    public PlanJudge Judge { get; }

    /// <summary>The problem at a cut, with the groups that lie before it; null where nothing can be decided.</summary>
    /// <param name="cut">The cut.</param>
    /// <param name="pricer">Prices this network.</param>
    /// <param name="images">Judge the decisions.</param>
    /// <param name="range">What may be decided.</param>
    /// <param name="decides">Which groups may be decided about.</param>
    public CutProblem? ProblemAt(Cut cut, PlanPricer pricer, ImageSet images, DecisionRange range, Func<PrunableGroup, bool> decides)
    {
        IReadOnlyList<PrunableGroup> groups = [.. PrunableGroups.OnDevice(Pruner.Groups(_request.Form), Graph, cut).Where(decides)];
        return cut.Kind == CutKind.Output && groups.Count == 0
            ? null
            : new CutProblem(Graph, cut, groups, pricer, (decided, codec, stop) => Judge.Accuracy(Compiler.ToPlan(cut, decided, codec), images, stop), range);
    }

    /// <summary>Trains the network of a plan on all training images and compiles it.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="options">How.</param>
    /// <param name="teacher">Network whose scores are followed.</param>
    /// <param name="checkpoint">Name of the checkpoint for a pruned network.</param>
    /// <param name="progress">Told after each epoch, among others.</param>
    /// <param name="cancellation">Stops; the checkpoint holds the position.</param>
    public Bundle FineTune(
        Plan plan, TrainerOptions options, Graph teacher, Func<Graph, string> checkpoint, IProgress<TrainerProgress> progress, CancellationToken cancellation)
    {
        Graph pruned = Compiler.Prune(plan, cancellation);
        options = options with
        {
            Preprocessing = _request.Preprocessing,
            Teacher = teacher,
            KeepsZeros = true,
            Threads = _request.WorkThreads,
            Checkpoint = checkpoint(pruned),
            Resumes = true,
        };
        Graph network = PlanTraining.Trainable(pruned, plan, _calibration, _request.Preprocessing, _request.WorkThreads, cancellation: cancellation);
        using var trainer = new Trainer(network, _request.Data.Load(Split.Train), null, options);
        Graph trained = PlanTraining.Deployable(trainer.Run(progress, cancellation).Graph);
        return BundleCompiler.CompilePruned(trained, plan, _calibration, _request.Preprocessing, _request.Precise);
    }

    private static Plan Template(SearchRequest request, string hash, Graph graph) => new()
    {
        ModelHash = hash,
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
