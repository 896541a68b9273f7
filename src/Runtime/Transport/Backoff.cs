namespace CoInference.Runtime.Transport;

/// <summary>
/// Growing pauses between attempts: each is twice the one before, up to a limit, of which the upper half is random, so that
/// devices that lost one edge at the same moment do not come back at the same moment.
/// </summary>
internal sealed class Backoff
{
    private readonly TimeSpan _first;
    private readonly TimeSpan _limit;
    private readonly Random _random;
    private TimeSpan _next;

    /// <param name="first">The first pause.</param>
    /// <param name="limit">The longest.</param>
    /// <param name="random">Source of the random part.</param>
    public Backoff(TimeSpan first, TimeSpan limit, Random random) => (_first, _limit, _random, _next) = (first, limit, random, first);

    /// <summary>The pause before the next attempt.</summary>
    public TimeSpan Next()
    {
        TimeSpan pause = _next * (0.5 + (0.5 * _random.NextDouble()));
        _next = _next * 2 < _limit ? _next * 2 : _limit;
        return pause;
    }

    /// <summary>Starts over, after a success.</summary>
    public void Reset() => _next = _first;
}
