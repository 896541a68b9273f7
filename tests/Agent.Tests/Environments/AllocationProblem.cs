using CoInference.Agent.Environments;
using CoInference.Agent.Networks;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Tests.Environments;

/// <summary>
/// Sparsity to be shared out among layers whose time and importance are drawn from a seed, by closed formulas: the cost
/// of a layer falls with its own and its predecessor's sparsity, accuracy falls with the square of each sparsity times
/// the layer's importance. The optimum is not uniform, and is found by exhaustion where the problem is small.
/// </summary>
internal sealed class AllocationProblem : IDecisionProblem
{
    private readonly double[] _times, _importances;
    private readonly bool _codec;

    public AllocationProblem(int groups, long seed, bool codec = true, int levels = 9)
    {
        var random = new RandomSource(seed);
        _times = [.. Enumerable.Range(0, groups).Select(_ => 0.2 + random.NextUniform())];
        _importances = [.. Enumerable.Range(0, groups).Select(_ => Math.Pow(10, (2 * random.NextUniform()) - 2))];
        _codec = codec;
        double[] sparsities = [.. Enumerable.Range(0, levels).Select(level => 0.8 * level / (levels - 1))];
        var steps = new List<DecisionStep>();
        for (int i = 0; i < groups; i++)
            steps.Add(new DecisionStep($"group{i}", StepKind.Sparsity, sparsities, new LayerFeatures(16, (int)(1000 * _importances[i]), 32, 32, 1, 3), _times[i]));
        if (codec)
        {
            steps.Add(new DecisionStep("bottleneck", StepKind.Bottleneck, [0, 0.25, 0.5, 0.75, 0.875], new LayerFeatures(16, 16, 8, 8, 1, 1), 8));
            steps.Add(new DecisionStep("bits", StepKind.Bits, [.. Enumerable.Range(0, 8).Select(i => i / 7.0)], new LayerFeatures(16, 16, 8, 8, 1, 1), 8));
        }

        Steps = steps;
    }

    public IReadOnlyList<DecisionStep> Steps { get; }

    public int Judged { get; private set; }

    public double DenseMs => Price(new int[Steps.Count]).TotalMs;

    public LatencyBreakdown Price(ReadOnlySpan<int> levels)
    {
        double device = 0, before = 0;
        for (int i = 0; i < _times.Length; i++)
        {
            double sparsity = Steps[i].Levels[levels[i]];
            device += _times[i] * (1 - sparsity) * (1 - before);
            before = sparsity;
        }

        return new LatencyBreakdown(device, 0, PayloadBytes(levels) / 1000, 0, 0.1);
    }

    public double PayloadBytes(ReadOnlySpan<int> levels) => !_codec ? 0
        : 64 + (1024 * (1 - Steps[^2].Levels[levels[^2]]) * (8 - (7 * Steps[^1].Levels[levels[^1]])) / 8);

    public double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        Judged++;
        return Accuracy(levels);
    }

    public double Accuracy(ReadOnlySpan<int> levels)
    {
        double loss = 0;
        for (int i = 0; i < _times.Length; i++) loss += _importances[i] * Math.Pow(Steps[i].Levels[levels[i]], 2);
        if (_codec) loss += (0.3 * Math.Pow(Steps[^2].Levels[levels[^2]], 2)) + (0.3 * Math.Pow(Steps[^1].Levels[levels[^1]], 4));
        return Math.Exp(-loss);
    }
}
