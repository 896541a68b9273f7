using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Agent.Environments;

/// <summary>
/// Turns decisions into bundles, as <see cref="BundleCompiler"/> does for a finished plan, but prepares the pruner once and
/// keeps the pruned network of the last decision: the next one often differs in its codec alone.
/// </summary>
/// <remarks>Not for use by several threads at once.</remarks>
public sealed class PlanCompiler
{
    private const int TimingImages = 8;

    private readonly Graph _canonical;
    private readonly Pruner _pruner;
    private readonly ImageSet _calibration;
    private readonly Plan _template;
    private readonly bool _precise;
    private (IReadOnlyList<GroupDecision> Groups, Graph Pruned)? _last;

    /// <summary>Creates a compiler.</summary>
    /// <param name="canonical">A simplified graph.</param>
    /// <param name="pruner">A pruner of that graph.</param>
    /// <param name="calibration">Images of the training split on which codecs are calibrated.</param>
    /// <param name="template">A plan with everything that all plans of a search share, the preprocessing included.</param>
    /// <param name="precise">As <see cref="SessionOptions.Precise"/>, for the features that codecs are calibrated on.</param>
    public PlanCompiler(Graph canonical, Pruner pruner, ImageSet calibration, Plan template, bool precise = false)
    {
        (_canonical, _pruner, _calibration, _template, _precise) = (canonical, pruner, calibration, template, precise);
        Preprocessing = template.Preprocessing ?? throw new ArgumentException("The template must say how pixels become network input.", nameof(template));
    }

    /// <summary>How pixels become network input.</summary>
    public Preprocessing Preprocessing { get; }

    /// <summary>A plan of these decisions, with nothing known about how it fares.</summary>
    /// <param name="cut">Where the network is cut.</param>
    /// <param name="groups">Sparsity decisions; groups without one stay dense.</param>
    /// <param name="codec">How the feature is compressed; null when nothing crosses, or the image itself.</param>
    /// <param name="coding">How the image crosses where it does.</param>
    /// <param name="jpegQuality">Quality of JPEG images.</param>
    public Plan ToPlan(Cut cut, IReadOnlyList<GroupDecision> groups, CodecDecision? codec, InputCoding coding = InputCoding.Pixels, int jpegQuality = 75) =>
        _template with { Cut = cut.Value, Groups = groups, Codec = codec, InputCoding = coding, JpegQuality = jpegQuality };

    /// <summary>Compiles a plan.</summary>
    /// <exception cref="InvalidDataException">The plan does not fit the network.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Bundle Compile(Plan plan, CancellationToken cancellation) =>
        BundleCompiler.CompilePruned(Pruned(plan.Groups, cancellation), plan, _calibration, Preprocessing, _precise);

    /// <summary>The network as a plan's groups leave it, re-fitted.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Graph Prune(Plan plan, CancellationToken cancellation) => Pruned(plan.Groups, cancellation);

    /// <summary>A few features of the unpruned network at a cut, row after row, for timing codecs on.</summary>
    public float[] Features(Cut cut)
    {
        int images = Math.Min(TimingImages, _calibration.Count);
        var features = new float[images * cut.Shape.Count];
        var input = new float[_calibration.ImageBytes];
        using Session session = Session.Create(GraphSplitter.Split(_canonical, cut).Device, new SessionOptions { Precise = _precise });
        for (int i = 0; i < images; i++)
        {
            Preprocessing.Apply(_calibration.Image(i), _calibration.Channels, input);
            session.Run(input, features.AsSpan(i * cut.Shape.Count, cut.Shape.Count));
        }

        return features;
    }

    private Graph Pruned(IReadOnlyList<GroupDecision> groups, CancellationToken cancellation)
    {
        List<GroupDecision> active = [.. groups.Where(group => group.Sparsity > 0)];
        if (active.Count == 0) return _canonical;
        if (_last is { } last && last.Groups.SequenceEqual(active)) return last.Pruned;
        Graph pruned = _pruner.Apply(active, cancellation);
        _last = (active, pruned);
        return pruned;
    }
}
