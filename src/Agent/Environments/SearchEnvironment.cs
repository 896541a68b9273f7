using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>
/// Walks a decider through the steps of a problem, behind a wall on time: when the walk is done, all proposals are shifted
/// by one amount to where the budget is just met, so every finished episode meets it.
/// </summary>
/// <remarks>
/// <para>AMC (He et al., ECCV 2018) clips each step in turn to what still lets the rest meet the budget at its maximum. Then
/// the last steps pay for what the first ones did not save, whatever was proposed for them. A common shift keeps the
/// proportions of the proposals.</para>
/// <para>The decider proposes from the states of the walk as proposed; states and actions of the episode, from which it
/// learns, are those of the walk as realised.</para>
/// <para>The state has <see cref="StateWidth"/> values in [0, 1]: step, kind of step, input channels, output channels,
/// height, width, stride, kernel, dense time of this step (these nine min-max normalised over the steps), time saved so
/// far and time still to decide (as shares of the dense total), payload now as a share of the raw payload, how fast the
/// link is, and the action realised before.</para>
/// <para>The link's speed enters as raw-payload time over that time plus the dense total: 0 for a link that costs
/// nothing, near 1 for one that dominates.</para>
/// </remarks>
public sealed class SearchEnvironment
{
    /// <summary>Values per state.</summary>
    public const int StateWidth = 14;

    private const int StaticWidth = 9, Halvings = 12;

    private readonly IDecisionProblem _problem;
    private readonly Reward _reward;
    private readonly float[][] _static;
    private readonly double[] _denseMsFrom;
    private readonly double _denseMs, _rawPayload;
    private readonly float _linkLoad;

    /// <summary>Creates the environment.</summary>
    /// <param name="problem">What is decided.</param>
    /// <param name="reward">What an episode earns.</param>
    /// <param name="budgetMs">Latency that no episode may exceed, in milliseconds; infinity for no wall.</param>
    /// <exception cref="InfeasibleBudgetException">Not even the most compressing decision meets the budget.</exception>
    public SearchEnvironment(IDecisionProblem problem, Reward reward, double budgetMs)
    {
        if (problem.Steps.Count == 0) throw new ArgumentException("A problem needs at least one step.", nameof(problem));
        if (reward.Kind == RewardKind.Target && !double.IsFinite(budgetMs)) throw new ArgumentException("The target reward needs a finite budget.", nameof(budgetMs));
        (_problem, _reward, BudgetMs) = (problem, reward, budgetMs);
        double minimum = problem.Price(MaximumLevels(problem)).TotalMs;
        if (!(minimum <= budgetMs)) throw new InfeasibleBudgetException($"Compressed as far as allowed it takes {minimum:0.###} ms, more than the budget of {budgetMs:0.###} ms.", minimum);

        var dense = new int[problem.Steps.Count];
        LatencyBreakdown uncompressed = problem.Price(dense);
        (_denseMs, _rawPayload) = (uncompressed.TotalMs, problem.PayloadBytes(dense));
        _linkLoad = (float)(uncompressed.WireMs / Math.Max(uncompressed.TotalMs, double.Epsilon));
        _static = NormalizedColumns(problem.Steps);
        _denseMsFrom = new double[problem.Steps.Count + 1];
        for (int step = problem.Steps.Count - 1; step >= 0; step--) _denseMsFrom[step] = _denseMsFrom[step + 1] + problem.Steps[step].DenseMs;
    }

    /// <summary>Latency that no episode exceeds, in milliseconds.</summary>
    public double BudgetMs { get; }

    /// <summary>The decision that compresses as far as allowed.</summary>
    public static int[] MaximumLevels(IDecisionProblem problem) => [.. problem.Steps.Select(step => step.Levels.Count - 1)];

    /// <summary>Lets a decider decide once, judges the result and tells the decider.</summary>
    /// <exception cref="OperationCanceledException">Cancelled before the episode ended; the decider was not told.</exception>
    public Episode Run(IDecider decider, CancellationToken cancellation)
    {
        int count = _problem.Steps.Count;
        var proposed = new double[count];
        var levels = new int[count];
        decider.BeginEpisode();
        for (int step = 0; step < count; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            proposed[step] = decider.Propose(step, State(step, levels, step == 0 ? 0 : proposed[step - 1]));
            if (!(proposed[step] is >= 0 and <= 1)) throw new InvalidOperationException($"Decider '{decider.Name}' proposed {proposed[step]} at step {step}, outside [0, 1].");
            levels[step] = _problem.Steps[step].Nearest(proposed[step]);
        }

        levels = OntoBudget(proposed, levels);
        Episode episode = Finish(levels, cancellation);
        decider.EndEpisode(episode);
        return episode;
    }

    /// <summary>
    /// The proposals shifted together, all by the same amount, to where the budget is just met. Proposals that meet it
    /// are only moved, towards less compression, where compressing less is sure to earn no less.
    /// </summary>
    private int[] OntoBudget(double[] proposed, int[] levels)
    {
        if (double.IsPositiveInfinity(BudgetMs)) return levels;
        double low = -1, high = 1;
        if (_problem.Price(levels).TotalMs <= BudgetMs)
        {
            if (_reward.Kind != RewardKind.Budget) return levels;
            high = 0;
        }
        else
        {
            low = 0;
        }

        int[] best = high == 0 ? levels : MaximumLevels(_problem), over = low == 0 ? levels : new int[levels.Length];
        for (int halving = 0; halving < Halvings; halving++)
        {
            double shift = (low + high) / 2;
            int[] shifted = [.. proposed.Select((action, step) => _problem.Steps[step].Nearest(Math.Clamp(action + shift, 0, 1)))];
            if (_problem.Price(shifted).TotalMs <= BudgetMs) (best, high) = (shifted, shift);
            else (over, low) = (shifted, shift);
        }

        // Steps whose proposals are equally far from their next level move together; not all of them may need to.
        foreach (int step in Enumerable.Range(0, best.Length).Where(step => over[step] < best[step]).OrderBy(step => _problem.Steps[step].DenseMs))
        {
            int level = best[step];
            best[step] = over[step];
            if (!(_problem.Price(best).TotalMs <= BudgetMs)) best[step] = level;
        }

        return best;
    }

    private Episode Finish(int[] levels, CancellationToken cancellation)
    {
        // What was realised is what is learned from: states and actions are those of the shifted walk.
        int count = levels.Length;
        var states = new float[count][];
        var actions = new double[count];
        var prefix = new int[count];
        for (int step = 0; step < count; step++)
        {
            states[step] = State(step, prefix, step == 0 ? 0 : actions[step - 1]);
            prefix[step] = levels[step];
            actions[step] = _problem.Steps[step].Levels[levels[step]];
        }

        LatencyBreakdown latency = _problem.Price(levels);
        double accuracy = _problem.Judge(levels, cancellation);
        return new Episode
        {
            States = states,
            Levels = levels,
            Actions = actions,
            Latency = latency,
            PayloadBytes = _problem.PayloadBytes(levels),
            Accuracy = accuracy,
            Reward = _reward.Of(accuracy, latency.TotalMs, BudgetMs),
        };
    }

    private float[] State(int step, int[] prefix, double previousAction)
    {
        var state = new float[StateWidth];
        _static[step].CopyTo(state, 0);
        state[9] = Share(_denseMs - _problem.Price(prefix).TotalMs, _denseMs);
        state[10] = Share(_denseMsFrom[step], _denseMsFrom[0]);
        state[11] = Share(_problem.PayloadBytes(prefix), _rawPayload);
        state[12] = _linkLoad;
        state[13] = (float)previousAction;
        return state;
    }

    private static float Share(double part, double whole) => whole > 0 ? (float)Math.Clamp(part / whole, 0, 1) : 0;

    private static float[][] NormalizedColumns(IReadOnlyList<DecisionStep> steps)
    {
        double[][] rows = [.. steps.Select((step, index) => (double[])
            [index, (int)step.Kind, step.Layer.InChannels, step.Layer.OutChannels, step.Layer.Height, step.Layer.Width, step.Layer.Stride, step.Layer.Kernel, step.DenseMs])];
        var normalized = new float[rows.Length][];
        for (int row = 0; row < rows.Length; row++) normalized[row] = new float[StaticWidth];
        for (int column = 0; column < StaticWidth; column++)
        {
            double minimum = rows.Min(row => row[column]), range = rows.Max(row => row[column]) - minimum;
            for (int row = 0; row < rows.Length; row++) normalized[row][column] = range > 0 ? (float)((rows[row][column] - minimum) / range) : 0;
        }

        return normalized;
    }
}
