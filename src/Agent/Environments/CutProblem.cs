using System.Runtime.InteropServices;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Agent.Environments;

/// <summary>
/// The decisions open at one cut of a real network: a sparsity for each group of layers of the device half, then, unless
/// the whole network runs on the device, how many channels of the feature are sent and in how many bits.
/// </summary>
public sealed class CutProblem : ICutProblem
{
    private static readonly double[] WeightSparsities = [0, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975];

    private readonly IReadOnlyList<GroupDecision[]> _groupLevels;
    private readonly PlanPricer _pricer;
    private readonly Func<IReadOnlyList<GroupDecision>, CodecDecision?, CancellationToken, double> _judge;
    private readonly DecisionRange _range;
    private readonly Dictionary<string, HalfPrices> _halves = new(StringComparer.Ordinal);

    /// <summary>Creates the problem and prices its dense layers.</summary>
    /// <param name="graph">The simplified network.</param>
    /// <param name="cut">An interior cut, or the network's output.</param>
    /// <param name="groups">Groups of the device half.</param>
    /// <param name="pricer">Prices decisions.</param>
    /// <param name="judge">Accuracy, 0 to 1, of decisions at this cut.</param>
    /// <param name="range">What may be decided.</param>
    /// <exception cref="ArgumentException">Nothing can be decided at this cut.</exception>
    public CutProblem(
        Graph graph, Cut cut, IReadOnlyList<PrunableGroup> groups, PlanPricer pricer,
        Func<IReadOnlyList<GroupDecision>, CodecDecision?, CancellationToken, double> judge, DecisionRange range)
    {
        range.Validate();
        (Cut, _pricer, _judge, _range) = (cut, pricer, judge, range);
        _groupLevels = [.. groups.Select(group => Levels(group, range)).Where(levels => levels.Length > 1)];
        PrunableGroup[] decided = [.. groups.Where(group => _groupLevels.Any(levels => levels[0].Group == group.Name))];
        if (cut.Kind == CutKind.Output && decided.Length == 0) throw new ArgumentException($"Nothing can be pruned in graph '{graph.Name}'.", nameof(groups));
        Steps = [.. GroupSteps(graph, decided), .. cut.Kind == CutKind.Output ? [] : CodecSteps()];
    }

    /// <summary>Where the network is cut.</summary>
    public Cut Cut { get; }

    /// <inheritdoc/>
    public string Name => Cut.Value;

    /// <inheritdoc/>
    public IReadOnlyList<DecisionStep> Steps { get; }

    /// <inheritdoc/>
    public CutDecision Decide(ReadOnlySpan<int> levels)
    {
        GroupDecision[] groups = Groups(levels);
        return new CutDecision(Cut, groups, Codec(levels, Halves(levels, groups)));
    }

    /// <inheritdoc/>
    public LatencyBreakdown Price(ReadOnlySpan<int> levels)
    {
        HalfPrices halves = Halves(levels, null);
        return _pricer.Price(Cut, halves, Codec(levels, halves));
    }

    /// <inheritdoc/>
    public double PayloadBytes(ReadOnlySpan<int> levels)
    {
        HalfPrices halves = Halves(levels, null);
        return Codec(levels, halves) is { } codec ? PlanPricer.PayloadBytes(halves.Feature, codec) : 0;
    }

    /// <inheritdoc/>
    public double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation)
    {
        CutDecision decision = Decide(levels);
        return _judge(decision.Groups, decision.Codec, cancellation);
    }

    private static GroupDecision[] Levels(PrunableGroup group, DecisionRange range)
    {
        if (group.Form != WeightForm.Dense)
            return [.. WeightSparsities.Where(sparsity => sparsity <= range.MaximumWeightSparsity).Select(sparsity => group.Decide(sparsity)).DistinctBy(decision => decision.Sparsity)];
        int fewest = Math.Max(1, (int)Math.Ceiling((1 - range.MaximumChannelSparsity) * group.Channels));
        var kept = new List<int> { group.Channels };
        for (int channels = group.Channels / range.ChannelMultiple * range.ChannelMultiple; channels >= fewest; channels -= range.ChannelMultiple)
        {
            if (channels > 0 && channels < group.Channels) kept.Add(channels);
        }

        if (range.RemovesBranches && group.Sum is not null) kept.Add(0);

        return [.. kept.Select(channels => group.Decide(1 - ((double)channels / group.Channels), range.ChannelMultiple)).DistinctBy(decision => decision.KeptChannels)];
    }

    private GroupDecision[] Groups(ReadOnlySpan<int> levels)
    {
        var groups = new GroupDecision[_groupLevels.Count];
        for (int i = 0; i < groups.Length; i++) groups[i] = _groupLevels[i][levels[i]];
        return groups;
    }

    private CodecDecision? Codec(ReadOnlySpan<int> levels, HalfPrices halves)
    {
        if (Cut.Kind == CutKind.Output) return null;
        int total = halves.Feature[1];
        int channels = Math.Clamp((int)Math.Round((1 - Steps[^2].Levels[levels[^2]]) * total), 1, total);
        return new CodecDecision(channels, total, 8 - levels[^1], _range.EntropyCoding);
    }

    private HalfPrices Halves(ReadOnlySpan<int> levels, GroupDecision[]? groups)
    {
        string key = new(MemoryMarshal.Cast<int, char>(levels[.._groupLevels.Count]));
        if (!_halves.TryGetValue(key, out HalfPrices? halves)) _halves[key] = halves = _pricer.Halves(Cut, groups ?? Groups(levels));
        return halves;
    }

    private IEnumerable<DecisionStep> GroupSteps(Graph graph, PrunableGroup[] groups)
    {
        if (groups.Length == 0) yield break;
        Dictionary<string, double> times = _pricer.DeviceSteps(Cut).GroupBy(entry => entry.Step.Node).ToDictionary(entries => entries.Key, entries => entries.Sum(entry => entry.Ms));
        Dictionary<string, List<Node>> consumers = graph.Consumers();
        Dictionary<string, Node> nodes = graph.Nodes.ToDictionary(node => node.Name);
        for (int i = 0; i < groups.Length; i++)
        {
            ConvShape shape = groups[i].Layers[0].Shape;
            yield return new DecisionStep(
                groups[i].Name, StepKind.Sparsity, [.. _groupLevels[i].Select(level => level.Sparsity)],
                new LayerFeatures(shape.InChannels, shape.OutChannels, shape.OutHeight, shape.OutWidth, shape.StrideY, shape.KernelHeight),
                groups[i].Layers.Sum(layer => TimeOf(nodes[layer.Node])));
        }

        // A planned step is named after the last node fused into it: follow the layer's result until that node is met.
        double TimeOf(Node layer)
        {
            for (Node? node = layer; node is not null; node = consumers.GetValueOrDefault(node.Outputs[0]) is [var only] ? only : null)
            {
                if (times.TryGetValue(node.Name, out double ms)) return ms;
            }

            return 0;
        }
    }

    private DecisionStep[] CodecSteps()
    {
        HalfPrices dense = _pricer.Halves(Cut, []);
        int channels = dense.Feature[1], height = dense.Feature.Rank > 2 ? dense.Feature[2] : 1, width = dense.Feature.Rank > 3 ? dense.Feature[3] : 1;
        LatencyBreakdown price = _pricer.Price(Cut, dense, new CodecDecision(channels, channels, 8, _range.EntropyCoding));
        double ms = price.EncodeMs + price.WireMs + price.DecodeMs;
        int[] sent = [.. Enumerable.Range(0, _range.BottleneckLevels)
            .Select(level => Math.Max(1, (int)Math.Round(channels * (1 - ((double)level / _range.BottleneckLevels))))).Append(1).Distinct()];
        var layer = new LayerFeatures(channels, channels, height, width, 1, 1);
        return
        [
            new DecisionStep("bottleneck", StepKind.Bottleneck, [.. sent.Select(count => 1 - ((double)count / channels))], layer, ms),
            new DecisionStep("bits", StepKind.Bits, [.. Enumerable.Range(0, 9 - _range.MinimumBits).Select(level => level / 7.0)], layer, ms),
        ];
    }
}
