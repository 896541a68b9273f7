using System.Diagnostics;
using CoInference.Agent.Baselines;
using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;

namespace CoInference.Agent.Search;

/// <summary>
/// The outer loop: spends the episodes of one decider on the cuts that survived screening, one agent per cut, and keeps
/// the journal. Equal for every decider, so that they can be compared at equal episodes.
/// </summary>
public sealed class SearchLoop
{
    private const int WarmUpShare = 6;

    private readonly IReadOnlyList<CutCandidate> _cuts;
    private readonly MemoizedProblem[] _problems;
    private readonly Reward _reward;
    private readonly double _budgetMs;
    private readonly int _episodes;
    private readonly long _seed;
    private readonly DdpgOptions? _ddpg;
    private readonly SearchJournal _journal;

    /// <summary>Creates the loop.</summary>
    /// <param name="cuts">Cuts that can meet the budget, in order of promise; at least one.</param>
    /// <param name="reward">What an episode earns.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    /// <param name="episodes">Episodes per decider, probes included.</param>
    /// <param name="seed">Seed of all deciders.</param>
    /// <param name="journal">Where episodes are kept; those it holds already count as done.</param>
    /// <param name="ddpg">
    /// Constants of the DDPG agent; null for AMC's with a warm-up scaled to the episodes: a sixth of those that one cut can
    /// get, where AMC takes 100 of 400 or 800.
    /// </param>
    public SearchLoop(
        IReadOnlyList<CutCandidate> cuts, Reward reward, double budgetMs, int episodes, long seed, SearchJournal journal, DdpgOptions? ddpg = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cuts.Count, 1, nameof(cuts));
        (_cuts, _reward, _budgetMs, _episodes, _seed, _journal, _ddpg) = (cuts, reward, budgetMs, episodes, seed, journal, ddpg);
        _problems = [.. cuts.Select(cut => new MemoizedProblem(cut.Problem))];
        foreach (EpisodeRecord episode in journal.Episodes)
        {
            if (IndexOf(episode.Cut) is { } cut) _problems[cut].Recall(episode.Levels, episode.Predicted, episode.Accuracy);
        }
    }

    /// <summary>Warm-up episodes of a DDPG agent whose cut can get a number of episodes.</summary>
    public static int WarmUp(int episodes) => Math.Clamp(episodes / WarmUpShare, 1, new DdpgOptions().WarmUpEpisodes);

    /// <summary>Runs what is left of a decider's episodes.</summary>
    /// <param name="deciderName">One of <see cref="DeciderFactory.Names"/>.</param>
    /// <param name="progress">Told after every episode; may be null.</param>
    /// <param name="cancellation">Stops between or within episodes; finished episodes are in the journal.</param>
    /// <returns>The decider's best episode, probes included.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public EpisodeRecord Run(string deciderName, IProgress<SearchProgress>? progress, CancellationToken cancellation)
    {
        var allocation = new CutAllocation(_cuts.Count, _episodes);
        DdpgOptions ddpg = _ddpg ?? new DdpgOptions { WarmUpEpisodes = WarmUp(allocation.MostPerCut) };
        var environments = new SearchEnvironment?[allocation.Probes];
        var deciders = new IDecider?[allocation.Probes];
        List<(int Cut, double Reward)> log = [.. _journal.Episodes.Where(episode => episode.Decider == deciderName).Select(episode => (IndexOf(episode.Cut) ?? throw Unknown(episode.Cut), episode.Reward))];
        EpisodeRecord? best = null;
        foreach (EpisodeRecord episode in _journal.Episodes.Where(episode => episode.Decider == deciderName && episode.Beats(best))) best = episode;

        var clock = Stopwatch.StartNew();
        double before = _journal.ElapsedSeconds;
        int done = log.Count;
        while (allocation.Next(log, cut => DeciderAt(cut).Exhausted) is { } cut)
        {
            double started = clock.Elapsed.TotalSeconds;
            IDecider decider = DeciderAt(cut);
            SearchEnvironment environment = environments[cut]!;
            bool probe = log.Count < allocation.Probes;
            Episode episode = environment.Run(probe ? new UniformDecider(_problems[cut], _budgetMs) : decider, cancellation);
            if (probe) decider.Learn(episode);

            double seconds = clock.Elapsed.TotalSeconds;
            EpisodeRecord record = EpisodeRecord.Of(episode, deciderName, probe, _cuts[cut].Cut, seconds - started);
            if (record.Beats(best)) best = record;
            log.Add((cut, record.Reward));
            _journal.ElapsedSeconds = before + seconds;
            _journal.Add(record, Key(deciderName, cut), decider);
            progress?.Report(new SearchProgress(
                $"search {deciderName}", log.Count, _episodes, record, best,
                TimeSpan.FromSeconds(_journal.EarlierSeconds + _journal.ElapsedSeconds), TimeSpan.FromSeconds(seconds / (log.Count - done) * (_episodes - log.Count))));
        }

        return best ?? throw new InvalidOperationException("The journal holds no episode and none was run.");

        IDecider DeciderAt(int cut)
        {
            if (deciders[cut] is { } known) return known;
            environments[cut] = new SearchEnvironment(_problems[cut], _reward, _budgetMs);
            IDecider decider = DeciderFactory.Create(deciderName, _problems[cut], _budgetMs, ddpg, (_seed * 1_000_003) + cut);
            _journal.Restore(Key(deciderName, cut), decider);
            return deciders[cut] = decider;
        }
    }

    private static string Key(string decider, int cut) => $"{decider}-cut{cut}";

    private static InvalidDataException Unknown(string cut) => new($"The journal holds an episode at cut '{cut}', which this search does not have.");

    private int? IndexOf(string cut)
    {
        for (int i = 0; i < _cuts.Count; i++)
        {
            if (_cuts[i].Cut == cut) return i;
        }

        return null;
    }
}
