using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// What the parts of a request take now, learned from every outcome: how much slower than profiled the device computes, by executor and
/// state; seconds per byte and fixed seconds of the link, by strength of the signal; how much slower than profiled the edge is.
/// With the profiles it tells what every target would take, not only the one that ran.
/// </summary>
internal sealed class PartModel
{
    private const double EdgeRate = 0.4, LinkDiscount = 0.8, LinkRidge = 0.3, IdleForgetting = 0.99;
    private const double WeakestDbm = -95, CellDb = 5;
    private const int Cells = 13, MaxBackoff = 64;

    private readonly double[] _device, _busy, _busyIdle, _encode, _edge, _payload, _bytes;
    private readonly bool[] _crosses;
    private readonly DeviceSlowdown _slowdown;
    private readonly double[] _slowdowns;
    private readonly DiscountedRegression[] _links;
    private readonly IReadOnlyList<TargetProfile> _profiles;
    private readonly double _byteScale, _baseline, _coding;
    private double _edgeSlowdown = 1;
    private int _backoff, _unreachable;

    /// <summary>Creates a model that has seen nothing.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="states">States of the device that are told apart.</param>
    /// <param name="bytesPerSecond">Rate of the link until it has been used.</param>
    /// <param name="roundTripSeconds">Fixed time of the link until it has been used.</param>
    public PartModel(IReadOnlyList<TargetProfile> profiles, int states, double bytesPerSecond, double roundTripSeconds)
    {
        _profiles = profiles;
        int n = profiles.Count;
        (_device, _busy, _busyIdle, _encode) = (new double[n], new double[n], new double[n], new double[n]);
        (_edge, _payload, _bytes) = (new double[n], new double[n], new double[n]);
        _crosses = new bool[n];
        for (int i = 0; i < n; i++)
        {
            TargetProfile profile = profiles[i];
            ExecutionTarget target = profile.Target;
            _crosses[i] = target.Placement != TargetPlacement.Device;
            (_device[i], _encode[i], _edge[i]) = (profile.DeviceSeconds, profile.EncodeSeconds, profile.EdgeSeconds);
            (_payload[i], _bytes[i]) = (target.PayloadBytes, profile.Bytes);
            (_busy[i], _busyIdle[i]) = (profile.Power.BusyWatts - profile.Power.IdleWatts, profile.Power.IdleWatts);
        }

        _slowdown = new DeviceSlowdown(profiles, states);
        _slowdowns = new double[_slowdown.Executors];
        _byteScale = Math.Max(1, _bytes.Max());
        (_baseline, _coding) = (profiles[0].Power.Model.BaselineWatts, profiles[0].Power.CodingWatts);
        _links = [.. Enumerable.Range(0, Cells).Select(_ => new DiscountedRegression([_byteScale / bytesPerSecond, roundTripSeconds], LinkDiscount, LinkRidge))];
    }

    /// <summary>Whether the edge gave no answer lately and is not asked for a while.</summary>
    public bool EdgeIsAvoided => _unreachable > 0;

    /// <summary>Takes in what a target took.</summary>
    /// <param name="target">Its index.</param>
    /// <param name="state">State of the device.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="outcome">What it took.</param>
    public void Learn(int target, int state, in OperatingConditions conditions, in TargetOutcome outcome)
    {
        if (_unreachable > 0) _unreachable--;
        _slowdown.Learn(target, state, outcome.DeviceSeconds);
        DiscountedRegression link = _links[Cell(conditions.SignalDbm)];
        if (!_crosses[target])
        {
            // An edge that was slow, or a link that was, is not so for ever: without news the belief goes back to the profile.
            _edgeSlowdown = 1 + (IdleForgetting * (_edgeSlowdown - 1));
            link.Forget(IdleForgetting);
            return;
        }

        if (!outcome.Answered)
        {
            _backoff = Math.Min(MaxBackoff, Math.Max(1, 2 * _backoff));
            _unreachable = _backoff;
            return;
        }

        _backoff = 0;
        link.Observe([_bytes[target] / _byteScale, 1], outcome.WireSeconds);
        if (_edge[target] > 0) _edgeSlowdown += EdgeRate * (Math.Max(0.1, (outcome.EdgeSeconds + outcome.QueueSeconds) / _edge[target]) - _edgeSlowdown);
    }

    /// <summary>What every target would take now.</summary>
    /// <param name="state">State of the device.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="joules">Receives the energy of each target.</param>
    /// <param name="seconds">Receives the latency of each target; infinity for those that need an edge which is avoided.</param>
    public void Predict(int state, in OperatingConditions conditions, Span<double> joules, Span<double> seconds)
    {
        DiscountedRegression link = _links[Cell(conditions.SignalDbm)];
        double perByte = Math.Max(1e-12, link.Coefficients[0] / _byteScale), fixedSeconds = Math.Max(0, link.Coefficients[1]);
        double transmit = _profiles[0].Power.Model.TransmitWatts(conditions.SignalDbm), receive = _profiles[0].Power.Model.ReceiveWatts(conditions.SignalDbm);
        double edgeSlowdown = _edgeSlowdown, unreachable = EdgeIsAvoided ? double.PositiveInfinity : 0;
        _slowdown.Read(state, _slowdowns);
        for (int i = 0; i < joules.Length; i++)
        {
            double slowdown = _slowdowns[_slowdown.ExecutorOf(i)];
            double device = _device[i] * slowdown, encode = _encode[i] * slowdown, latency = device + encode;
            double energy = (_busy[i] * device) + (_coding * encode);
            if (_crosses[i])
            {
                latency += (_bytes[i] * perByte) + fixedSeconds + (_edge[i] * edgeSlowdown) + unreachable;
                energy += ((_payload[i] * transmit) + ((_bytes[i] - _payload[i]) * receive)) * perByte;
            }

            seconds[i] = latency;
            joules[i] = energy + ((_baseline + _busyIdle[i]) * latency);
        }
    }

    private static int Cell(double signalDbm) =>
        double.IsNaN(signalDbm) ? Cells - 1 : Math.Clamp((int)((signalDbm - WeakestDbm) / CellDb), 0, Cells - 1);
}
