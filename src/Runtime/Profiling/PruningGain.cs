using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Profiling;

/// <summary>What one sparsity in every prunable group of a network gains in measured time. Says nothing about accuracy.</summary>
/// <param name="Form">How sparsity is realised: <c>channel</c>, <c>block</c> or <c>unstructured</c>.</param>
/// <param name="Sparsity">Wanted share to remove from each group.</param>
/// <param name="Groups">Groups that were pruned.</param>
/// <param name="MultiplyAddShare">Multiply-adds that the chosen kernels do, over those of the dense network. A zero counts where a dense kernel runs the layer because it is faster.</param>
/// <param name="DenseMs">Median time of a run of the dense network in milliseconds.</param>
/// <param name="SparseMs">Median time of a run of the pruned network in milliseconds.</param>
/// <param name="Speedup">Dense over pruned, from samples taken in turn.</param>
/// <param name="SpeedupLow">Lower end of its 95 % interval.</param>
/// <param name="SpeedupHigh">Upper end of its 95 % interval.</param>
public sealed record PruningGain(
    string Form, double Sparsity, int Groups, double MultiplyAddShare, double DenseMs, double SparseMs, double Speedup, double SpeedupLow, double SpeedupHigh)
{
    /// <summary>The two networks evict each other's weights when they take turns; a sample must outlast that.</summary>
    private const double SampleMicroseconds = 5000;

    /// <summary>Prunes every group of a network to one sparsity and times it against the dense network, turn by turn.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="form">What is removed; <see cref="WeightForm.Dense"/> removes whole channels.</param>
    /// <param name="sparsity">Share to remove from each group, 0 to 1; channel counts are rounded up as plans round them.</param>
    /// <param name="options">How both are compiled and timed; null for the defaults. The slowdown stretches both times.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="ArgumentOutOfRangeException">The sparsity is outside [0, 1].</exception>
    /// <exception cref="NotSupportedException">The network uses an operator that this build does not have, or has no group to prune.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PruningGain Measure(Graph graph, WeightForm form, double sparsity, ProfileOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        options ??= new ProfileOptions();
        Graph canonical = GraphSimplifier.Simplify(graph);
        var pruner = Pruner.Create(canonical, cancellation: cancellation);
        List<GroupDecision> decisions = [.. pruner.Groups(form).Select(group => group.Decide(sparsity))];
        if (decisions.Count == 0) throw new NotSupportedException($"Graph '{graph.Name}' has no {Name(form)} group to prune.");
        return Measure(canonical, pruner, decisions, sparsity, options, cancellation);
    }

    /// <summary>Prunes a network as decided and times it against the dense network, turn by turn.</summary>
    /// <param name="graph">A simplified network.</param>
    /// <param name="pruner">A pruner of that network.</param>
    /// <param name="decisions">At least one decision; the first one's form gives the result its name, their mean its sparsity.</param>
    /// <param name="options">How both are compiled and timed; null for the defaults. The slowdown stretches both times.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="ArgumentException">There is no decision, or one does not fit the network.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PruningGain Measure(
        Graph graph, Pruner pruner, IReadOnlyList<GroupDecision> decisions, ProfileOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(pruner);
        ArgumentNullException.ThrowIfNull(decisions);
        if (decisions.Count == 0) throw new ArgumentException("Nothing was decided.", nameof(decisions));
        return Measure(graph, pruner, decisions, decisions.Average(decision => decision.Sparsity), options ?? new ProfileOptions(), cancellation);
    }

    private static PruningGain Measure(
        Graph canonical, Pruner pruner, IReadOnlyList<GroupDecision> decisions, double sparsity, ProfileOptions options, CancellationToken cancellation)
    {
        using Session dense = Session.Create(canonical, options.Session), sparse = Session.Create(pruner.Shape(decisions), options.Session);
        TimingOptions timing = options.Timing with { MinSampleMicroseconds = Math.Max(SampleMicroseconds, options.Timing.MinSampleMicroseconds) };
        TimingComparison comparison = TimingComparison.Measure(new SessionRun(sparse).Run, new SessionRun(dense).Run, timing, cancellation);
        double scale = options.Slowdown.Factor / 1000;
        return new PruningGain(Name(decisions[0].Form), sparsity, decisions.Count, Work(sparse) / Work(dense),
            comparison.B.MedianUs * scale, comparison.A.MedianUs * scale, comparison.Ratio, comparison.RatioLow, comparison.RatioHigh);
    }

    private static double Work(Session session) => session.Steps.Sum(step => (double)step.MultiplyAdds);

    private static string Name(WeightForm form) => form == WeightForm.Dense ? "channel" : form.ToString().ToLowerInvariant();
}
