namespace CoInference.Agent.Online;

/// <summary>
/// Time on the link = fixed seconds + bytes times seconds per byte at a strength of the signal, learned frame by frame with a Kalman filter of two
/// independent numbers. A strength that was never met starts from the nearest one that was.
/// </summary>
internal sealed class LinkModel
{
    private const int WeakestDbm = -95, StrongestDbm = -50, UnknownCell = StrongestDbm - WeakestDbm + 1, Cells = UnknownCell + 1;
    private const double GoodDbm = -60, DecadeDb = 18, NoiseShare = 0.05, NoiseSeconds = 0.0002, DriftShare = 0.03, FixedDriftShare = 0.02;
    private const double NeighbourShare = 0.5, FirstSpread = 0.05, SpreadRate = 0.1, TolerableShare = 0.3, AgeShare = 0.08, LeastShare = 0.02, Fastest = 1e-12;

    private readonly double[] _perByte = new double[Cells], _variance = new double[Cells], _prior = new double[Cells];
    private readonly bool[] _met = new bool[Cells];
    private readonly double _priorFixed;
    private double _fixed, _fixedVariance, _leastFixed;

    // A small probe cannot tell whether the surprise of a large frame was an accident.
    private SurpriseFilter _requests, _probes;

    /// <summary>Creates a model of a link that has not been used.</summary>
    /// <param name="bytesPerSecond">Rate with a good signal; with a weaker one a tenth for each 18 dB.</param>
    /// <param name="fixedSeconds">Time of an empty frame and its reply.</param>
    public LinkModel(double bytesPerSecond, double fixedSeconds)
    {
        for (int cell = 0; cell < Cells; cell++)
        {
            double dbm = cell == UnknownCell ? StrongestDbm : WeakestDbm + cell;
            _perByte[cell] = _prior[cell] = 1 / (bytesPerSecond * Math.Pow(10, Math.Min(0, dbm - GoodDbm) / DecadeDb));
            _variance[cell] = _perByte[cell] * _perByte[cell];
        }

        (_fixed, _priorFixed, _leastFixed, _fixedVariance) = (fixedSeconds, fixedSeconds, fixedSeconds, fixedSeconds * fixedSeconds);
    }

    /// <summary>Fixed seconds.</summary>
    public double FixedSeconds => _fixed;

    /// <summary>Fixed seconds as they might be at best.</summary>
    public double LeastFixedSeconds => _leastFixed;

    /// <summary>Relative deviation of single frames.</summary>
    public double Spread { get; private set; } = FirstSpread;

    /// <summary>Seconds per byte at a strength of the signal in dBm, or NaN.</summary>
    public double SecondsPerByte(double signalDbm)
    {
        int cell = Cell(signalDbm);
        return _met[cell] ? _perByte[cell] : FromNeighbour(cell);
    }

    /// <summary>Seconds per byte as they might be at best: two deviations below what is believed, or what a link that was never used is taken for.</summary>
    public double LeastSecondsPerByte(double signalDbm)
    {
        int cell = Cell(signalDbm);
        return _met[cell] ? Math.Max(LeastShare * _perByte[cell], _perByte[cell] - (2 * Math.Sqrt(_variance[cell]))) : Math.Min(FromNeighbour(cell), _prior[cell]);
    }

    /// <summary>A request went by without the link: what is known of it grows old.</summary>
    /// <param name="signalDbm">Strength of the signal in dBm, or NaN.</param>
    public void Age(double signalDbm)
    {
        int cell = Cell(signalDbm);
        if (_met[cell]) _variance[cell] += Square(AgeShare * _perByte[cell]);
    }

    /// <summary>Takes in a frame and its reply.</summary>
    /// <param name="signalDbm">Strength of the signal in dBm, or NaN.</param>
    /// <param name="bytes">Bytes of both.</param>
    /// <param name="seconds">Time on the link.</param>
    /// <param name="isProbe">Whether it was a probe.</param>
    /// <returns>How the time compares with what was expected.</returns>
    public Surprise Learn(double signalDbm, double bytes, double seconds, bool isProbe)
    {
        int cell = Cell(signalDbm);
        bool isNew = !_met[cell];
        if (isNew)
        {
            _perByte[cell] = FromNeighbour(cell);
            double first = _met.AsSpan().Contains(true) ? NeighbourShare * _perByte[cell] : _perByte[cell];
            (_met[cell], _variance[cell]) = (true, first * first);
        }

        double expected = _fixed + (bytes * _perByte[cell]), error = seconds - expected;
        Surprise surprise = isNew ? Surprise.None : (isProbe ? ref _probes : ref _requests).Judge(seconds, expected, (TolerableShare * expected) + NoiseSeconds);
        if (surprise == Surprise.Again)
        {
            // It has changed: nearly nothing of what was known holds, and a longer time is sooner a slower link than a longer way.
            double perByte = Math.Max(_perByte[cell], seconds / bytes);
            _variance[cell] = perByte * perByte;
            _fixedVariance = 0.01 * _fixed * _fixed;
        }

        double noise = (NoiseShare * expected) + NoiseSeconds, ofLink = bytes * bytes * _variance[cell];
        double total = _fixedVariance + ofLink + (noise * noise);
        if (surprise != Surprise.Once)
        {
            _fixed = Math.Max(0, _fixed + (error * _fixedVariance / total));
            _perByte[cell] = Math.Max(Fastest, _perByte[cell] + (error * bytes * _variance[cell] / total));
            _leastFixed = Math.Min(_priorFixed, _fixed);
            _fixedVariance = (_fixedVariance * (1 - (_fixedVariance / total))) + Square(FixedDriftShare * _fixed);
            _variance[cell] = (_variance[cell] * (1 - (ofLink / total))) + Square(DriftShare * _perByte[cell]);
        }

        if (!isNew && expected > 0 && surprise != Surprise.Again) Spread += SpreadRate * (Math.Min(1, Math.Abs(error) / expected) - Spread);
        return surprise;
    }

    private static double Square(double value) => value * value;

    private static int Cell(double signalDbm) => double.IsNaN(signalDbm) ? UnknownCell : Math.Clamp((int)Math.Floor(signalDbm) - WeakestDbm, 0, UnknownCell - 1);

    private double FromNeighbour(int cell)
    {
        if (cell == UnknownCell) return _perByte[cell];
        for (int distance = 1; distance < UnknownCell; distance++)
        {
            int below = cell - distance, above = cell + distance;
            if (above < UnknownCell && _met[above]) return _perByte[above] * _prior[cell] / _prior[above];
            if (below >= 0 && _met[below]) return _perByte[below] * _prior[cell] / _prior[below];
        }

        return _perByte[cell];
    }
}
