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
    private const int EdgeInputs = 7, LinkInputs = 2;
    private const double SurpriseShare = 0.1, SurpriseDeviations = 4, DeviationRate = 0.1, SurpriseFloor = 0.02, MaxChange = 50;

    // The smaller the input, the more a fixed time resists change: a longer delay is sooner a slower link than a longer way.
    private const double FixedInput = 0.2;

    private readonly IReadOnlyList<TargetProfile> _profiles;
    private readonly AnsOptions _options;
    private readonly Part _edge, _link;
    private readonly DeviceSlowdown _device;
    private readonly double[] _slowdowns;
    private readonly bool[] _crosses;
    private readonly double _delayScale, _byteScale;
    private int _frame, _horizon, _interval, _sinceEdge;
    private double _avoidedCost;
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
        var link = new double[profiles.Count][];
        for (int i = 0; i < edge.Length; i++)
        {
            double share = profiles[i].Bytes / _byteScale, constant = _crosses[i] ? 1 : 0;
            link[i] = [share, FixedInput * constant];
            edge[i] = [.. work[i].Zip(scale, (value, most) => value / most), _options.SeparateParts ? constant : share];
        }

        _edge = new Part(edge, EdgeInputs, _options);
        _link = new Part(link, 1, _options);
        _device = new DeviceSlowdown(profiles, StateSpace.Paper.Count);
        _slowdowns = new double[_device.Executors];
        (_horizon, _interval) = (_options.FirstHorizon, ForcedInterval(_options.FirstHorizon));
    }

    /// <inheritdoc/>
    public string Name => _options.Objective == AnsObjective.Energy ? "ans-energy" : "ans";

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints)
    {
        if (++_frame > _horizon)
        {
            _horizon *= 2;
            _interval = Math.Max(_interval, ForcedInterval(_horizon));
        }

        _confirming = _doubted && !constraints.IsKey;
        _forced = !constraints.IsKey && (_doubted || _sinceEdge + 1 >= _interval);
        if (_options.TrackDevice) _device.Read(StateSpace.Paper.State(conditions), _slowdowns);
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
        _device.Learn(target, StateSpace.Paper.State(conditions), outcome.DeviceSeconds);
        if (!_crosses[target])
        {
            _sinceEdge++;
            return;
        }

        // Encoding is the device's and profiled; what is left of the coding time is the edge's decoder.
        double encode = _profiles[target].EncodeSeconds * _slowdowns[_device.ExecutorOf(target)];
        double edge = (outcome.EdgeSeconds + outcome.QueueSeconds + Math.Max(0, outcome.CodingSeconds - encode)) / _delayScale, wire = outcome.WireSeconds / _delayScale;
        bool latencyFell = edge + wire < _edge.Predict(target) + (_options.SeparateParts ? _link.Predict(target) : 0);
        Surprise surprise = _options.SeparateParts ? _link.Learn(target, wire, certain: !outcome.Answered) : _edge.Learn(target, edge + wire, certain: !outcome.Answered);
        if (_options.SeparateParts && outcome.Answered && _edge.Learn(target, edge, certain: false) == Surprise.Once) surprise = Surprise.Once;

        // A forced frame that went better than expected is looked at once more at the next: accident or change? A worse one can wait.
        _doubted = _options.ResetOnChange && _forced && !_confirming && surprise == Surprise.Once && latencyFell;
        _sinceEdge = 0;
        if (!_options.ForcedBackoff) return;
        double cost = _options.Objective == AnsObjective.Energy ? outcome.Joules : outcome.LatencySeconds;
        bool better = outcome.Answered && cost < _avoidedCost;
        _interval = better || !_forced ? ForcedInterval(_horizon) : Math.Min(Math.Max(_options.MaxForcedInterval, _interval), 2 * _interval);
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
                    wire = Math.Max(0, _link.Predict(i) - (width * _link.Width(i)));
                    delay = Math.Max(0, delay) + wire;
                }
            }

            double latency = device + encode + (_delayScale * delay), cost = latency;
            int kind = profile.Target.Accuracy < constraints.Accuracy ? 2 : 0;
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
        double perByte = Math.Max(0, _link.Slope) * _delayScale / _byteScale;
        return profile.Power.Joules(device, encode, perByte * profile.Target.PayloadBytes, perByte * profile.ReplyBytes, latency, signalDbm);
    }

    private int ForcedInterval(double horizon) => Math.Max(1, (int)Math.Ceiling(Math.Pow(horizon, _options.ForcedExponent)));

    private static double[] Work(EdgeWork work) =>
        [work.ConvolutionMultiplyAdds, work.Convolutions, work.DenseMultiplyAdds, work.DenseLayers, work.Activations, work.ActivationLayers];

    /// <summary>The regression of one part of the delay, with the contexts of all targets.</summary>
    private sealed class Part
    {
        private readonly double[][] _contexts;
        private readonly DiscountedRegression _regression;
        private readonly bool _forgets;
        private readonly int _changing;
        private double _deviation = double.NaN;
        private SurpriseFilter _filter;

        /// <param name="contexts">One row of inputs per target.</param>
        /// <param name="changing">So many inputs, from the first on, have coefficients that grow together when things change.</param>
        /// <param name="options">How to learn.</param>
        public Part(double[][] contexts, int changing, AnsOptions options)
        {
            (_contexts, _changing, _forgets) = (contexts, changing, options.ResetOnChange);
            _regression = new DiscountedRegression(new double[contexts[0].Length], options.Discount, options.Ridge);
        }

        /// <summary>Coefficient of the first input.</summary>
        public double Slope => _regression.Coefficients[0];

        public double Predict(int target) => _regression.Predict(_contexts[target]);

        public double Width(int target) => Math.Sqrt(_regression.Uncertainty(_contexts[target]));

        /// <summary>Takes in a delay and tells how it compares with what was expected. One that is certain is no accident: there was no answer at all.</summary>
        public Surprise Learn(int target, double delay, bool certain)
        {
            double expected = Predict(target);
            Surprise surprise = _filter.Judge(delay, expected, (SurpriseShare * delay) + (SurpriseDeviations * _deviation) + SurpriseFloor);
            if (certain && surprise == Surprise.Once) surprise = Surprise.Again;
            if (double.IsNaN(_deviation)) _deviation = 0;
            else if (surprise == Surprise.None) _deviation += DeviationRate * (Math.Abs(delay - expected) - _deviation);

            // Another load of the edge, or another rate of the link, changes all targets alike: what was learned of their differences stays.
            if (_forgets && surprise == Surprise.Again) _regression.Restart(_changing, Change(target, delay));
            if (!_forgets || surprise != Surprise.Once) _regression.Observe(_contexts[target], delay);
            return surprise;
        }

        private double Change(int target, double delay)
        {
            ReadOnlySpan<double> inputs = _contexts[target], coefficients = _regression.Coefficients;
            double before = 0, constant = 0;
            for (int i = 0; i < inputs.Length; i++)
            {
                if (i < _changing) before += inputs[i] * coefficients[i];
                else constant += inputs[i] * coefficients[i];
            }

            return before > 0 && delay > constant ? Math.Clamp((delay - constant) / before, 1 / MaxChange, MaxChange) : 1;
        }
    }
}
