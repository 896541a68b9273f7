namespace CoInference.Agent.Online;

/// <summary>
/// AutoScale's reward, by three cases: not accurate enough, R = accuracy - 100; in time, R = -E + alpha latency + beta accuracy; late,
/// R = -E + beta accuracy. Accuracy is in percent, latency in milliseconds.
/// </summary>
/// <remarks>
/// The paper does not say in which unit energy stands beside the constant 100; here
/// <see cref="AutoScaleOptions.EnergyWeight"/> is what the costliest target loses. A request without an answer has an accuracy of 0, and loses what a late one loses.
/// </remarks>
public static class AutoScaleReward
{
    /// <summary>The reward of one request.</summary>
    /// <param name="options">Weights.</param>
    /// <param name="constraints">What the request asked for.</param>
    /// <param name="accuracy">Accuracy of the target, 0 to 1.</param>
    /// <param name="energyShare">Energy over the scale; 1 is 100 %.</param>
    /// <param name="latencySeconds">From the request to its answer.</param>
    /// <param name="answered">Whether there was an answer.</param>
    public static double Of(AutoScaleOptions options, in RequestConstraints constraints, double accuracy, double energyShare, double latencySeconds, bool answered)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!answered) return -100 - (options.EnergyWeight * energyShare) - options.LatePenalty;
        if (accuracy < constraints.Accuracy) return (100 * accuracy) - 100;
        double reward = (-options.EnergyWeight * energyShare) + (100 * options.AccuracyWeight * accuracy);
        return latencySeconds <= constraints.LatencySeconds ? reward + (1000 * options.LatencyWeight * latencySeconds) : reward - options.LatePenalty;
    }
}
