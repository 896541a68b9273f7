using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>
/// A sequence of graded decisions whose result has a price in milliseconds, known at once, and an accuracy, known after
/// work. A complete decision is one level per step, as <see cref="DecisionStep.Levels"/> lists them.
/// </summary>
public interface IDecisionProblem
{
    /// <summary>The steps in the order in which they are decided; at least one.</summary>
    IReadOnlyList<DecisionStep> Steps { get; }

    /// <summary>Predicted end-to-end latency of a complete decision.</summary>
    LatencyBreakdown Price(ReadOnlySpan<int> levels);

    /// <summary>Predicted bytes that cross the link, header included; 0 when nothing crosses.</summary>
    double PayloadBytes(ReadOnlySpan<int> levels);

    /// <summary>Accuracy, 0 to 1, of a complete decision on held-out data. Equal decisions have equal accuracy.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing was decided.</exception>
    double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation);
}
