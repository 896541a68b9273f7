namespace CoInference.Agent.Search;

/// <summary>
/// Shares the episodes of a search out among cuts: one probe for each of the most promising, then rounds of successive
/// halving (Jamieson and Talwalkar, 2016) in which the best few go on.
/// </summary>
/// <remarks>
/// <para>At most a fifth of the episodes are probes. Of the rest a quarter goes to the best four cuts, a quarter to the
/// best two, and half to the best one; with fewer cuts the rounds that would not separate any are merged.</para>
/// <para>Which cut is next depends only on the episodes before, so a resumed search goes on with the same cuts.</para>
/// </remarks>
public sealed class CutAllocation
{
    private const int ProbeShare = 5;

    private static readonly (int Width, double Share)[] Rounds = [(4, 0.25), (2, 0.25), (1, 0.5)];

    private readonly List<(int Start, int Width)> _rounds = [];

    /// <summary>Lays out the rounds.</summary>
    /// <param name="cuts">Cuts in order of promise; at least one.</param>
    /// <param name="episodes">Episodes in all; at least one.</param>
    public CutAllocation(int cuts, int episodes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cuts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(episodes, 1);
        (Cuts, Episodes) = (cuts, episodes);
        Probes = Math.Clamp(episodes / ProbeShare, 1, cuts);
        double before = 0;
        foreach ((int width, double share) in Rounds)
        {
            int capped = Math.Min(width, Probes);
            if (_rounds.Count == 0 || _rounds[^1].Width != capped) _rounds.Add((Probes + (int)Math.Round(before * (episodes - Probes)), capped));
            before += share;
        }
    }

    /// <summary>Cuts that may get episodes.</summary>
    public int Cuts { get; }

    /// <summary>Episodes in all.</summary>
    public int Episodes { get; }

    /// <summary>Episodes, one per cut, that go to the most promising cuts before any comparison.</summary>
    public int Probes { get; }

    /// <summary>Most episodes that a single cut can get after its probe.</summary>
    public int MostPerCut => Episodes - Probes;

    /// <summary>The cut of the next episode.</summary>
    /// <param name="log">Cut and reward of each episode before.</param>
    /// <param name="exhausted">Whether nothing is left to try at a cut.</param>
    /// <returns>Index of the cut; null when the episodes are spent or every probed cut is exhausted.</returns>
    public int? Next(IReadOnlyList<(int Cut, double Reward)> log, Func<int, bool> exhausted)
    {
        if (log.Count >= Episodes) return null;
        if (log.Count < Probes) return log.Count;
        (int start, int width) = _rounds.Last(round => round.Start <= log.Count);
        int[] ranked = [.. Enumerable.Range(0, Probes).OrderByDescending(cut => log.Take(start).Where(entry => entry.Cut == cut).Max(entry => entry.Reward))];
        int[] open = [.. ranked.Take(width).Where(cut => !exhausted(cut))];
        if (open.Length == 0) open = [.. ranked.Where(cut => !exhausted(cut)).Take(1)];
        return open.Length == 0 ? null : open.MinBy(cut => log.Skip(start).Count(entry => entry.Cut == cut));
    }
}
