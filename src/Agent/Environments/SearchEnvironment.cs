using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>
/// Walks a decider through the steps of a problem, behind a wall on time: at each step the least compressing level from
/// the proposed one upward is realised with which the rest, compressed as far as allowed, still meets the budget. So
/// every finished episode meets it. This is AMC's resource-constrained walk with milliseconds in the place of operations.
/// </summary>
/// <remarks>
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

    private const int StaticWidth = 9;

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
        int[] prefix = new int[count], bounded = MaximumLevels(_problem);
        var states = new float[count][];
        var actions = new double[count];
        decider.BeginEpisode();
        for (int step = 0; step < count; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            states[step] = State(step, prefix, step == 0 ? 0 : actions[step - 1]);
            double proposed = decider.Propose(step, states[step]);
            if (!(proposed is >= 0 and <= 1)) throw new InvalidOperationException($"Decider '{decider.Name}' proposed {proposed} at step {step}, outside [0, 1].");
            prefix[step] = Wall(step, _problem.Steps[step].Nearest(proposed), bounded);
            actions[step] = _problem.Steps[step].Levels[prefix[step]];
        }

        Episode episode = Finish(states, prefix, actions, cancellation);
        decider.EndEpisode(episode);
        return episode;
    }

    /// <summary>
    /// Fixes step <paramref name="step"/> of <paramref name="bounded"/>, in which all later steps stand at their maximum.
    /// That the maximum of this step fits is known from the step before, so bisection ends on a level that fits; it is the
    /// least such level where latency falls with compression.
    /// </summary>
    private int Wall(int step, int level, int[] bounded)
    {
        int fits = bounded[step];
        if (level >= fits || double.IsPositiveInfinity(BudgetMs))
        {
            bounded[step] = level;
            return level;
        }

        int low = level;
        while (low < fits)
        {
            int middle = low == level ? level : (low + fits) / 2;
            bounded[step] = middle;
            if (_problem.Price(bounded).TotalMs <= BudgetMs) fits = middle;
            else low = middle + 1;
        }

        return bounded[step] = fits;
    }

    private Episode Finish(float[][] states, int[] levels, double[] actions, CancellationToken cancellation)
    {
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
