using System.Numerics;
using System.Numerics.Tensors;
using CoInference.Agent.Networks;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// AutoScale (Kim and Wu, MICRO 2020): a table of values by state and target, learned by Q-learning from the energy, latency and accuracy
/// of every request. <see cref="AutoScaleOptions.Paper"/> is the algorithm as published; with the default options the values of the targets
/// that did not run are kept up from a model of the parts of a request (Dyna, Sutton 1990), so that they need not be tried one by one.
/// </summary>
public sealed class AutoScaleDecider : IOnlineDecider
{
    // A good wireless link: what has not been used is worth a try.
    private const double DefaultBytesPerSecond = 6.25e6, DefaultRoundTripSeconds = 0.005;

    private const int FirstProbeInterval = 5, MostProbeInterval = 20;

    private readonly IReadOnlyList<TargetProfile> _profiles;
    private readonly AutoScaleOptions _options;
    private readonly RandomSource _random;
    private readonly PartModel? _model;
    private readonly RequestConstraints[] _classes;
    private readonly bool[] _eligible;
    private readonly double[] _values, _planningRates, _joules, _seconds, _late, _accuracies, _accuracyRewards;
    private readonly EdgeProbing? _probing;
    private readonly int[] _visits, _stateVisits;
    private readonly int _stride;
    private int _classCount, _row;
    private OperatingConditions _lastConditions;
    private RequestConstraints _lastConstraints;
    private (int Row, int Target, double Reward) _pending = (-1, 0, 0);

    /// <summary>Creates a decider that has learned nothing.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="network">Size of the network.</param>
    /// <param name="space">States; null for the paper's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no target, or an option is out of range.</exception>
    public AutoScaleDecider(IReadOnlyList<TargetProfile> profiles, NetworkSize network, StateSpace? space = null, AutoScaleOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        if (profiles.Count == 0) throw new ArgumentException("There is no target to choose.", nameof(profiles));
        _options = options ?? new AutoScaleOptions();
        _options.Validate();
        (_profiles, Network, Space) = (profiles, network, space ?? StateSpace.Paper);
        _random = new RandomSource(_options.Seed);
        _classes = new RequestConstraints[_options.ConstraintClasses];
        if (_options.PlanningRate > 0)
        {
            _model = new PartModel(profiles, DefaultBytesPerSecond, DefaultRoundTripSeconds, _options.LossPrior, _options.LossSeconds);
            if (_options.Probes) _probing = new EdgeProbing(profiles, FirstProbeInterval, MostProbeInterval);
        }

        _stride = _model?.Stride ?? profiles.Count;
        _eligible = new bool[_classes.Length * _stride];
        int rows = Space.Count * _classes.Length;
        (_values, _visits, _stateVisits) = (new double[rows * _stride], new int[rows * _stride], new int[rows]);
        _planningRates = new double[_model is null ? 0 : rows * _stride];
        Array.Fill(_planningRates, 1);
        (_joules, _seconds, _late, _accuracyRewards) = (new double[_stride], new double[_stride], new double[_stride], new double[_stride]);
        _accuracies = [.. profiles.Select(profile => profile.Target.Accuracy)];
        for (int i = 0; i < profiles.Count; i++) _accuracyRewards[i] = 100 * _options.AccuracyWeight * _accuracies[i];
        EnergyScale = profiles.Max(profile => profile.Power.Joules(profile.DeviceSeconds, 0, 0, 0, profile.DeviceSeconds, double.NaN));
        if (!(EnergyScale > 0)) EnergyScale = 1;
    }

    /// <inheritdoc/>
    public string Name => "autoscale";

    /// <summary>Size of the network.</summary>
    public NetworkSize Network { get; }

    /// <summary>The states.</summary>
    public StateSpace Space { get; }

    /// <summary>Energy that rewards count as 100 %: of the costliest target's device layers, undisturbed; in joules.</summary>
    public double EnergyScale { get; }

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints)
    {
        int state = Space.State(conditions), kind = Class(constraints);
        _row = (kind * Space.Count) + state;
        (_lastConditions, _lastConstraints) = (conditions, constraints);
        if (_model is not null) Plan(_model, conditions, constraints);
        ReadOnlySpan<double> values = _values.AsSpan(_row * _stride, _profiles.Count);
        ReadOnlySpan<bool> eligible = _eligible.AsSpan(kind * _stride, _profiles.Count);
        int best = Best(values, eligible, null);
        Settle(values[best]);
        if (_model is null && _options.SweepUntried && Untried(eligible) is >= 0 and var untried) return untried;
        double epsilon = Math.Max(_options.EpsilonFloor, _options.Epsilon / (1 + (_stateVisits[_row] / _options.EpsilonHalvingVisits)));
        return _random.NextUniform() < epsilon ? Explore(values, eligible, best) : best;
    }

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
        int state = Space.State(conditions);
        int row = (Class(constraints) * Space.Count) + state;
        Settle(null);
        double reward = AutoScaleReward.Of(_options, constraints, _accuracies[target], outcome.Joules / EnergyScale, outcome.LatencySeconds, outcome.Answered);
        _pending = (row, target, reward);
        _visits[(row * _stride) + target]++;
        _stateVisits[row]++;
        if (_model is null) return;
        _planningRates[(row * _stride) + target] = _options.PlanningRate;
        bool doubted = _model.Learn(target, conditions, outcome);
        _probing?.Passed(_profiles[target].Target.Placement != TargetPlacement.Device && outcome.Answered, doubted);
    }

    /// <inheritdoc/>
    public int Probe()
    {
        if (_probing is not { IsDue: true } probing) return -1;
        if (IsEdgeWorthKnowing()) return probing.Target;
        probing.Postpone();
        return -1;
    }

    /// <inheritdoc/>
    public void LearnProbe(int target, in OperatingConditions conditions, in TargetOutcome outcome)
    {
        if (_model is null) return;
        bool doubted = _model.LearnProbe(target, conditions, outcome);
        _probing?.Probed(outcome.Answered, doubted);
    }

    /// <summary>The value of a target in a state.</summary>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="constraints">What a request asks for.</param>
    /// <param name="target">Index of the target.</param>
    public double Value(in OperatingConditions conditions, in RequestConstraints constraints, int target) =>
        _values[(((Class(constraints) * Space.Count) + Space.State(conditions)) * _stride) + target];

    /// <summary>The table as it is now; a reward that still waits for the next state is settled without one.</summary>
    public QTable ToTable()
    {
        Settle(null);
        var rows = new List<QTableRow>();
        int n = _profiles.Count;
        for (int row = 0; row < _stateVisits.Length; row++)
        {
            if (_stateVisits[row] == 0) continue;
            rows.Add(new QTableRow(row / Space.Count, row % Space.Count, [.. _values.AsSpan(row * _stride, n)], [.. _visits.AsSpan(row * _stride, n)]));
        }

        return new QTable
        {
            Features = Space.Features,
            NetworkBins = Space.NetworkBins(Network),
            Targets = [.. _profiles.Select(profile => profile.Target.Name)],
            Constraints = [.. _classes.Take(_classCount).Select(one => new QTableConstraints(1000 * one.LatencySeconds, one.Accuracy))],
            Rows = rows,
        };
    }

    /// <summary>Starts from a table.</summary>
    /// <param name="table">The table: of an earlier run, or of another device.</param>
    /// <param name="transfer">Whether it is of another device: what was tried there counts as tried once, so that own experience soon outweighs it.</param>
    /// <exception cref="InvalidDataException">The table has other state features, another class of network, or more kinds of requirements than this decider tells apart.</exception>
    /// <remarks>Targets are matched by name; those that only one side knows are left out.</remarks>
    public void Restore(QTable table, bool transfer)
    {
        ArgumentNullException.ThrowIfNull(table);
        table.Require(Space, Network, _classes.Length);
        int[] places = [.. table.Targets.Select(name => _profiles.ToList().FindIndex(profile => profile.Target.Name == name))];
        _pending = (-1, 0, 0);
        Array.Clear(_values);
        Array.Clear(_visits);
        Array.Clear(_stateVisits);
        Array.Fill(_planningRates, 1);
        _classCount = 0;
        foreach (QTableConstraints one in table.Constraints) Class(new RequestConstraints(one.LatencyMs / 1000, one.Accuracy, false));
        foreach (QTableRow row in table.Rows)
        {
            int at = (row.Constraints * Space.Count) + row.State;
            for (int i = 0; i < places.Length; i++)
            {
                if (places[i] < 0) continue;
                int cell = (at * _stride) + places[i];
                (_values[cell], _visits[cell]) = (row.Values[i], transfer ? Math.Min(1, row.Visits[i]) : row.Visits[i]);
                _stateVisits[at] += _visits[cell];
                if (_model is not null && _visits[cell] > 0) _planningRates[cell] = _options.PlanningRate;
            }
        }
    }

    /// <summary>Q += rate (R + discount max Q' - Q), now that the next state is known.</summary>
    private void Settle(double? nextBest)
    {
        if (_pending.Row < 0) return;
        ref double value = ref _values[(_pending.Row * _stride) + _pending.Target];
        double error = _pending.Reward + (_options.Discount * (nextBest ?? 0)) - value;
        value += _options.LearningRate * Math.Clamp(error, -_options.LargestError, _options.LargestError);
        _pending.Row = -1;
    }

    /// <summary>Moves the values of a state towards the rewards that the model expects there; those of targets that were never tried go all the way.</summary>
    /// <remarks>
    /// The third case, of targets that are not accurate enough, has no place here: with <see cref="AutoScaleOptions.ExcludeInaccurate"/> such
    /// targets are not chosen, and without it their rewards teach it soon enough.
    /// </remarks>
    private void Plan(PartModel model, in OperatingConditions conditions, in RequestConstraints constraints)
    {
        model.Predict(conditions, constraints.LatencySeconds, _joules, _seconds, _late, atBest: false);
        Span<double> values = _values.AsSpan(_row * _stride, _stride);
        Span<double> rates = _planningRates.AsSpan(_row * _stride, _stride);

        // The next state's best value is about this one's, in the model: states change slowly against the discount.
        var future = new Vector<double>(_options.Discount * TensorPrimitives.Max<double>(values[.._profiles.Count]));
        for (int i = 0; i < values.Length; i += Vector<double>.Count)
        {
            var value = new Vector<double>(values[i..]);
            (value + (new Vector<double>(rates[i..]) * (ModelledReward(i) + future - value))).CopyTo(values[i..]);
        }
    }

    /// <summary>Expected rewards of as many targets as a vector holds, from what the model has predicted.</summary>
    private Vector<double> ModelledReward(int first)
    {
        var late = new Vector<double>(_late, first);
        return new Vector<double>(_accuracyRewards, first) - (new Vector<double>(_options.EnergyWeight / EnergyScale) * new Vector<double>(_joules, first))
            + ((Vector<double>.One - late) * new Vector<double>(1000 * _options.LatencyWeight) * new Vector<double>(_seconds, first)) - (late * new Vector<double>(_options.LatePenalty));
    }

    /// <summary>Whether some target that needs the edge would be the best one if link and edge were as good as they might be.</summary>
    private bool IsEdgeWorthKnowing()
    {
        if (_model is not { } model) return false;
        model.Predict(_lastConditions, _lastConstraints.LatencySeconds, _joules, _seconds, _late, atBest: true);
        ReadOnlySpan<bool> eligible = _eligible.AsSpan(Class(_lastConstraints) * _stride, _profiles.Count);
        double alone = double.NegativeInfinity, crossing = double.NegativeInfinity;
        for (int i = 0; i < _stride; i += Vector<double>.Count)
        {
            Vector<double> rewards = ModelledReward(i);
            for (int lane = 0; lane < Vector<double>.Count && i + lane < _profiles.Count; lane++)
            {
                if (!eligible[i + lane]) continue;
                ref double best = ref (_profiles[i + lane].Target.Placement == TargetPlacement.Device ? ref alone : ref crossing);
                best = Math.Max(best, rewards[lane]);
            }
        }

        return crossing > alone;
    }

    private int Untried(ReadOnlySpan<bool> eligible)
    {
        ReadOnlySpan<int> visits = _visits.AsSpan(_row * _stride, eligible.Length);
        for (int i = 0; i < visits.Length; i++)
        {
            if (eligible[i] && visits[i] == 0) return i;
        }

        return -1;
    }

    private int Explore(ReadOnlySpan<double> values, ReadOnlySpan<bool> eligible, int best)
    {
        if (_model is null)
        {
            int count = 0, chosen = best;
            for (int i = 0; i < eligible.Length; i++)
            {
                if (eligible[i] && _random.NextIndex(++count) == 0) chosen = i;
            }

            return chosen;
        }

        // The model ranks targets of one placement well; what it may be wrong about is a part that was not used for a while.
        // And what it knows to be far worse needs no trial.
        int other = Best(values, eligible, (TargetPlacement)_random.NextIndex(3));
        return other < 0 || values[other] < values[best] - _options.ExplorationLoss ? best : other;
    }

    private int Best(ReadOnlySpan<double> values, ReadOnlySpan<bool> eligible, TargetPlacement? placement)
    {
        int best = -1;
        for (int i = 0; i < values.Length; i++)
        {
            if (eligible[i] && (placement is null || _profiles[i].Target.Placement == placement) && (best < 0 || values[i] > values[best])) best = i;
        }

        return best;
    }

    /// <summary>The number of a kind of requirements; a new one gets the next place, and its eligible targets are noted.</summary>
    private int Class(in RequestConstraints constraints)
    {
        for (int i = 0; i < _classCount; i++)
        {
            if (_classes[i].LatencySeconds == constraints.LatencySeconds && _classes[i].Accuracy == constraints.Accuracy) return i;
        }

        int place = Math.Min(_classCount, _classes.Length - 1);
        _classCount = place + 1;
        _classes[place] = constraints with { IsKey = false };
        Span<bool> eligible = _eligible.AsSpan(place * _stride, _profiles.Count);
        bool any = false;
        for (int i = 0; i < eligible.Length; i++)
        {
            eligible[i] = !_options.ExcludeInaccurate || _accuracies[i] >= constraints.Accuracy;
            any |= eligible[i];
        }

        if (!any) eligible.Fill(true);
        return place;
    }
}
