using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>A finished walk through all steps, and what it earned.</summary>
public sealed record Episode
{
    /// <summary>State before each step.</summary>
    public required IReadOnlyList<float[]> States { get; init; }

    /// <summary>Level realised at each step.</summary>
    public required IReadOnlyList<int> Levels { get; init; }

    /// <summary>Action realised at each step: that of the level, after rounding and the wall.</summary>
    public required IReadOnlyList<double> Actions { get; init; }

    /// <summary>Predicted latency.</summary>
    public required LatencyBreakdown Latency { get; init; }

    /// <summary>Predicted payload in bytes.</summary>
    public required double PayloadBytes { get; init; }

    /// <summary>Accuracy, 0 to 1.</summary>
    public required double Accuracy { get; init; }

    /// <summary>Reward of the whole episode.</summary>
    public required double Reward { get; init; }
}
