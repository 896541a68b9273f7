using System.Numerics;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// What the parts of a request take now, learned from every outcome: how much slower than profiled the device computes, by executor and
/// state; seconds per byte and fixed seconds of the link, by strength of the signal; how much slower than profiled the edge is, and how
/// often there is no answer. With the profiles it tells what every target would take, not only the one that ran.
/// </summary>
internal sealed class PartModel
{
    /// <summary>Seconds that stand for never.</summary>
    public const double Never = 1e9;

    private const double EdgeRate = 0.3, LossRate = 0.005, LinkDiscount = 0.9, LinkRidge = 0.02, IdleForgetting = 0.99, TolerableShare = 0.5, OldNews = 0.2;
    private const double WeakestDbm = -95, CellDb = 5, GoodDbm = -60, DecadeDb = 18;

    // The smaller the input, the more the fixed time resists change: a longer delay is sooner a slower link than a longer way.
    private const double FixedInput = 0.2;
    private const int Cells = 13, FirstBackoff = 4, MaxBackoff = 64;

    private readonly double[] _device, _encode, _edge, _payload, _reply, _crosses, _busy, _standing, _factors;
    private readonly int[] _executors;
    private readonly DeviceSlowdown _slowdown;
    private readonly double[] _slowdowns;
    private readonly DiscountedRegression[] _links;
    private readonly SurpriseFilter[] _linkFilters = new SurpriseFilter[Cells];
    private readonly EnergyModel _energy;
    private readonly double _byteScale, _coding, _lossPrior;
    private double _edgeSlowdown = 1, _lostShare, _lostJoules;
    private SurpriseFilter _edgeFilter;
    private int _backoff, _unreachable;

    /// <summary>Creates a model that has seen nothing.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="states">States of the device that are told apart.</param>
    /// <param name="bytesPerSecond">Rate of a link with a good signal until it has been used; with a weaker one a tenth for each 18 dB.</param>
    /// <param name="roundTripSeconds">Fixed time of the link until it has been used.</param>
    /// <param name="lossPrior">Share of requests to the edge that get no answer, without experience.</param>
    /// <param name="lossSeconds">Seconds after which such a request is given up.</param>
    public PartModel(IReadOnlyList<TargetProfile> profiles, int states, double bytesPerSecond, double roundTripSeconds, double lossPrior, double lossSeconds)
    {
        Stride = (profiles.Count + Vector<double>.Count - 1) / Vector<double>.Count * Vector<double>.Count;
        _energy = profiles[0].Power.Model;
        _coding = profiles[0].Power.CodingWatts;
        (_lossPrior, _lostShare, _lostJoules) = (lossPrior, lossPrior, lossSeconds * _energy.BaselineWatts);
        _slowdown = new DeviceSlowdown(profiles, states);
        _slowdowns = new double[_slowdown.Executors];
        _executors = [.. Enumerable.Range(0, profiles.Count).Select(_slowdown.ExecutorOf)];
        _device = Column(profile => profile.DeviceSeconds);
        _encode = Column(profile => profile.EncodeSeconds);
        _edge = Column(profile => profile.EdgeSeconds);
        _payload = Column(profile => profile.Target.PayloadBytes);
        _reply = Column(profile => profile.ReplyBytes);
        _crosses = Column(profile => profile.Target.Placement == TargetPlacement.Device ? 0 : 1);
        _busy = Column(profile => profile.Power.BusyWatts - profile.Power.IdleWatts);
        _standing = Column(profile => _energy.BaselineWatts + profile.Power.IdleWatts);
        _factors = new double[Stride];
        _byteScale = Math.Max(1, profiles.Max(profile => profile.Bytes));
        _links = [.. Enumerable.Range(0, Cells).Select(cell => new DiscountedRegression([_byteScale / PriorRate(bytesPerSecond, WeakestDbm + ((cell + 0.5) * CellDb)), roundTripSeconds / FixedInput], LinkDiscount, LinkRidge))];

        double[] Column(Func<TargetProfile, double> value)
        {
            var column = new double[Stride];
            for (int i = 0; i < profiles.Count; i++) column[i] = value(profiles[i]);
            return column;
        }
    }

    /// <summary>Length of rows with one number per target: theirs rounded up to whole vectors.</summary>
    public int Stride { get; }

    /// <summary>Takes in what a target took.</summary>
    /// <param name="target">Its index.</param>
    /// <param name="state">State of the device.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="outcome">What it took.</param>
    public void Learn(int target, int state, in OperatingConditions conditions, in TargetOutcome outcome)
    {
        if (_unreachable > 0) _unreachable--;
        _slowdown.Learn(target, state, outcome.DeviceSeconds);
        int cell = Cell(conditions.SignalDbm);
        DiscountedRegression link = _links[cell];
        if (_crosses[target] == 0)
        {
            // An edge that was slow or silent, or a link that was, is not so for ever: without news the belief goes back to the profile.
            _edgeSlowdown = 1 + (IdleForgetting * (_edgeSlowdown - 1));
            _lostShare += LossRate * (_lossPrior - _lostShare);
            link.Forget(IdleForgetting);
            return;
        }

        _lostShare += LossRate * ((outcome.Answered ? 0 : 1) - _lostShare);
        if (!outcome.Answered)
        {
            _lostJoules = outcome.Joules;
            _backoff = Math.Min(MaxBackoff, Math.Max(FirstBackoff, 2 * _backoff));
            _unreachable = _backoff;
            return;
        }

        _backoff = 0;
        ReadOnlySpan<double> inputs = [(_payload[target] + _reply[target]) / _byteScale, FixedInput];
        double expected = link.Predict(inputs);
        Surprise surprise = _linkFilters[cell].Judge(outcome.WireSeconds, expected, TolerableShare * Math.Max(expected, 0));
        if (surprise == Surprise.Again) link.Forget(OldNews);
        link.Observe(inputs, outcome.WireSeconds);
        if (!(_edge[target] > 0)) return;
        double slowdown = (outcome.EdgeSeconds + outcome.QueueSeconds) / _edge[target];
        surprise = _edgeFilter.Judge(slowdown, _edgeSlowdown, TolerableShare * _edgeSlowdown);
        if (surprise != Surprise.Once) _edgeSlowdown += (surprise == Surprise.Again ? 1 : EdgeRate) * (slowdown - _edgeSlowdown);
    }

    /// <summary>What every target would take now.</summary>
    /// <param name="state">State of the device.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="joules">Receives the energy of each target, that of lost requests included in proportion; <see cref="Stride"/> numbers.</param>
    /// <param name="seconds">Receives the latency of each target; <see cref="Never"/> and more for those that need an edge which is silent.</param>
    public void Predict(int state, in OperatingConditions conditions, Span<double> joules, Span<double> seconds)
    {
        ReadOnlySpan<double> link = _links[Cell(conditions.SignalDbm)].Coefficients;
        double perByte = Math.Max(1e-12, link[0] / _byteScale);
        _slowdown.Read(state, _slowdowns);
        for (int i = 0; i < _executors.Length; i++) _factors[i] = _slowdowns[_executors[i]];

        var sent = new Vector<double>(perByte * _energy.TransmitWatts(conditions.SignalDbm));
        var received = new Vector<double>(perByte * _energy.ReceiveWatts(conditions.SignalDbm));
        var rate = new Vector<double>(perByte);
        var fixedSeconds = new Vector<double>(Math.Max(0, FixedInput * link[1]));
        var edgeSlowdown = new Vector<double>(_edgeSlowdown);
        var lost = new Vector<double>(_lostShare * _lostJoules);
        var silent = new Vector<double>(_unreachable > 0 ? Never : 0);
        var coding = new Vector<double>(_coding);
        for (int i = 0; i < Stride; i += Vector<double>.Count)
        {
            var factor = new Vector<double>(_factors, i);
            var payload = new Vector<double>(_payload, i);
            var reply = new Vector<double>(_reply, i);
            var crosses = new Vector<double>(_crosses, i);
            Vector<double> device = new Vector<double>(_device, i) * factor, encode = new Vector<double>(_encode, i) * factor;
            Vector<double> latency = device + encode + ((payload + reply) * rate) + (crosses * fixedSeconds) + (new Vector<double>(_edge, i) * edgeSlowdown);
            Vector<double> energy = (new Vector<double>(_busy, i) * device) + (coding * encode) + (payload * sent) + (reply * received)
                + (new Vector<double>(_standing, i) * latency) + (crosses * lost);
            energy.CopyTo(joules[i..]);
            (latency + (crosses * silent)).CopyTo(seconds[i..]);
        }
    }

    private static double PriorRate(double bytesPerSecond, double signalDbm) => bytesPerSecond * Math.Pow(10, Math.Min(0, signalDbm - GoodDbm) / DecadeDb);

    private static int Cell(double signalDbm) =>
        double.IsNaN(signalDbm) ? Cells - 1 : Math.Clamp((int)((signalDbm - WeakestDbm) / CellDb), 0, Cells - 1);
}
