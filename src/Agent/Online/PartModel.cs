using System.Numerics;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// What the parts of a request take now, learned from every outcome and probe: the device (<see cref="DeviceSlowdown"/>), the link
/// (<see cref="LinkModel"/>) and the edge (<see cref="EdgeModel"/>), with how far single requests are off. With the profiles it tells what every target
/// would take, not only the one that ran, and how likely it would be late.
/// </summary>
internal sealed class PartModel
{
    // Deviations are mean absolute ones; a normal distribution is 1.25 times as wide.
    private const double ToDeviation = 1.25, LeastDeviationShare = 0.005;

    // Of how many deviations on nothing is late by chance.
    private const double WidestDeviations = 3;

    private readonly double[] _device, _encode, _edge, _payload, _reply, _crosses, _busy, _standing, _factors, _deviations;
    private readonly int[] _executors;
    private readonly DeviceSlowdown _slowdown;
    private readonly double[] _slowdowns, _spreads;
    private readonly LinkModel _link;
    private readonly EdgeModel _edgeModel;
    private readonly EnergyModel _energy;
    private readonly double _coding;

    /// <summary>Creates a model that has seen nothing.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="bytesPerSecond">Rate of a link with a good signal until it has been used.</param>
    /// <param name="roundTripSeconds">Fixed time of the link until it has been used.</param>
    /// <param name="lossPrior">Share of requests to the edge that get no answer, without experience.</param>
    /// <param name="lossSeconds">Seconds after which such a request is given up.</param>
    public PartModel(IReadOnlyList<TargetProfile> profiles, double bytesPerSecond, double roundTripSeconds, double lossPrior, double lossSeconds)
    {
        Stride = (profiles.Count + Vector<double>.Count - 1) / Vector<double>.Count * Vector<double>.Count;
        _energy = profiles[0].Power.Model;
        _coding = profiles[0].Power.CodingWatts;
        _slowdown = new DeviceSlowdown(profiles);
        (_slowdowns, _spreads) = (new double[_slowdown.Executors], new double[_slowdown.Executors]);
        _executors = [.. Enumerable.Range(0, profiles.Count).Select(_slowdown.ExecutorOf)];
        _device = Column(profile => profile.DeviceSeconds);
        _encode = Column(profile => profile.EncodeSeconds);
        _edge = Column(profile => profile.EdgeSeconds);
        _payload = Column(profile => profile.Target.PayloadBytes);
        _reply = Column(profile => profile.ReplyBytes);
        _crosses = Column(profile => profile.Target.Placement == TargetPlacement.Device ? 0 : 1);
        _busy = Column(profile => profile.Power.BusyWatts - profile.Power.IdleWatts);
        _standing = Column(profile => _energy.BaselineWatts + profile.Power.IdleWatts);
        (_factors, _deviations) = (new double[Stride], new double[Stride]);
        _link = new LinkModel(bytesPerSecond, roundTripSeconds);
        _edgeModel = new EdgeModel(profiles.Max(profile => profile.EdgeSeconds), lossPrior, lossSeconds * _energy.BaselineWatts);

        double[] Column(Func<TargetProfile, double> value)
        {
            var column = new double[Stride];
            for (int i = 0; i < profiles.Count; i++) column[i] = value(profiles[i]);
            return column;
        }
    }

    /// <summary>Length of rows with one number per target: theirs rounded up to whole vectors.</summary>
    public int Stride { get; }

    /// <summary>Whether the edge was silent when it was last asked, not long ago.</summary>
    public bool IsEdgeSilent => _edgeModel.IsSilent;

    /// <summary>Takes in what a target took.</summary>
    /// <param name="target">Its index.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="outcome">What it took.</param>
    /// <returns>Whether something was far from what was expected, for the first time, and a probe could tell whether it has changed.</returns>
    public bool Learn(int target, in OperatingConditions conditions, in TargetOutcome outcome)
    {
        _slowdown.Learn(target, conditions, outcome.DeviceSeconds);
        if (_crosses[target] != 0) return LearnCrossing(target, conditions, outcome, isProbe: false);
        _edgeModel.Skip();
        _link.Age(conditions.SignalDbm);
        return false;
    }

    /// <summary>Takes in what a probe took.</summary>
    /// <inheritdoc cref="Learn"/>
    public bool LearnProbe(int target, in OperatingConditions conditions, in TargetOutcome outcome) => LearnCrossing(target, conditions, outcome, isProbe: true);

    /// <summary>What every target would take now.</summary>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="limitSeconds">Latency that counts as in time.</param>
    /// <param name="joules">Receives the expected energy of each target; <see cref="Stride"/> numbers.</param>
    /// <param name="seconds">Receives the expected latency of each target.</param>
    /// <param name="late">Receives the probability that the answer of each target is late or does not come.</param>
    /// <param name="atBest">Whether link and edge are taken to be as good as they might be, for all that is known.</param>
    public void Predict(in OperatingConditions conditions, double limitSeconds, Span<double> joules, Span<double> seconds, Span<double> late, bool atBest)
    {
        _slowdown.Read(conditions, _slowdowns, _spreads);
        for (int i = 0; i < _executors.Length; i++) (_factors[i], _deviations[i]) = (_slowdowns[_executors[i]], _spreads[_executors[i]]);
        double perByte = atBest ? _link.LeastSecondsPerByte(conditions.SignalDbm) : _link.SecondsPerByte(conditions.SignalDbm);
        double lostShare = atBest ? 0 : _edgeModel.IsSilent ? 1 : _edgeModel.LostShare, waitShare = atBest ? 0 : _edgeModel.WaitShare, meanWait = _edgeModel.MeanWaitSeconds;

        var sent = new Vector<double>(perByte * _energy.TransmitWatts(conditions.SignalDbm));
        var received = new Vector<double>(perByte * _energy.ReceiveWatts(conditions.SignalDbm));
        var rate = new Vector<double>(perByte);
        var fixedSeconds = new Vector<double>(atBest ? _link.LeastFixedSeconds : _link.FixedSeconds);
        var edgeSlowdown = new Vector<double>(atBest ? Math.Min(1, _edgeModel.Slowdown) : _edgeModel.Slowdown);
        var waits = new Vector<double>(waitShare);
        var perMeanWait = new Vector<double>(1 / Math.Max(1e-9, meanWait));
        var expectedWait = new Vector<double>(waitShare * meanWait);
        var lost = new Vector<double>(lostShare);
        var lostJoules = new Vector<double>(_edgeModel.LostJoules);
        var coding = new Vector<double>(_coding);
        var limit = new Vector<double>(limitSeconds);
        var linkSpread = new Vector<double>(ToDeviation * _link.Spread);
        var edgeSpread = new Vector<double>(ToDeviation * _edgeModel.Spread);
        Vector<double> one = Vector<double>.One;
        for (int i = 0; i < Stride; i += Vector<double>.Count)
        {
            var factor = new Vector<double>(_factors, i);
            var payload = new Vector<double>(_payload, i);
            var reply = new Vector<double>(_reply, i);
            var crosses = new Vector<double>(_crosses, i);
            Vector<double> device = new Vector<double>(_device, i) * factor, encode = new Vector<double>(_encode, i) * factor, edge = new Vector<double>(_edge, i) * edgeSlowdown;
            Vector<double> wire = ((payload + reply) * rate) + (crosses * fixedSeconds), certain = device + encode + wire + edge;
            Vector<double> latency = certain + (crosses * expectedWait);
            Vector<double> energy = (new Vector<double>(_busy, i) * device) + (coding * encode) + (payload * sent) + (reply * received) + (new Vector<double>(_standing, i) * latency);

            // Late by the deviations of the parts, or by a wait longer than what they leave of the limit, or lost.
            Vector<double> deviceSpread = new Vector<double>(ToDeviation) * new Vector<double>(_deviations, i) * (device + encode), wireSpread = linkSpread * wire, computeSpread = edgeSpread * edge;
            Vector<double> deviation = Vector.SquareRoot((deviceSpread * deviceSpread) + (wireSpread * wireSpread) + (computeSpread * computeSpread)) + (new Vector<double>(LeastDeviationShare) * certain);
            Vector<double> slack = limit - certain;
            Vector<double> byChance = Tail(slack / Vector.Max(deviation, new Vector<double>(1e-12)));
            Vector<double> byWait = crosses * waits * Decay(Vector.Max(Vector<double>.Zero, slack) * perMeanWait);
            Vector<double> isLost = crosses * lost;
            (energy + (isLost * lostJoules)).CopyTo(joules[i..]);
            latency.CopyTo(seconds[i..]);
            (one - ((one - byChance) * (one - byWait) * (one - isLost))).CopyTo(late[i..]);
        }
    }

    /// <summary>About the tail of a normal distribution beyond so many deviations: a cubic with the right value and slope in the middle that ends at 0 and 1.</summary>
    private static Vector<double> Tail(Vector<double> deviations)
    {
        Vector<double> place = Vector.Max(-Vector<double>.One, Vector.Min(Vector<double>.One, deviations * new Vector<double>(1 / WidestDeviations)));
        return new Vector<double>(0.5) - (place * (new Vector<double>(0.75) - (new Vector<double>(0.25) * place * place)));
    }

    /// <summary>About exp(-x) for x of 0 or more, without its cost: (1 + x/16)^-16.</summary>
    private static Vector<double> Decay(Vector<double> x)
    {
        Vector<double> power = Vector<double>.One + (x * new Vector<double>(1.0 / 16));
        power *= power;
        power *= power;
        power *= power;
        return Vector<double>.One / (power * power);
    }

    private bool LearnCrossing(int target, in OperatingConditions conditions, in TargetOutcome outcome, bool isProbe)
    {
        if (!outcome.Answered)
        {
            _edgeModel.Lose(isProbe ? double.NaN : outcome.Joules);
            return false;
        }

        Surprise link = _link.Learn(conditions.SignalDbm, _payload[target] + _reply[target], outcome.WireSeconds, isProbe);
        Surprise edge = _edgeModel.Learn(_edge[target], outcome.EdgeSeconds, outcome.QueueSeconds);
        // The edge computes for a probe what it computes for a request: a probe can tell about it at once. Another frame of that size has to tell about the link.
        return edge == Surprise.Once || (isProbe && link == Surprise.Once);
    }
}
