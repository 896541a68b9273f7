using System.Numerics.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Orders channels by greedy backward elimination: each step removes the channel whose loss raises the consumers' squared
/// output error least, given that their other weights are re-fitted at once. For one consumer and one weight per channel
/// this is the optimal brain surgeon (Hassibi and Stork, NIPS 1992); a channel's taps go together here and the relative
/// errors of all consumers add up.
/// </summary>
internal sealed class ChannelElimination
{
    private readonly int _channels;
    private readonly List<Consumer> _consumers = [];

    /// <summary>Prepares the elimination of a group's channels.</summary>
    /// <param name="channels">Channels of the group.</param>
    public ChannelElimination(int channels) => _channels = channels;

    /// <summary>Adds a layer that reads the channels.</summary>
    /// <param name="statistics">The layer, with its inverse covariance.</param>
    /// <param name="taps">For each channel the taps that read it.</param>
    public void Add(LayerStatistics statistics, int[][] taps) => _consumers.Add(new Consumer(statistics, taps));

    /// <summary>The channels from the most to the least important.</summary>
    public int[] Order()
    {
        var order = new int[_channels];
        List<int> left = Enumerable.Range(0, _channels).ToList();
        for (int place = _channels - 1; place >= 0; place--)
        {
            int best = 0;
            double least = double.PositiveInfinity;
            for (int i = 0; i < left.Count; i++)
            {
                double cost = 0;
                foreach (Consumer consumer in _consumers) cost += consumer.Cost(left[i]);
                if (cost < least) (least, best) = (cost, i);
            }

            order[place] = left[best];
            left.RemoveAt(best);
            if (left.Count == 0) break;
            foreach (Consumer consumer in _consumers) consumer.Remove(order[place]);
        }

        return order;
    }

    /// <summary>One layer's re-fit problem while channels disappear.</summary>
    private sealed class Consumer
    {
        private readonly int _size;
        private readonly int _outputs;
        private readonly double[] _inverse;
        private readonly double[] _weights;
        private readonly double _scale;
        private readonly int[][] _taps;
        private readonly bool[] _isGone;

        public Consumer(LayerStatistics statistics, int[][] taps)
        {
            (_size, _outputs, _taps) = (statistics.Taps, statistics.Outputs, taps);
            _inverse = [.. statistics.Inverse!];
            _weights = Array.ConvertAll(statistics.Weights, weight => (double)weight);
            _scale = 1 / Math.Max(statistics.OutputEnergy(), double.Epsilon);
            _isGone = new bool[_size];
        }

        /// <summary>Rise in the share of unexplained output when the channel goes: tr(Wᵀ · (P_cc)⁻¹ · W) over the channel's rows W.</summary>
        public double Cost(int channel)
        {
            int[] taps = _taps[channel];
            if (Block(taps) is not { } block) return 0;
            double[] weights = Rows(taps), solved = [.. weights];
            block.Solve(solved, _outputs);
            return TensorPrimitives.Dot(weights, solved) * _scale;
        }

        /// <summary>Removes a channel: the others take over what they can.</summary>
        public void Remove(int channel)
        {
            int[] taps = _taps[channel];
            foreach (int tap in taps) _isGone[tap] = true;
            if (Block(taps) is not { } block) return;

            // P loses the channel's part, P -= P_:c (P_cc)⁻¹ P_c:, and W follows, W -= P_:c (P_cc)⁻¹ W_c.
            double[] weights = Rows(taps);
            block.Solve(weights, _outputs);
            var solved = new double[taps.Length * _size];
            for (int i = 0; i < taps.Length; i++) _inverse.AsSpan(taps[i] * _size, _size).CopyTo(solved.AsSpan(i * _size));
            block.Solve(solved, _size);
            var factors = new double[taps.Length];
            for (int row = 0; row < _size; row++)
            {
                if (_isGone[row]) continue;
                Span<double> inverse = _inverse.AsSpan(row * _size, _size), output = _weights.AsSpan(row * _outputs, _outputs);
                for (int i = 0; i < taps.Length; i++) factors[i] = -inverse[taps[i]];
                for (int i = 0; i < taps.Length; i++)
                {
                    TensorPrimitives.MultiplyAdd(solved.AsSpan(i * _size, _size), factors[i], inverse, inverse);
                    TensorPrimitives.MultiplyAdd(weights.AsSpan(i * _outputs, _outputs), factors[i], output, output);
                }
            }
        }

        private double[] Rows(int[] taps)
        {
            var rows = new double[taps.Length * _outputs];
            for (int i = 0; i < taps.Length; i++) _weights.AsSpan(taps[i] * _outputs, _outputs).CopyTo(rows.AsSpan(i * _outputs));
            return rows;
        }

        private Cholesky? Block(int[] taps)
        {
            var block = new double[taps.Length * taps.Length];
            for (int i = 0; i < taps.Length; i++)
            {
                for (int j = 0; j < taps.Length; j++) block[(i * taps.Length) + j] = _inverse[(taps[i] * _size) + taps[j]];
            }

            return Cholesky.TryFactor(block, taps.Length);
        }
    }
}
