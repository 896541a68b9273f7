using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online.Replay;

/// <summary>Rate and round trip of a link, estimated from the frames that crossed it; recent ones count most.</summary>
internal sealed class LinkEstimator
{
    private const double Discount = 0.9, Ridge = 0.1, PriorBytesPerSecond = 2.5e6, PriorRoundTripSeconds = 0.01;

    private readonly DiscountedRegression _regression;
    private readonly double _scale;
    private bool _seen;

    /// <param name="largestBytes">Most bytes that a frame has, both ways.</param>
    public LinkEstimator(double largestBytes)
    {
        _scale = Math.Max(1, largestBytes);
        _regression = new DiscountedRegression([_scale / PriorBytesPerSecond, PriorRoundTripSeconds], Discount, Ridge);
    }

    public void Learn(double bytes, double seconds)
    {
        _regression.Observe([bytes / _scale, 1], seconds);
        _seen = true;
    }

    public OperatingConditions AddTo(in OperatingConditions conditions) => !_seen ? conditions : conditions with
    {
        BytesPerSecond = _scale / Math.Max(1e-9, _regression.Coefficients[0]),
        RoundTripSeconds = Math.Max(0, _regression.Coefficients[1]),
    };
}
