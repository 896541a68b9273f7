using System.Runtime.InteropServices;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Environments;

/// <summary>Remembers prices and judgements of a problem, so that several deciders, and a resumed search, pay for each decision once.</summary>
public sealed class MemoizedProblem : IDecisionProblem
{
    private readonly IDecisionProblem _problem;
    private readonly Dictionary<string, LatencyBreakdown> _prices = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _accuracies = new(StringComparer.Ordinal);

    /// <summary>Wraps a problem.</summary>
    public MemoizedProblem(IDecisionProblem problem) => _problem = problem;

    /// <inheritdoc/>
    public IReadOnlyList<DecisionStep> Steps => _problem.Steps;

    /// <inheritdoc/>
    public LatencyBreakdown Price(ReadOnlySpan<int> levels)
    {
        string key = Key(levels);
        if (!_prices.TryGetValue(key, out LatencyBreakdown? price)) _prices[key] = price = _problem.Price(levels);
        return price;
    }

    /// <inheritdoc/>
    public double PayloadBytes(ReadOnlySpan<int> levels) => _problem.PayloadBytes(levels);

    /// <inheritdoc/>
    public double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation)
    {
        string key = Key(levels);
        if (!_accuracies.TryGetValue(key, out double accuracy)) _accuracies[key] = accuracy = _problem.Judge(levels, cancellation);
        return accuracy;
    }

    /// <summary>Makes known what a decision cost and reached when it was judged before.</summary>
    public void Recall(IReadOnlyList<int> levels, LatencyBreakdown price, double accuracy)
    {
        string key = Key([.. levels]);
        _prices[key] = price;
        _accuracies[key] = accuracy;
    }

    private static string Key(ReadOnlySpan<int> levels) => new(MemoryMarshal.Cast<int, char>(levels));
}
