using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online.Replay;

/// <summary>One request as a decider answered it, beside what would have been best.</summary>
/// <param name="Target">The chosen target.</param>
/// <param name="Best">The oracle's.</param>
/// <param name="Outcome">What the chosen one took.</param>
/// <param name="BestOutcome">What the oracle's would have taken.</param>
/// <param name="ShortestSeconds">Latency of the fastest target that is accurate enough.</param>
/// <param name="InTime">Whether the answer came and was in time.</param>
/// <param name="Right">Whether the choice counts as right; see <see cref="ReplayRun.Tolerance"/>.</param>
public readonly record struct ReplayedRequest(
    int Target, int Best, TargetOutcome Outcome, TargetOutcome BestOutcome, double ShortestSeconds, bool InTime, bool Right);

/// <summary>A world with the oracle's answers, in which deciders run one after the other.</summary>
public sealed class ReplayRun
{
    /// <summary>
    /// A choice is right when it is accurate enough, is answered and in time whenever the oracle's is, and costs at most this share more
    /// energy than the oracle's for that very request.
    /// </summary>
    public const double Tolerance = 0.01;

    private readonly SimulatedWorld _world;
    private readonly double _latencySeconds, _accuracy;
    private readonly int[] _best;
    private readonly double[] _shortest;

    /// <summary>Asks the oracle about every request.</summary>
    /// <param name="world">The world.</param>
    /// <param name="latencySeconds">Latency that counts as in time.</param>
    /// <param name="accuracy">Least accuracy, 0 to 1.</param>
    /// <exception cref="ArgumentException">No target is that accurate.</exception>
    public ReplayRun(SimulatedWorld world, double latencySeconds, double accuracy)
    {
        ArgumentNullException.ThrowIfNull(world);
        (_world, _latencySeconds, _accuracy) = (world, latencySeconds, accuracy);
        if (!world.Profiles.Any(profile => profile.Target.Accuracy >= accuracy))
            throw new ArgumentException($"No target has an accuracy of {accuracy}; the best has {world.Profiles.Max(profile => profile.Target.Accuracy):F4}.", nameof(accuracy));
        int requests = world.Scenario.Requests;
        (_best, _shortest) = (new int[requests], new double[requests]);
        for (int request = 0; request < requests; request++) (_best[request], _shortest[request]) = Oracle(request);
    }

    /// <summary>Number of requests.</summary>
    public int Requests => _best.Length;

    /// <summary>Lets a decider answer all requests.</summary>
    /// <param name="makeDecider">Makes the decider; receives the oracle's knowledge, for the oracle.</param>
    /// <param name="cancellation">Stops between two requests.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ReplayedRequest[] Run(Func<IForesight, IOnlineDecider> makeDecider, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(makeDecider);
        var foresight = new Foresight(_best);
        IOnlineDecider decider = makeDecider(foresight);
        var link = new LinkEstimator(_world.Profiles.Max(profile => profile.Bytes));
        var requests = new ReplayedRequest[Requests];
        for (int request = 0; request < requests.Length; request++)
        {
            cancellation.ThrowIfCancellationRequested();
            foresight.Request = request;
            OperatingConditions conditions = link.AddTo(_world.Conditions(request));
            RequestConstraints constraints = _world.Constraints(request, _latencySeconds, _accuracy);
            int target = decider.Choose(conditions, constraints);
            TargetOutcome outcome = _world.Outcome(request, target);
            decider.Learn(target, conditions, constraints, outcome);
            if (outcome.Answered && _world.Profiles[target].Bytes > 0) link.Learn(_world.Profiles[target].Bytes, outcome.WireSeconds);
            requests[request] = Judge(request, target, outcome);
        }

        return requests;
    }

    private ReplayedRequest Judge(int request, int target, in TargetOutcome outcome)
    {
        TargetOutcome best = _world.Outcome(request, _best[request]);
        bool inTime = IsInTime(outcome), accurate = _world.Profiles[target].Target.Accuracy >= _accuracy;
        bool right = accurate && (outcome.Answered || !best.Answered) && (inTime || !IsInTime(best)) && outcome.Joules <= (1 + Tolerance) * best.Joules;
        return new ReplayedRequest(target, _best[request], outcome, best, _shortest[request], inTime, right);
    }

    private (int Best, double Shortest) Oracle(int request)
    {
        int best = -1;
        double shortest = double.PositiveInfinity;
        (bool Lost, bool Late, double Joules) lowest = default;
        for (int target = 0; target < _world.Profiles.Count; target++)
        {
            if (_world.Profiles[target].Target.Accuracy < _accuracy) continue;
            TargetOutcome outcome = _world.Outcome(request, target);
            if (outcome.Answered) shortest = Math.Min(shortest, outcome.LatencySeconds);
            (bool, bool, double) cost = (!outcome.Answered, !IsInTime(outcome), outcome.Joules);
            if (best >= 0 && cost.CompareTo(lowest) >= 0) continue;
            (best, lowest) = (target, cost);
        }

        return (best, shortest);
    }

    private bool IsInTime(in TargetOutcome outcome) => outcome.Answered && outcome.LatencySeconds <= _latencySeconds;

    private sealed class Foresight(int[] best) : IForesight
    {
        public int Request { get; set; }

        public int Best(in RequestConstraints constraints) => best[Request];
    }
}
