using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace CoInference.Runtime.Sparsity;

/// <summary>Ranks the channels of each group, and says what single weights are worth.</summary>
internal sealed class ChannelSaliency
{
    private readonly Graph _graph;
    private readonly ChannelAnalysis _analysis;
    private readonly Importance _importance;
    private readonly WorkerSet _workers;
    private readonly TaylorImportance? _taylor;
    private readonly Dictionary<string, LayerStatistics> _statistics = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Layer, int UnitChannels), float[]?> _unitImportance = [];
    private readonly Dictionary<string, double[]> _tapFactors = new(StringComparer.Ordinal);

    /// <summary>Creates an empty ranking.</summary>
    public ChannelSaliency(Graph graph, ChannelAnalysis analysis, PrunerOptions options, TaylorImportance? taylor = null) =>
        (_graph, _analysis, _importance, _workers, _taylor) = (graph, analysis, options.Importance, options.Workers, taylor);

    /// <summary>Takes in a layer of the original network, its sampled positions and its input.</summary>
    public void Observe(Node node, LayerWeights layer, RefitLayer sample, CalibrationActivation input)
    {
        if (layer.Shape.Groups != 1 || _importance is not (Importance.Activation or Importance.Reconstruction)) return;
        var statistics = new LayerStatistics(layer, sample.Positions, input, _importance == Importance.Reconstruction, _workers);
        _statistics[node.Name] = statistics;
        _tapFactors[node.Name] = statistics.TapFactors();
    }

    /// <summary>What a squared weight is worth at each tap (kernel row, kernel column, input channel); null when nothing was observed.</summary>
    public double[]? TapFactors(string layer) => _tapFactors.GetValueOrDefault(layer);

    /// <summary>
    /// The importance of each unit of a layer once the weights that are left are re-fitted, [run of output channels][tap]; null when
    /// the layer was not observed so, or is too large.
    /// </summary>
    public float[]? UnitImportance(string layer, int unitChannels)
    {
        if (_unitImportance.TryGetValue((layer, unitChannels), out float[]? known)) return known;
        float[]? importance = _statistics.TryGetValue(layer, out LayerStatistics? statistics) ? UnitElimination.Importance(statistics, unitChannels, _workers) : null;
        return _unitImportance[(layer, unitChannels)] = importance;
    }

    /// <summary>Output variance of a layer, the scale of what its units cost; null when it was not observed.</summary>
    public double? OutputEnergy(string layer) => _statistics.GetValueOrDefault(layer)?.OutputEnergy();

    /// <summary>For each space its channels from the most to the least important.</summary>
    public Dictionary<ChannelSpace, int[]> Rank(IEnumerable<ChannelSpace> spaces)
    {
        ILookup<ChannelSpace, (WeightAxis Axis, int Part)> readers = Axes(isOutput: false), writers = Axes(isOutput: true);
        var ranking = new Dictionary<ChannelSpace, int[]>();
        foreach (ChannelSpace space in spaces)
        {
            bool isObserved = readers[space].Any() && readers[space].All(reader => _statistics.ContainsKey(reader.Axis.Node.Name));
            if (isObserved && readers[space].All(reader => _statistics[reader.Axis.Node.Name].Inverse is not null))
            {
                var elimination = new ChannelElimination(space.Channels);
                foreach ((WeightAxis axis, int part) in readers[space]) elimination.Add(_statistics[axis.Node.Name], Taps(axis, part));
                ranking.Add(space, elimination.Order());
                continue;
            }

            var scores = new double[space.Channels];
            foreach ((WeightAxis axis, int part) in isObserved ? readers[space] : writers[space]) AddScores(axis, part, isObserved, scores);
            ranking.Add(space, Enumerable.Range(0, space.Channels).OrderByDescending(channel => scores[channel]).ToArray());
        }

        foreach (LayerStatistics statistics in _statistics.Values) statistics.Compact();
        return ranking;
    }

    /// <summary>The input or output axes of layers by space, with the position of the space among the axis' parts.</summary>
    private ILookup<ChannelSpace, (WeightAxis Axis, int Part)> Axes(bool isOutput) => _analysis.WeightAxes
        .Where(axis => axis.Input == 1 && axis.Node.OpType is "Conv" or "Gemm" or "MatMul" && axis.IsOutput == isOutput)
        .SelectMany(axis => axis.Channels.Parts.Select((space, part) => (Space: space.Root, Axis: axis, Part: part)))
        .ToLookup(entry => entry.Space, entry => (entry.Axis, entry.Part));

    /// <summary>For each channel of one part of a layer's input the taps that read it.</summary>
    private int[][] Taps(WeightAxis axis, int part)
    {
        LayerStatistics statistics = _statistics[axis.Node.Name];
        int offset = Offset(axis, part), spread = axis.Channels.Spread, positions = statistics.Taps / statistics.InChannels;
        return Enumerable.Range(0, axis.Channels.Parts[part].Channels).Select(channel =>
            Enumerable.Range(0, positions).SelectMany(position =>
                Enumerable.Range(0, spread).Select(s => (position * statistics.InChannels) + ((offset + channel) * spread) + s)).ToArray()).ToArray();
    }

    private void AddScores(WeightAxis axis, int part, bool isObserved, double[] scores)
    {
        if (isObserved)
        {
            LayerStatistics statistics = _statistics[axis.Node.Name];
            double scale = 1 / Math.Max(statistics.OutputEnergy(), double.Epsilon);
            int[][] taps = Taps(axis, part);
            for (int channel = 0; channel < scores.Length; channel++)
            {
                foreach (int tap in taps[channel]) scores[channel] += statistics.Variance[tap] * statistics.WeightEnergy(tap) * scale;
            }

            return;
        }

        Tensor weights = _graph.Initializers[axis.Node.Inputs[1]];
        ReadOnlySpan<float> values = weights.Values<float>();
        if (axis.Axis == 0 && FilterScores(axis.Node.Inputs[1], weights) is { } filters)
        {
            for (int channel = 0, from = Offset(axis, part); channel < scores.Length; channel++) scores[channel] += filters[from + channel];
            return;
        }

        int offset = Offset(axis, part), inner = 1;
        for (int later = axis.Axis + 1; later < weights.Shape.Rank; later++) inner *= weights.Shape[later];
        for (int i = 0; i < values.Length; i++)
        {
            int channel = (i / inner % weights.Shape[axis.Axis]) - offset;
            if ((uint)channel >= (uint)scores.Length) continue;
            scores[channel] += _importance == Importance.L1 ? Math.Abs(values[i]) : (double)values[i] * values[i];
        }
    }

    /// <summary>Scores of whole filters, the first axis of a weight tensor; null when weights are scored one by one.</summary>
    private double[]? FilterScores(string name, Tensor weights) =>
        _importance == Importance.GeometricMedian ? Distances(weights.Values<float>(), weights.Shape[0]) : _taylor?.Filters(name);

    /// <summary>Mean distance of each filter from the others, over the mean of the layer: tied layers then count alike.</summary>
    private static double[] Distances(ReadOnlySpan<float> weights, int filters)
    {
        int taps = weights.Length / filters;
        var sums = new double[filters];
        double total = 0;
        for (int i = 0; i < filters; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double distance = TensorPrimitives.Distance(weights.Slice(i * taps, taps), weights.Slice(j * taps, taps));
                sums[i] += distance;
                sums[j] += distance;
                total += 2 * distance;
            }
        }

        if (total > 0) TensorPrimitives.Multiply(sums, filters / total, sums);
        return sums;
    }

    private static int Offset(WeightAxis axis, int part) => axis.Channels.Parts.Take(part).Sum(space => space.Channels);
}
