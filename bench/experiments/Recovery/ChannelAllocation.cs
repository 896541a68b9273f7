using System.Globalization;
using System.Text.Json;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;

namespace CoInference.Bench.Recovery;

/// <summary>
/// Which channels to remove for a speed-up. Each group is pruned alone to each width, re-fitted, judged and priced; branches of
/// residual sums may go altogether. Then, step by step, the few narrowings that promise the most time for their loss are judged
/// together with those taken before, and the best of them is taken.
/// </summary>
internal static class ChannelAllocation
{
    private const int JudgingImages = 2000;
    private const int ShortList = 4;
    private const double MostSparsity = 0.875;

    /// <summary>A share of the time that is worth giving up channels for, and more than the noise of a latency table.</summary>
    private const double LeastSaving = 0.01;

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
        foreach (GroupDecision decision in laboratory.Pruner.Groups(WeightForm.Dense).SelectMany(Widths))
        {
            double savedMs = denseMs - Price([decision]);
            if (savedMs < LeastSaving * denseMs) continue;
            open.Add(new Narrowing(decision, savedMs, Loss([decision])));
            Report($"{decision.Group}: {decision.KeptChannels} of {decision.Channels}, {savedMs:F4} ms saved, {100 * open[^1].Loss:F2} points lost");
        }

        var taken = new Dictionary<string, Narrowing>(StringComparer.Ordinal);
        double ms = denseMs, loss = 0;
        while (ms > denseMs / speedup)
        {
            (Narrowing Choice, double Ms, double Loss)[] tried = [.. open.Where(narrowing => Promise(narrowing) > 0).OrderByDescending(Promise).Take(ShortList).Select(narrowing =>
            {
                GroupDecision[] together = Together(narrowing);
                return (narrowing, Price(together), Loss(together));
            })];
            if (tried.Length == 0) throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"Narrowed as far as allowed the network is not {speedup} times as fast."));
            (Narrowing best, double nextMs, double nextLoss) = tried.MaxBy(one => (ms - one.Ms) / Math.Max(SmallestLoss, one.Loss - loss));
            taken[best.Decision.Group] = best;
            (ms, loss) = (nextMs, nextLoss);
            Report($"{best.Decision.Group} to {best.Decision.KeptChannels}: {denseMs / ms:F2} times as fast, {100 * loss:F2} points lost");
        }

        List<GroupDecision> decisions = [.. taken.Values.Select(narrowing => narrowing.Decision)];
        File.WriteAllText(file, JsonSerializer.Serialize(decisions, RecoveryJson.Default.ListGroupDecision));
        return decisions;

        double Price(IReadOnlyList<GroupDecision> some) => table.PriceMs(Session.Describe(laboratory.Pruner.Shape(some)));

        double Loss(IReadOnlyList<GroupDecision> some)
        {
            cancellation.ThrowIfCancellationRequested();
            return denseTop1 - laboratory.Validate(laboratory.Pruner.Apply(some, cancellation), JudgingImages);
        }

        GroupDecision[] Together(Narrowing added) =>
            [.. taken.Values.Select(narrowing => narrowing.Decision).Where(decision => decision.Group != added.Decision.Group), added.Decision];

        // Milliseconds per point, both beyond what the group has given already.
        double Promise(Narrowing narrowing)
        {
            (double saved, double lost) = taken.TryGetValue(narrowing.Decision.Group, out Narrowing? before) ? (before.SavedMs, before.Loss) : (0, 0);
            return (narrowing.SavedMs - saved) / Math.Max(SmallestLoss, narrowing.Loss - lost);
        }
    }

    private static IEnumerable<GroupDecision> Widths(PrunableGroup group)
    {
        int step = Math.Max(PrunerOptions.DefaultChannelMultiple, group.Channels / 4);
        for (int kept = group.Channels - step; kept >= (1 - MostSparsity) * group.Channels; kept -= kept > step ? step : step / 2)
        {
            yield return group.Decide(1 - ((double)kept / group.Channels));
            if (kept <= PrunerOptions.DefaultChannelMultiple) break;
        }

        if (group.Sum is not null) yield return group.Decide(1);
    }

    private static void Report(FormattableString line) => Console.Error.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private sealed record Narrowing(GroupDecision Decision, double SavedMs, double Loss);
}
