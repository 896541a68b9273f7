using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>Ranks the channels of each group.</summary>
internal sealed class ChannelSaliency
{
    private readonly Graph _graph;
    private readonly ChannelAnalysis _analysis;
    private readonly Importance _importance;
    private readonly Dictionary<string, double[]> _consumerScores = new(StringComparer.Ordinal);

    public ChannelSaliency(Graph graph, ChannelAnalysis analysis, Importance importance) =>
        (_graph, _analysis, _importance) = (graph, analysis, importance);

    /// <summary>Takes in a layer of the original network, its sampled positions and its input.</summary>
    public void Observe(Node node, LayerWeights layer, RefitLayer sample, CalibrationActivation input)
    {
        if (layer.Shape.Groups != 1) return;
        int channels = layer.Shape.InChannels, outputs = layer.Shape.OutChannels;
        var rows = new float[sample.Positions.Length * layer.Taps];
        PatchMatrix.Gather(input, layer.Shape, 0, sample.Positions, rows, layer.Taps);
        var scores = new double[channels];
        for (int tap = 0; tap < layer.Taps; tap++)
        {
            double mean = 0, square = 0;
            for (int r = 0; r < sample.Positions.Length; r++)
            {
                double v = rows[(r * layer.Taps) + tap];
                mean += v;
                square += v * v;
            }

            mean /= sample.Positions.Length;
            double variance = (square / sample.Positions.Length) - (mean * mean);
            double weight = 0;
            for (int o = 0; o < outputs; o++) weight += layer.Matrix[(tap * outputs) + o] * (double)layer.Matrix[(tap * outputs) + o];
            scores[tap % channels] += weight * variance;
        }

        double total = scores.Sum();
        if (total > 0)
        {
            for (int c = 0; c < channels; c++) scores[c] /= total;
        }

        _consumerScores[node.Name] = scores;
    }

    /// <summary>For each space its channels from the most to the least important.</summary>
    public Dictionary<ChannelSpace, int[]> Rank(IEnumerable<ChannelSpace> spaces)
    {
        Dictionary<ChannelSpace, double[]> scores = spaces.ToDictionary(space => space, space => new double[space.Channels]);
        foreach (WeightAxis axis in _analysis.WeightAxes)
        {
            if (axis.Node.OpType is not ("Conv" or "Gemm" or "MatMul") || axis.Input != 1) continue;
            bool isOutput = axis.Channels == _analysis.LayoutOf(axis.Node.Outputs[0]);
            bool hasActivations = _consumerScores.ContainsKey(axis.Node.Name);
            double[]? perPosition = _importance switch
            {
                Importance.L1 or Importance.L2 => isOutput ? WeightNorms(axis) : null,
                _ when !isOutput && hasActivations => _consumerScores[axis.Node.Name],
                _ when !hasActivations => WeightNorms(axis),
                _ => null,
            };
            if (perPosition is null) continue;
            int position = 0;
            foreach (ChannelSpace part in axis.Channels.Parts)
            {
                for (int c = 0; c < part.Channels; c++)
                {
                    for (int s = 0; s < axis.Channels.Spread; s++, position++)
                    {
                        if (scores.TryGetValue(part.Root, out double[]? sum)) sum[c] += perPosition[position];
                    }
                }
            }
        }

        return scores.ToDictionary(pair => pair.Key, pair => Enumerable.Range(0, pair.Key.Channels).OrderByDescending(c => pair.Value[c]).ToArray());
    }

    private double[] WeightNorms(WeightAxis axis)
    {
        Tensor weights = _graph.Initializers[axis.Node.Inputs[1]];
        var norms = new double[weights.Shape[axis.Axis]];
        int inner = 1;
        for (int later = axis.Axis + 1; later < weights.Shape.Rank; later++) inner *= weights.Shape[later];
        ReadOnlySpan<float> values = weights.Values<float>();
        for (int i = 0; i < values.Length; i++)
        {
            double value = values[i];
            norms[i / inner % norms.Length] += _importance == Importance.L1 ? Math.Abs(value) : value * value;
        }

        return norms;
    }
}
