using System.Text.Json.Serialization;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Baselines;

/// <summary>What a plan achieves that the searched plan is compared with.</summary>
public sealed record BaselineResult
{
    /// <summary>Name in reports, e.g. <c>edge only, PNG</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Name of the value that crosses; the graph's input for edge-only, its output for device-only; empty when there is no such plan.</summary>
    public required string Cut { get; init; }

    /// <summary>Accuracy on the validation images, 0 to 1; null when there is no such plan.</summary>
    public required double? Accuracy { get; init; }

    /// <summary>Accuracy on the test images, 0 to 1; null when it was not measured.</summary>
    public double? TestAccuracy { get; init; }

    /// <summary>Mean bytes that cross the link per inference, header included.</summary>
    public double PayloadBytes { get; init; }

    /// <summary>Latency by part from the latency table; null when there is no such plan.</summary>
    public required LatencyBreakdown? Predicted { get; init; }

    /// <summary>Latency by part, both halves run whole; the wire is computed from the payload. Null when it was not measured.</summary>
    public LatencyBreakdown? Measured { get; init; }

    /// <summary>Whether a rule or a decider chose sparsity and compression; false for the fixed plans that a relative budget refers to.</summary>
    public bool Decided { get; init; }

    /// <summary>What to know about it; why it is missing, when it is.</summary>
    public string Note { get; init; } = "";

    /// <summary>Whether a relative budget counts this baseline: it changes neither the network nor, beyond eight bits of a feature, what crosses.</summary>
    [JsonIgnore]
    public bool SetsBudget => !Decided && !Name.StartsWith(BaselinePlans.JpegName, StringComparison.Ordinal);
}
