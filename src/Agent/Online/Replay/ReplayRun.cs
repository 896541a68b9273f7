using System.Diagnostics;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online.Replay;

/// <summary>One request as a decider answered it, beside what would have been best.</summary>
/// <param name="Target">The chosen target.</param>
/// <param name="Best">The oracle's.</param>
/// <param name="Outcome">What the chosen one took.</param>
/// <param name="BestOutcome">What the oracle's would have taken.</param>
/// <param name="ShortestSeconds">Latency of the fastest target that is accurate enough.</param>
/// <param name="ProbeJoules">Energy of a probe that the decider asked for after it; 0 without one.</param>
/// <param name="InTime">Whether the answer came and was in time.</param>
/// <param name="Right">Whether the choice counts as right; see <see cref="ReplayRun.Tolerance"/>.</param>
public readonly record struct ReplayedRequest(
    int Target, int Best, TargetOutcome Outcome, TargetOutcome BestOutcome, double ShortestSeconds, double ProbeJoules, bool InTime, bool Right)
{
    /// <summary>Energy of the request and of the probe after it, in joules.</summary>
    public double Joules => Outcome.Joules + ProbeJoules;
}

/// <summary>A world with the oracle's answers, in which deciders run one after the other.</summary>
public sealed class ReplayRun
{
    /// <summary>
    /// A choice is right when it is accurate enough, is answered and in time whenever the oracle's is, and costs at most this share more
    /// energy than the oracle's for that very request.
    /// </summary>
    public const double Tolerance = 0.01;

    private const int ChanceDraws = 64;

    private readonly SimulatedWorld _world;
    private readonly double _latencySeconds, _accuracy;
    private readonly int[] _best;
    private readonly Lazy<int[]> _bestInExpectation;
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
        _bestInExpectation = new Lazy<int[]>(BestInExpectation);
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
        var foresight = new Foresight(_best, _bestInExpectation);
        IOnlineDecider decider = makeDecider(foresight);
        var link = new LinkEstimator();
        var requests = new ReplayedRequest[Requests];
        for (int request = 0; request < requests.Length; request++)
        {
            cancellation.ThrowIfCancellationRequested();
            foresight.Request = request;
            OperatingConditions conditions = _world.Conditions(request) with { BytesPerSecond = link.BytesPerSecond, RoundTripSeconds = link.RoundTripSeconds };
            RequestConstraints constraints = _world.Constraints(request, _latencySeconds, _accuracy);
            int target = decider.Choose(conditions, constraints);
            TargetOutcome outcome = _world.Outcome(request, target);
            decider.Learn(target, conditions, constraints, outcome);
            double answered = (request * _world.Scenario.PeriodMs / 1000) + outcome.LatencySeconds, probeJoules = 0;
            if (outcome.Answered) Observe(link, target, outcome, answered);
            if (decider.Probe() is >= 0 and var probe)
            {
                TargetOutcome reply = _world.Probe(request, outcome.LatencySeconds, probe);
                decider.LearnProbe(probe, conditions, reply);
                if (reply.Answered) Observe(link, probe, reply, answered + reply.LatencySeconds);
                probeJoules = reply.Joules;
            }

            // What a decider spends to know more is part of what its choices cost.
            requests[request] = Judge(request, target, outcome, probeJoules);
        }

        return requests;
    }

    private void Observe(LinkEstimator link, int target, in TargetOutcome outcome, double seconds)
    {
        if (_world.Profiles[target].Bytes > 0) link.Observe(_world.Profiles[target].Bytes, outcome.WireSeconds, (long)(seconds * Stopwatch.Frequency));
    }

    private ReplayedRequest Judge(int request, int target, in TargetOutcome outcome, double probeJoules)
    {
        TargetOutcome best = _world.Outcome(request, _best[request]);
        bool inTime = IsInTime(outcome), accurate = _world.Profiles[target].Target.Accuracy >= _accuracy;
        bool right = accurate && (outcome.Answered || !best.Answered) && (inTime || !IsInTime(best)) && outcome.Joules <= (1 + Tolerance) * best.Joules;
        return new ReplayedRequest(target, _best[request], outcome, best, _shortest[request], probeJoules, inTime, right);
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

    private int[] BestInExpectation()
    {
        SimulatedWorld.Noise[] chances = _world.DrawNoise(ChanceDraws, ChanceDraws);
        int[] best = new int[Requests];
        for (int request = 0; request < best.Length; request++)
        {
            (int Failed, double Joules) lowest = (int.MaxValue, 0);
            for (int target = 0; target < _world.Profiles.Count; target++)
            {
                if (_world.Profiles[target].Target.Accuracy < _accuracy) continue;
                int failed = 0;
                double joules = 0;
                foreach (SimulatedWorld.Noise chance in chances)
                {
                    TargetOutcome outcome = _world.Outcome(request, target, chance);
                    if (!IsInTime(outcome)) failed++;
                    joules += outcome.Joules;
                    if (failed > lowest.Failed) break;
                }

                if ((failed, joules).CompareTo(lowest) < 0) (best[request], lowest) = (target, (failed, joules));
            }
        }

        return best;
    }

    private bool IsInTime(in TargetOutcome outcome) => outcome.Answered && outcome.LatencySeconds <= _latencySeconds;

    private sealed class Foresight(int[] best, Lazy<int[]> bestInExpectation) : IForesight
    {
        public int Request { get; set; }

        public int Best(in RequestConstraints constraints) => best[Request];

        public int BestInExpectation(in RequestConstraints constraints) => bestInExpectation.Value[Request];
    }
}
