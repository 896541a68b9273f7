using CoInference.Runtime.Plans;

namespace CoInference.Agent.Baselines;

/// <summary>What a plan that needs no search achieves.</summary>
/// <param name="Name">Name in reports, e.g. <c>edge only, PNG</c>.</param>
/// <param name="Cut">Name of the value that crosses; the graph's input for edge-only, its output for device-only.</param>
/// <param name="Accuracy">Accuracy on the whole search-validation split, 0 to 1; null when there is no such plan.</param>
/// <param name="PayloadBytes">Mean bytes per inference that cross the link, header included.</param>
/// <param name="Predicted">Latency by part, from the latency table.</param>
/// <param name="Measured">Latency by part, re-measured as whole halves; the wire is computed from the link.</param>
/// <param name="Pruned">Whether weights were removed.</param>
/// <param name="Note">What to know about it; why it is missing, when it is.</param>
public sealed record BaselineResult(
    string Name, string Cut, double? Accuracy, double PayloadBytes, LatencyBreakdown? Predicted, LatencyBreakdown? Measured, bool Pruned, string Note = "");
