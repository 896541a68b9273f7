namespace CoInference.Agent.Environments;

/// <summary>No decision meets the budget, not even the most compressing one.</summary>
public sealed class InfeasibleBudgetException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Names the budget and what is reachable.</param>
    /// <param name="minimumMs">Smallest latency that can be reached, in milliseconds.</param>
    public InfeasibleBudgetException(string message, double minimumMs)
        : base(message) => MinimumMs = minimumMs;

    /// <summary>Smallest latency that can be reached, in milliseconds.</summary>
    public double MinimumMs { get; }
}
