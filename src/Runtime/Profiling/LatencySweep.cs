using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Profiling;

/// <summary>Which variants of a network a sweep measures.</summary>
public sealed record LatencySweepOptions
{
    /// <summary>Levels of sparsity, 0 to below 1.</summary>
    public IReadOnlyList<double> Sparsities { get; init; } = [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];

    /// <summary>How the sparsity is realised.</summary>
    public IReadOnlyList<WeightForm> Forms { get; init; } = [WeightForm.Dense];

    /// <summary>How the network is compiled.</summary>
    public SessionOptions Session { get; init; } = new();
}

/// <summary>How far a sweep is.</summary>
/// <param name="Variants">Variants done.</param>
/// <param name="TotalVariants">Variants in all.</param>
/// <param name="Measured">Steps measured so far.</param>
public readonly record struct LatencySweepProgress(int Variants, int TotalVariants, int Measured);

/// <summary>
/// Fills a latency table with the steps of a network at all levels of sparsity, so that a search on another machine
/// finds every price it asks for.
/// </summary>
public static class LatencySweep
{
    /// <summary>
    /// Measures every group at every level against all others at every level: a layer reads the channels that one group
    /// left and writes those of another, so that its shape depends on a pair of levels.
    /// </summary>
    /// <param name="graph">The network.</param>
    /// <param name="table">Receives the times.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="progress">Told after each variant.</param>
    /// <param name="cancellation">Stops between two samples; what was measured is kept.</param>
    /// <returns>Number of steps measured.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A level is not from 0 to below 1.</exception>
    /// <exception cref="InvalidDataException">The table is of another host and lacks steps.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static int Run(
        Graph graph, LatencyTable table, LatencySweepOptions? options = null, IProgress<LatencySweepProgress>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new LatencySweepOptions();
        foreach (double level in options.Sparsities)
        {
            if (!(level is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(options), level, "A level of sparsity is from 0 to below 1.");
        }

        Graph canonical = GraphSimplifier.Simplify(graph);
        int measured = table.Measure(Session.Describe(canonical, options.Session), null, cancellation), done = 0;
        Pruner pruner = Pruner.Create(canonical, null, null, cancellation);
        List<IReadOnlyList<GroupDecision>> variants = [.. options.Forms.SelectMany(form => Variants(pruner.Groups(form), options.Sparsities))];
        foreach (IReadOnlyList<GroupDecision> variant in variants)
        {
            measured += table.Measure(Session.Describe(pruner.Shape(variant), options.Session), null, cancellation);
            progress?.Report(new LatencySweepProgress(++done, variants.Count, measured));
        }

        return measured;
    }

    private static IEnumerable<IReadOnlyList<GroupDecision>> Variants(IReadOnlyList<PrunableGroup> groups, IReadOnlyList<double> levels)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (double others in levels)
        {
            foreach (double level in levels)
            {
                for (int chosen = 0; chosen < groups.Count; chosen++)
                {
                    GroupDecision[] decisions = [.. groups.Select((group, i) => group.Decide(i == chosen ? level : others))];
                    if (seen.Add(string.Join(';', decisions.Select(decision => $"{decision.KeptChannels}:{decision.Sparsity:R}")))) yield return decisions;
                }
            }
        }
    }
}
