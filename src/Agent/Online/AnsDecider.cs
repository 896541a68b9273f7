using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// ANS, the Autodidactic Neurosurgeon (Zhang, Chen and Xu, WWW 2021): the bandit muLinUCB. The delay behind a cut is linear in what is left
/// to compute and to send; it is learned from the frames themselves, with an optimistic bound that counts less on key frames, and the
/// device-only target, which teaches nothing about edge and link, is left out now and then. The device's own times are profiled.
/// </summary>
/// <remarks>
/// Contexts and delays are scaled to about 1. What differs from the paper is an option of <see cref="AnsOptions"/>: regressions of their own
/// for link and edge, so that a delay is not blamed on the wrong part, forgetting, and forced frames that grow rare while they bring nothing.
/// </remarks>
public sealed class AnsDecider : IOnlineDecider
{
    private const int EdgeInputs = 7, FirstProbeInterval = 4;
    private const double LongestProbeSeconds = 0.05;
    private const double SurpriseShare = 0.2, SurpriseDeviations = 4, DeviationRate = 0.1, SurpriseFloor = 0.02, MaxChange = 50;

    // A context is known when it is as certain as after one observation of it.
    private const double KnownUncertainty = 4;
    private const int FirstBackoff = 8, MaxBackoff = 64;

    // Until it has been used, the link is taken for a good wireless one.
    private const double DefaultBytesPerSecond = 6.25e6, DefaultRoundTripSeconds = 0.005;

    private readonly IReadOnlyList<TargetProfile> _profiles;
    private readonly AnsOptions _options;
    private readonly Part _edge;
    private readonly LinkModel _link = new(DefaultBytesPerSecond, DefaultRoundTripSeconds);
    private readonly DeviceSlowdown _device;
    private readonly double[] _slowdowns;
    private readonly bool[] _crosses;
    private readonly double _delayScale, _byteScale;
    private readonly EdgeProbing? _probing;
    private int _frame, _horizon, _interval, _sinceEdge, _backoff, _silent;
    private double _avoidedCost;
    private OperatingConditions _conditions;
    private RequestConstraints _constraints;
    private TargetPlacement _forcedPlacement = TargetPlacement.Split;
    private bool _forced, _doubted, _confirming;

    /// <summary>Creates a decider that has learned nothing.</summary>
    /// <param name="profiles">The targets; of the edge's times nothing is used.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no target, or an option is out of range.</exception>
    public AnsDecider(IReadOnlyList<TargetProfile> profiles, AnsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        if (profiles.Count == 0) throw new ArgumentException("There is no target to choose.", nameof(profiles));
        _options = options ?? new AnsOptions();
        _options.Validate();
        _profiles = profiles;
        _crosses = [.. profiles.Select(profile => profile.Target.Placement != TargetPlacement.Device)];
        _delayScale = profiles.Max(profile => profile.DeviceSeconds);
        if (!(_delayScale > 0)) _delayScale = 1;
        _byteScale = Math.Max(1, profiles.Max(profile => profile.Bytes));
        double[][] work = [.. profiles.Select(profile => Work(profile.Work))];
        double[] scale = [.. Enumerable.Range(0, EdgeInputs - 1).Select(input => Math.Max(1, work.Max(row => row[input])))];
        var edge = new double[profiles.Count][];
        for (int i = 0; i < edge.Length; i++)
        {
            double share = profiles[i].Bytes / _byteScale, constant = _crosses[i] ? 1 : 0;
            edge[i] = [.. work[i].Zip(scale, (value, most) => value / most), _options.SeparateParts ? constant : share];
        }

        _edge = new Part(edge, _options);
        _device = new DeviceSlowdown(profiles);
        _slowdowns = new double[_device.Executors];
        if (_options.Probes) _probing = new EdgeProbing(profiles, FirstProbeInterval, _options.MaxForcedInterval);
        (_horizon, _interval) = (_options.FirstHorizon, ForcedInterval(_options.FirstHorizon));
    }

    /// <inheritdoc/>
    public string Name => _options.Objective == AnsObjective.Energy ? "ans-energy" : "ans";

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints)
    {
        (_conditions, _constraints) = (conditions, constraints);
        if (++_frame > _horizon)
        {
            _horizon *= 2;
            _interval = Math.Max(_interval, ForcedInterval(_horizon));
        }

        _confirming = _doubted && !constraints.IsKey;
        _forced = _probing is null && !constraints.IsKey && (_doubted || _sinceEdge + 1 >= _interval);
        if (_options.TrackDevice) _device.Read(conditions, _slowdowns, []);
        else Array.Fill(_slowdowns, 1);
        double weight = constraints.IsKey ? _options.KeyWeight : _options.OtherWeight;
        double width = _options.Alpha(_horizon, EdgeInputs) * Math.Sqrt(1 - weight);
        (int best, _avoidedCost) = Cheapest(conditions, constraints, width, null);
        if (!_forced || _crosses[best]) return best;

        // A late cut alone would tell little of the link, and whole offload alone little of what a cut would cost: they take turns.
        if (!_confirming) _forcedPlacement = _forcedPlacement == TargetPlacement.Edge ? TargetPlacement.Split : TargetPlacement.Edge;
        int edge = Cheapest(conditions, constraints, width, _forcedPlacement).Target;
        if (edge < 0) edge = Cheapest(conditions, constraints, width, _forcedPlacement == TargetPlacement.Edge ? TargetPlacement.Split : TargetPlacement.Edge).Target;
        return edge >= 0 ? edge : best;
    }

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
        _device.Learn(target, conditions, outcome.DeviceSeconds);
        if (!_crosses[target])
        {
            _sinceEdge++;
            if (_silent > 0) _silent--;
            _link.Age(conditions.SignalDbm);
            _probing?.Passed(crossed: false, doubted: false);
            return;
        }

        // Encoding is the device's and profiled; what is left of the coding time is the edge's decoder.
        double encode = _profiles[target].EncodeSeconds * _slowdowns[_device.ExecutorOf(target)];
        (Surprise surprise, bool latencyFell) = LearnCrossing(target, conditions, outcome, Math.Max(0, outcome.CodingSeconds - encode), isProbe: false);

        // The next frame crosses, too, and tells whether it was an accident.
        _probing?.Passed(crossed: true, doubted: false);

        // A forced frame that went better than expected is looked at once more at the next: accident or change? A worse one can wait.
        _doubted = _options.ResetOnChange && _forced && !_confirming && surprise == Surprise.Once && latencyFell;
        _sinceEdge = 0;
        if (!_options.ForcedBackoff) return;
        double cost = _options.Objective == AnsObjective.Energy ? outcome.Joules : outcome.LatencySeconds;
        bool better = outcome.Answered && cost < _avoidedCost;
        _interval = better || !_forced ? ForcedInterval(_horizon) : Math.Min(Math.Max(_options.MaxForcedInterval, _interval), 2 * _interval);
    }

    /// <inheritdoc/>
    public int Probe()
    {
        if (_probing is not { IsDue: true } probing) return -1;

        // What a frame would be sent with if it were sent. What would not come back in time is no probe.
        (int split, double splitCost) = Cheapest(_conditions, _constraints, 0, TargetPlacement.Split);
        (int whole, double wholeCost) = Cheapest(_conditions, _constraints, 0, TargetPlacement.Edge);
        int best = split < 0 || (whole >= 0 && wholeCost < splitCost) ? whole : split;
        return best >= 0 && Wire(best, _conditions.SignalDbm) + (_delayScale * _edge.Predict(best)) <= LongestProbeSeconds ? best : probing.Target;
    }

    /// <inheritdoc/>
    public void LearnProbe(int target, in OperatingConditions conditions, in TargetOutcome outcome)
    {
        (Surprise surprise, _) = LearnCrossing(target, conditions, outcome, outcome.CodingSeconds, isProbe: true);
        _sinceEdge = 0;
        _probing?.Probed(outcome.Answered, surprise != Surprise.None);
    }

    /// <summary>Takes in the delay of a frame that crossed.</summary>
    /// <returns>How it compares with what was expected, and whether it was shorter.</returns>
    private (Surprise Surprise, bool Fell) LearnCrossing(int target, in OperatingConditions conditions, in TargetOutcome outcome, double decodeSeconds, bool isProbe)
    {
        double edge = (outcome.EdgeSeconds + outcome.QueueSeconds + decodeSeconds) / _delayScale;
        if (!_options.SeparateParts)
        {
            double whole = edge + (outcome.WireSeconds / _delayScale);
            bool shorter = whole < _edge.Predict(target);
            return (_edge.Learn(target, whole, isProbe), shorter);
        }

        if (!outcome.Answered)
        {
            _backoff = Math.Min(MaxBackoff, Math.Max(FirstBackoff, 2 * _backoff));
            _silent = _backoff;
            return (Surprise.Again, false);
        }

        (_backoff, _silent) = (0, 0);
        bool fell = edge + (outcome.WireSeconds / _delayScale) < _edge.Predict(target) + (Wire(target, conditions.SignalDbm) / _delayScale);
        Surprise surprise = _link.Learn(conditions.SignalDbm, _profiles[target].Bytes, outcome.WireSeconds, isProbe);
        if (_edge.Learn(target, edge, isProbe) == Surprise.Once) surprise = Surprise.Once;
        return (surprise, fell);
    }

    private (int Target, double Cost) Cheapest(in OperatingConditions conditions, in RequestConstraints constraints, double width, TargetPlacement? placement)
    {
        int best = -1;
        (int Class, double Cost) lowest = default;
        for (int i = 0; i < _profiles.Count; i++)
        {
            TargetProfile profile = _profiles[i];
            if (placement is not null && profile.Target.Placement != placement) continue;
            double slowdown = _slowdowns[_device.ExecutorOf(i)], device = slowdown * profile.DeviceSeconds, encode = slowdown * profile.EncodeSeconds;
            double wire = 0, delay = 0;
            if (_crosses[i])
            {
                double optimism = width * _edge.Width(i);
                delay = _edge.Predict(i) - optimism;
                if (_options.SeparateParts)
                {
                    wire = Wire(i, conditions.SignalDbm);
                    delay = Math.Max(0, delay) + (wire / _delayScale);
                }
            }

            double latency = device + encode + (_delayScale * delay), cost = latency;
            int kind = profile.Target.Accuracy < constraints.Accuracy ? 2 : 0;
            if (_crosses[i] && _silent > 0) kind += 4;
            if (_options.Objective == AnsObjective.Energy)
            {
                if (latency > constraints.LatencySeconds * (1 - _options.LatencyMargin)) kind++;
                else cost = Joules(profile, device, encode, latency, conditions.SignalDbm);
            }

            if (best >= 0 && (kind > lowest.Class || (kind == lowest.Class && !(cost < lowest.Cost)))) continue;
            (best, lowest) = (i, (kind, cost));
        }

        return (best, lowest.Cost);
    }

    private double Joules(TargetProfile profile, double device, double encode, double latency, double signalDbm)
    {
        double perByte = _link.SecondsPerByte(signalDbm);
        return profile.Power.Joules(device, encode, perByte * profile.Target.PayloadBytes, perByte * profile.ReplyBytes, latency, signalDbm);
    }

    private double Wire(int target, double signalDbm) => _link.FixedSeconds + (_link.SecondsPerByte(signalDbm) * _profiles[target].Bytes);

    private int ForcedInterval(double horizon) => Math.Max(1, (int)Math.Ceiling(Math.Pow(horizon, _options.ForcedExponent)));

    private static double[] Work(EdgeWork work) =>
        [work.ConvolutionMultiplyAdds, work.Convolutions, work.DenseMultiplyAdds, work.DenseLayers, work.Activations, work.ActivationLayers];

    /// <summary>The regression of a delay, with the contexts of all targets, times a factor that jumps when things change.</summary>
    private sealed class Part
    {
        private readonly double[][] _contexts;
        private readonly DiscountedRegression _regression;
        private readonly bool _changes;
        private double _deviation, _factor = 1;

        // A small probe cannot tell whether the surprise of a large frame was an accident.
        private SurpriseFilter _frames, _probes;

        /// <param name="contexts">One row of inputs per target.</param>
        /// <param name="options">How to learn.</param>
        public Part(double[][] contexts, AnsOptions options)
        {
            (_contexts, _changes) = (contexts, options.ResetOnChange);
            _regression = new DiscountedRegression(new double[contexts[0].Length], options.Discount, options.Ridge);
        }

        public double Predict(int target) => _factor * _regression.Predict(_contexts[target]);

        public double Width(int target) => Math.Sqrt(_regression.Uncertainty(_contexts[target]));

        /// <summary>Takes in a delay and tells how it compares with what was expected.</summary>
        public Surprise Learn(int target, double delay, bool isProbe)
        {
            double expected = Predict(target);
            bool known = _changes && expected > 0 && _regression.Uncertainty(_contexts[target]) <= KnownUncertainty;
            Surprise surprise = known
                ? (isProbe ? ref _probes : ref _frames).Judge(delay, expected, (SurpriseShare * delay) + (SurpriseDeviations * _deviation) + SurpriseFloor)
                : Surprise.None;
            if (known && surprise == Surprise.None) _deviation += DeviationRate * (Math.Abs(delay - expected) - _deviation);

            // Another load of the edge changes all targets alike: what was learned of their differences stays.
            if (surprise == Surprise.Again) _factor *= Math.Clamp(delay / expected, 1 / MaxChange, MaxChange);
            if (surprise != Surprise.Once) _regression.Observe(_contexts[target], delay / _factor);
            return surprise;
        }
    }
}
