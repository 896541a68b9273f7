using System.Globalization;
using System.Text.Json;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;

namespace CoInference.Bench.Recovery;

/// <summary>
/// Which channels to remove for a speed-up: each group is pruned alone to each width, re-fitted, judged and priced; then,
/// step by step, that narrowing is taken which saves the most time for the accuracy that it alone costs.
/// </summary>
internal static class ChannelAllocation
{
    private const int JudgingImages = 1000;
    private const double MostSparsity = 0.875;

    /// <summary>A loss smaller than what so few images can tell.</summary>
    private const double SmallestLoss = 0.5 / JudgingImages;

    /// <summary>The decisions; taken from the folder when they were made before.</summary>
    public static IReadOnlyList<GroupDecision> Decide(Laboratory laboratory, double speedup, CancellationToken cancellation)
    {
        string file = Path.Combine(laboratory.Folder, string.Create(CultureInfo.InvariantCulture, $"channels-{speedup}.json"));
        if (File.Exists(file)) return JsonSerializer.Deserialize(File.ReadAllText(file), RecoveryJson.Default.ListGroupDecision)!;
        LatencyTable table = LatencyTable.ForThisHost();
        double denseMs = Price([]), denseTop1 = laboratory.Validate(laboratory.Graph, JudgingImages);
        var open = new List<Narrowing>();
        foreach (PrunableGroup group in laboratory.Pruner.Groups(WeightForm.Dense))
        {
            int step = Math.Max(PrunerOptions.DefaultChannelMultiple, group.Channels / 4);
            for (int kept = group.Channels - step; kept >= (1 - MostSparsity) * group.Channels; kept -= kept > step ? step : step / 2)
            {
                cancellation.ThrowIfCancellationRequested();
                GroupDecision decision = group.Decide(1 - ((double)kept / group.Channels));
                double loss = denseTop1 - laboratory.Validate(laboratory.Pruner.Apply([decision], cancellation), JudgingImages);
                open.Add(new Narrowing(decision, denseMs - Price([decision]), Math.Max(SmallestLoss, loss)));
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{group.Name}: {kept} of {group.Channels}, {open[^1].SavedMs:F4} ms saved, {100 * loss:F2} points lost"));
                if (kept <= PrunerOptions.DefaultChannelMultiple) break;
            }
        }

        var taken = new Dictionary<string, Narrowing>(StringComparer.Ordinal);
        while (Price([.. taken.Values.Select(narrowing => narrowing.Decision)]) > denseMs / speedup)
        {
            Narrowing best = open.Where(narrowing => Gain(narrowing) > 0).MaxBy(Gain)
                ?? throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"Narrowed as far as allowed the network is not {speedup} times as fast."));
            taken[best.Decision.Group] = best;
        }

        List<GroupDecision> decisions = [.. taken.Values.Select(narrowing => narrowing.Decision)];
        File.WriteAllText(file, JsonSerializer.Serialize(decisions, RecoveryJson.Default.ListGroupDecision));
        return decisions;

        double Price(IReadOnlyList<GroupDecision> some) => table.PriceMs(Session.Describe(laboratory.Pruner.Shape(some)));

        // Milliseconds per point, both beyond what the group has given already.
        double Gain(Narrowing narrowing)
        {
            (double saved, double lost) = taken.TryGetValue(narrowing.Decision.Group, out Narrowing? before) ? (before.SavedMs, before.Loss) : (0, 0);
            return (narrowing.SavedMs - saved) / Math.Max(SmallestLoss, narrowing.Loss - lost);
        }
    }

    private sealed record Narrowing(GroupDecision Decision, double SavedMs, double Loss);
}
