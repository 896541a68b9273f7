using System.Diagnostics;

namespace CoInference.Runtime.Conditions;

/// <summary>
/// Rate and round-trip time of a link, from the requests that crossed it: time on the wire = round trip + bytes / rate, fitted by least
/// squares in which a request counts half as much for every <see cref="HalfLife"/> that has passed since.
/// </summary>
/// <remarks>
/// Requests of one size say only what the sum is. The fit is held by one more observation of constant weight, an empty frame that took
/// the shortest time seen lately; a rate that would not be positive is taken from the sum alone.
/// </remarks>
public sealed class LinkEstimator
{
    private const double PriorWeight = 0.1, FloorGrowthPerHalfLife = 1.1;

    private readonly double _halfLifeTicks;
    private readonly Lock _gate = new();
    private double _weight, _bytes, _seconds, _bytesSquared, _product;
    private double _floor = double.PositiveInfinity;
    private long _last;

    /// <summary>Creates an estimator that knows nothing.</summary>
    /// <param name="halfLife">Time in which an observation loses half its weight; null for one second.</param>
    public LinkEstimator(TimeSpan? halfLife = null)
    {
        HalfLife = halfLife ?? TimeSpan.FromSeconds(1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HalfLife, TimeSpan.Zero, nameof(halfLife));
        _halfLifeTicks = HalfLife.TotalSeconds * Stopwatch.Frequency;
    }

    /// <summary>Time in which an observation loses half its weight.</summary>
    public TimeSpan HalfLife { get; }

    /// <summary>Rate in bytes per second; NaN before the first observation.</summary>
    public double BytesPerSecond { get; private set; } = double.NaN;

    /// <summary>Round-trip time in seconds; NaN before the first observation.</summary>
    public double RoundTripSeconds { get; private set; } = double.NaN;

    /// <summary>Learns from a request and its reply.</summary>
    /// <param name="bytes">Bytes of both.</param>
    /// <param name="seconds">Time on the wire, both ways.</param>
    public void Observe(double bytes, double seconds) => Observe(bytes, seconds, Stopwatch.GetTimestamp());

    /// <summary>Learns from a request and its reply that came at a time of the caller's clock.</summary>
    /// <param name="bytes">Bytes of both.</param>
    /// <param name="seconds">Time on the wire, both ways.</param>
    /// <param name="now">The time, above 0, in units of <see cref="Stopwatch"/>.</param>
    public void Observe(double bytes, double seconds, long now) => Observe(bytes, seconds, now, isAnswered: true);

    /// <summary>Learns from a request that was given up: the link took at least that long for it.</summary>
    /// <param name="bytes">Bytes of the request.</param>
    /// <param name="seconds">Time after which it was given up.</param>
    public void ObserveLoss(double bytes, double seconds)
    {
        // One that was lost sooner than others are answered says nothing about the rate: the edge was gone, not slow.
        if (!double.IsNaN(BytesPerSecond) && seconds < RoundTripSeconds + (bytes / BytesPerSecond)) return;
        Observe(bytes, seconds, Stopwatch.GetTimestamp(), isAnswered: false);
    }

    internal void Observe(double bytes, double seconds, long now, bool isAnswered)
    {
        if (!(bytes > 0) || !(seconds > 0)) return;
        lock (_gate)
        {
            double kept = _last == 0 ? 0 : Math.Pow(0.5, Math.Max(0, now - _last) / _halfLifeTicks);
            _last = now;
            _weight = (kept * _weight) + 1;
            _bytes = (kept * _bytes) + bytes;
            _seconds = (kept * _seconds) + seconds;
            _bytesSquared = (kept * _bytesSquared) + (bytes * bytes);
            _product = (kept * _product) + (bytes * seconds);
            // The floor creeps up, so that a route that became longer is noticed.
            if (isAnswered) _floor = Math.Min(kept > 0 ? _floor * Math.Pow(FloorGrowthPerHalfLife, -Math.Log2(kept)) : _floor, seconds);
            Fit();
        }
    }

    private void Fit()
    {
        double weight = _weight, seconds = _seconds;
        if (double.IsFinite(_floor))
        {
            weight += PriorWeight;
            // An empty frame takes less than the shortest request; half of it errs by no more than itself.
            seconds += PriorWeight * _floor / 2;
        }

        double spread = (weight * _bytesSquared) - (_bytes * _bytes);
        double perByte = spread > 0 ? ((weight * _product) - (_bytes * seconds)) / spread : 0;
        double roundTrip = (seconds - (perByte * _bytes)) / weight;
        if (!(roundTrip > 0)) (roundTrip, perByte) = (0, _seconds / _bytes);
        if (!(perByte > 0)) perByte = Math.Max(1e-12, _seconds / _bytes / 2);
        BytesPerSecond = 1 / perByte;
        RoundTripSeconds = roundTrip;
    }
}
