using CoInference.Agent.Environments;

namespace CoInference.Agent.Baselines;

/// <summary>
/// Greedy exchange driven by sensitivities. Starts from the likely best uniform decision. Each further episode relaxes
/// the one step by one level that promises most, and pays for it in the steps that save most time per estimated loss;
/// the exchange is kept when it earned more. The losses are learned from every episode. Exhausted when no exchange is
/// left untried.
/// </summary>
public sealed class GreedyDecider : IDecider
{
    private readonly IDecisionProblem _problem;
    private readonly double _budgetMs;
    private readonly Sensitivities _sensitivities;
    private readonly List<int[]> _tried = [];
    private int[]? _best;
    private double _bestReward = double.NegativeInfinity;
    private int[]? _candidate;

    /// <summary>Creates the decider.</summary>
    /// <param name="problem">What is decided.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    public GreedyDecider(IDecisionProblem problem, double budgetMs)
    {
        (_problem, _budgetMs) = (problem, budgetMs);
        _sensitivities = new Sensitivities(problem.Steps.Count);
        _candidate = FirstCandidate();
    }

    /// <inheritdoc/>
    public string Name => "greedy";

    /// <inheritdoc/>
    public bool Exhausted => _candidate is null;

    /// <inheritdoc/>
    public void BeginEpisode()
    {
        if (Exhausted) throw new InvalidOperationException("Every exchange has been tried.");
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state) => _problem.Steps[index].Levels[_candidate![index]];

    /// <inheritdoc/>
    public void EndEpisode(Episode episode)
    {
        // The wall may have moved the candidate; what was judged must not be judged again either.
        if (!episode.Levels.SequenceEqual(_candidate!)) _tried.Add(_candidate!);
        Learn(episode);
    }

    /// <inheritdoc/>
    public void Learn(Episode episode)
    {
        int[] levels = [.. episode.Levels];
        _sensitivities.Observe(episode.Actions, episode.Reward);
        _tried.Add(levels);
        if (episode.Reward > _bestReward) (_best, _bestReward) = (levels, episode.Reward);
        _candidate = NextCandidate(_best!);
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer)
    {
        _sensitivities.Save(writer);
        writer.Write(_bestReward);
        writer.Write(_tried.Count);
        foreach (int[] levels in _tried) Write(writer, levels);
        if (_best is not null) Write(writer, _best);
    }

    /// <inheritdoc/>
    public void Restore(BinaryReader reader)
    {
        _sensitivities.Restore(reader);
        _bestReward = reader.ReadDouble();
        int count = reader.ReadInt32();
        _tried.Clear();
        for (int entry = 0; entry < count; entry++) _tried.Add(Read(reader));
        _best = count > 0 ? Read(reader) : null;
        _candidate = _best is null ? FirstCandidate() : NextCandidate(_best);
    }

    private int[] FirstCandidate() => UniformPlans.Grid(_problem, _budgetMs) is [var first, ..] ? first : SearchEnvironment.MaximumLevels(_problem);

    /// <summary>The untried exchange around a decision with the largest estimated gain.</summary>
    private int[]? NextCandidate(int[] from)
    {
        double total = _problem.Price(from).TotalMs;
        double[] saved = [.. from.Select((_, step) => from[step] + 1 < _problem.Steps[step].Levels.Count ? total - PriceWith(from, step, from[step] + 1) : 0)];
        int[]? best = null;
        double bestGain = double.NegativeInfinity;
        for (int step = 0; step < from.Length; step++)
        {
            if (from[step] == 0) continue;
            int[] candidate = [.. from];
            candidate[step]--;
            double gain = _sensitivities.Cost(step, LevelStep(step, candidate[step]));
            if (Pay(candidate, step, saved) is not { } cost || gain - cost <= bestGain || WasTried(candidate)) continue;
            (best, bestGain) = (candidate, gain - cost);
        }

        return best;
    }

    /// <summary>
    /// Tightens other steps of <paramref name="candidate"/>, the best bargain first, until it meets the budget.
    /// Time saved per level is taken from the decision the exchange starts at; the price itself is exact.
    /// </summary>
    /// <returns>Estimated loss of the tightening; null when the budget cannot be met.</returns>
    private double? Pay(int[] candidate, int relaxed, double[] saved)
    {
        double cost = 0;
        while (_problem.Price(candidate).TotalMs > _budgetMs)
        {
            int best = -1;
            double bestBargain = 0;
            for (int step = 0; step < candidate.Length; step++)
            {
                if (step == relaxed || candidate[step] + 1 >= _problem.Steps[step].Levels.Count) continue;
                double bargain = saved[step] / _sensitivities.Cost(step, LevelStep(step, candidate[step]));
                if (bargain > bestBargain) (best, bestBargain) = (step, bargain);
            }

            if (best < 0) return null;
            cost += _sensitivities.Cost(best, LevelStep(best, candidate[best]));
            candidate[best]++;
        }

        return cost;
    }

    private double PriceWith(int[] levels, int step, int level)
    {
        int[] changed = [.. levels];
        changed[step] = level;
        return _problem.Price(changed).TotalMs;
    }

    private double LevelStep(int step, int level) => _problem.Steps[step].Levels[level + 1] - _problem.Steps[step].Levels[level];

    private bool WasTried(int[] levels) => _tried.Exists(tried => tried.AsSpan().SequenceEqual(levels));

    private static void Write(BinaryWriter writer, int[] levels)
    {
        foreach (int level in levels) writer.Write(level);
    }

    private int[] Read(BinaryReader reader)
    {
        var levels = new int[_problem.Steps.Count];
        for (int step = 0; step < levels.Length; step++)
        {
            levels[step] = reader.ReadInt32();
            if ((uint)levels[step] >= (uint)_problem.Steps[step].Levels.Count) throw new InvalidDataException($"Stored greedy state has level {levels[step]} at step {step}, which has {_problem.Steps[step].Levels.Count}.");
        }

        return levels;
    }
}
