namespace CoInference.Agent.Online;

/// <summary>How slow the edge is, how long requests wait there, and whether it answers at all, learned from every reply.</summary>
internal sealed class EdgeModel
{
    private const double Rate = 0.3, TolerableShare = 0.4, FirstSpread = 0.05, SpreadRate = 0.1, WaitRate = 0.05, MeanWaitRate = 0.1, FirstWaitShare = 0.05, NoWaitShare = 0.05, LossRate = 0.002;
    private const int FirstBackoff = 8, MaxBackoff = 64;

    private readonly double _serviceSeconds, _lossPrior;
    private SurpriseFilter _filter;
    private double _meanWait;
    private int _backoff, _silent;

    /// <summary>Creates a model of an edge that has not been used.</summary>
    /// <param name="serviceSeconds">Longest time of a request on the undisturbed edge.</param>
    /// <param name="lossPrior">Share of requests that get no answer.</param>
    /// <param name="lossJoules">Energy that such a request costs.</param>
    public EdgeModel(double serviceSeconds, double lossPrior, double lossJoules)
    {
        (_serviceSeconds, _lossPrior, LostShare, LostJoules) = (serviceSeconds, lossPrior, lossPrior, lossJoules);
        _meanWait = serviceSeconds;
    }

    /// <summary>Factor on the profile's times.</summary>
    public double Slowdown { get; private set; } = 1;

    /// <summary>Relative deviation of single requests.</summary>
    public double Spread { get; private set; } = FirstSpread;

    /// <summary>Share of requests that wait.</summary>
    public double WaitShare { get; private set; } = FirstWaitShare;

    /// <summary>Mean time that these wait; taken to be distributed exponentially, as in an M/M/1 queue.</summary>
    public double MeanWaitSeconds => _meanWait * Slowdown;

    /// <summary>Share of requests that get no answer.</summary>
    public double LostShare { get; private set; }

    /// <summary>Energy of such a request.</summary>
    public double LostJoules { get; private set; }

    /// <summary>Whether the last request or probe got no answer, not long ago.</summary>
    public bool IsSilent => _silent > 0;

    /// <summary>A request went by without the edge.</summary>
    public void Skip()
    {
        if (_silent > 0) _silent--;
        LostShare += LossRate * (_lossPrior - LostShare);
    }

    /// <summary>A request got no answer.</summary>
    /// <param name="joules">What it cost; NaN for a probe, which costs less.</param>
    public void Lose(double joules)
    {
        if (!double.IsNaN(joules))
        {
            LostShare += LossRate * (1 - LostShare);
            LostJoules = joules;
        }

        _backoff = Math.Min(MaxBackoff, Math.Max(FirstBackoff, 2 * _backoff));
        _silent = _backoff;
    }

    /// <summary>Takes in a reply.</summary>
    /// <param name="profiled">The edge's time by the profile.</param>
    /// <param name="seconds">The time that it took.</param>
    /// <param name="waited">Time in the queue.</param>
    /// <returns>How the time compares with what was expected.</returns>
    public Surprise Learn(double profiled, double seconds, double waited)
    {
        (_backoff, _silent) = (0, 0);
        LostShare -= LossRate * LostShare;
        bool waits = waited > NoWaitShare * _serviceSeconds;
        WaitShare += WaitRate * ((waits ? 1 : 0) - WaitShare);
        if (!(profiled > 0)) return Surprise.None;
        double slowdown = seconds / profiled;
        Surprise surprise = _filter.Judge(slowdown, Slowdown, TolerableShare * Slowdown);
        if (surprise == Surprise.None) Spread += SpreadRate * (Math.Abs((slowdown / Slowdown) - 1) - Spread);
        if (surprise != Surprise.Once) Slowdown += (surprise == Surprise.Again ? 1 : Rate) * (slowdown - Slowdown);
        if (waits) _meanWait += MeanWaitRate * ((waited / Slowdown) - _meanWait);
        return surprise;
    }
}
