using System.Globalization;
using System.Text.Json.Serialization;
using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;

namespace CoInference.Agent.Search;

/// <summary>What became of a cut before any episode was spent on it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CutStatus>))]
public enum CutStatus
{
    /// <summary>Episodes may be spent on it.</summary>
    [JsonStringEnumMemberName("searched")]
    Searched,

    /// <summary>Its optimistic bound, everything compressed as far as allowed, exceeds the budget.</summary>
    [JsonStringEnumMemberName("infeasible")]
    Infeasible,

    /// <summary>Another cut is at least as fast at both ends of compression and needs no more of it to meet the budget.</summary>
    [JsonStringEnumMemberName("dominated")]
    Dominated,
}

/// <summary>A cut as the screening saw it.</summary>
/// <param name="Cut">Name of the value that crosses.</param>
/// <param name="Status">What became of it.</param>
/// <param name="MinimumMs">Predicted latency with everything compressed as far as allowed.</param>
/// <param name="UncompressedMs">Predicted latency with nothing compressed beyond the codec's eight bits.</param>
/// <param name="NeededCompression">
/// Least <see cref="UniformPlans.Harm"/> of a uniform decision that meets the budget; null when none does.
/// </param>
/// <param name="Reason">One line for the report.</param>
public sealed record ScreenedCut(string Cut, CutStatus Status, double MinimumMs, double UncompressedMs, double? NeededCompression, string Reason);

/// <summary>Looks at all cuts by price alone and says which deserve episodes.</summary>
public static class CutScreening
{
    /// <summary>Screens cuts. The result has the order of <paramref name="cuts"/>.</summary>
    public static IReadOnlyList<ScreenedCut> Screen(IReadOnlyList<CutCandidate> cuts, double budgetMs)
    {
        var screened = new ScreenedCut[cuts.Count];
        for (int i = 0; i < cuts.Count; i++)
        {
            IDecisionProblem problem = cuts[i].Problem;
            double minimum = problem.Price(SearchEnvironment.MaximumLevels(problem)).TotalMs;
            double uncompressed = problem.Price(new int[problem.Steps.Count]).TotalMs;
            bool feasible = minimum <= budgetMs;
            double? needed = feasible && UniformPlans.Grid(problem, budgetMs) is [var first, ..] ? UniformPlans.Harm(problem, first) : null;
            screened[i] = new ScreenedCut(
                cuts[i].Cut, feasible ? CutStatus.Searched : CutStatus.Infeasible, minimum, uncompressed, needed,
                feasible ? "" : string.Create(CultureInfo.InvariantCulture, $"at least {minimum:0.##} ms, budget {budgetMs:0.##} ms"));
        }

        for (int i = 0; i < screened.Length; i++)
        {
            if (screened[i].Status != CutStatus.Searched) continue;
            if (screened.FirstOrDefault(other => Dominates(other, screened[i])) is not { } better) continue;
            screened[i] = screened[i] with { Status = CutStatus.Dominated, Reason = $"'{better.Cut}' is faster and needs no more compression" };
        }

        return screened;
    }

    /// <summary>The searched cuts as indices, those that need least compression first.</summary>
    public static IReadOnlyList<int> Ranked(IReadOnlyList<ScreenedCut> screened) =>
        [.. Enumerable.Range(0, screened.Count)
            .Where(i => screened[i].Status == CutStatus.Searched)
            .OrderBy(i => screened[i].NeededCompression ?? double.PositiveInfinity)
            .ThenBy(i => screened[i].MinimumMs)];

    private static bool Dominates(ScreenedCut better, ScreenedCut cut) =>
        better.Status == CutStatus.Searched
        && better.MinimumMs <= cut.MinimumMs && better.UncompressedMs <= cut.UncompressedMs
        && (better.NeededCompression ?? double.PositiveInfinity) <= (cut.NeededCompression ?? double.PositiveInfinity)
        && (better.MinimumMs < cut.MinimumMs || better.UncompressedMs < cut.UncompressedMs);
}
