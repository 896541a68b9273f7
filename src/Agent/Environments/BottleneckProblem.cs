using CoInference.Runtime.Plans;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Agent.Environments;

/// <summary>
/// The decisions open at a cut for which bottlenecks were trained: a sparsity for each group of layers before the cut, then
/// which bottleneck of the table crosses, by its channels and its bits. All episodes share the table; nothing is trained here.
/// </summary>
public sealed class BottleneckProblem : ICutProblem
{
    private readonly int[] _channels, _bits;
    private readonly Dictionary<(int Channels, int Bits), (BottleneckNetwork Network, CutProblem Problem)> _table;
    private readonly int _groups;

    /// <summary>Joins the problems of a table's networks.</summary>
    /// <param name="table">The networks of one cut, a full grid of channels and bits, each with its problem at the code.</param>
    /// <exception cref="ArgumentException">The table is empty, or its problems differ in the groups they decide about.</exception>
    public BottleneckProblem(IReadOnlyList<(BottleneckNetwork Network, CutProblem Problem)> table)
    {
        ArgumentNullException.ThrowIfNull(table);
        if (table.Count == 0) throw new ArgumentException("The table is empty.", nameof(table));
        CutProblem first = table[0].Problem;
        DecisionStep[] groups = [.. first.Steps.Where(step => step.Kind == StepKind.Sparsity)];
        if (table.Any(entry => !entry.Problem.Steps.Take(groups.Length).Select(step => step.Name).SequenceEqual(groups.Select(step => step.Name))))
            throw new ArgumentException("The networks of the table do not have the same layers before the cut.", nameof(table));
        _groups = groups.Length;
        _table = table.ToDictionary(entry => (entry.Network.Code[1], entry.Network.Origin.Bits));
        _channels = [.. table.Select(entry => entry.Network.Code[1]).Distinct().OrderDescending()];
        _bits = [.. table.Select(entry => entry.Network.Origin.Bits).Distinct().OrderDescending()];
        Name = $"{table[0].Network.Origin.Cut}, learned";

        // The largest bottleneck of the table compresses nothing, as far as these steps can tell.
        DecisionStep codec = first.Steps[^1];
        Steps =
        [
            .. groups,
            new DecisionStep("bottleneck", StepKind.Bottleneck, [.. _channels.Select(channels => 1 - ((double)channels / _channels[0]))], codec.Layer, codec.DenseMs),
            new DecisionStep("bits", StepKind.Bits, [.. _bits.Select(bits => (_bits[0] - bits) / 7.0)], codec.Layer, codec.DenseMs),
        ];
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<DecisionStep> Steps { get; }

    /// <inheritdoc/>
    public CutDecision Decide(ReadOnlySpan<int> levels)
    {
        (BottleneckNetwork network, CutProblem problem) = Entry(levels);
        return problem.Decide(Inner(levels)) with { Bottleneck = network };
    }

    /// <inheritdoc/>
    public LatencyBreakdown Price(ReadOnlySpan<int> levels) => Entry(levels).Problem.Price(Inner(levels));

    /// <inheritdoc/>
    public double PayloadBytes(ReadOnlySpan<int> levels) => Entry(levels).Problem.PayloadBytes(Inner(levels));

    /// <inheritdoc/>
    public double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation) => Entry(levels).Problem.Judge(Inner(levels), cancellation);

    private (BottleneckNetwork Network, CutProblem Problem) Entry(ReadOnlySpan<int> levels) => _table[(_channels[levels[^2]], _bits[levels[^1]])];

    /// <summary>The same groups, all channels of the code, and its bits.</summary>
    private int[] Inner(ReadOnlySpan<int> levels) => [.. levels[.._groups], 0, 8 - _bits[levels[^1]]];
}
