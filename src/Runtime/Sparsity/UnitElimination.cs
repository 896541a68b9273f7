using System.Numerics.Tensors;
using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Orders the blocks or single weights of a layer by greedy backward elimination: in each run of output channels that has units of
/// its own, each step removes the tap whose loss raises the squared output error least, given that the other weights of these
/// channels are re-fitted at once. A unit counts as much as the costliest removal up to its own, so that runs can be compared
/// (Frantar and Alistarh, "Optimal Brain Compression", NeurIPS 2022; for a block the costs of its channels add up).
/// </summary>
internal sealed class UnitElimination : IParallelWork
{
    // Multiply-adds of a layer's elimination, beyond which it takes longer than the better order is worth: some ten seconds.
    private const double MostProducts = 1L << 35;

    private readonly LayerStatistics _layer;
    private readonly int _unitChannels;
    private readonly float[] _inverse;
    private readonly float[] _importance;

    private UnitElimination(LayerStatistics layer, int unitChannels)
    {
        (_layer, _unitChannels, _inverse) = (layer, unitChannels, layer.CompactInverse!);
        _importance = new float[Runs * layer.Taps];
    }

    private int Runs => (_layer.Outputs + _unitChannels - 1) / _unitChannels;

    /// <summary>The importance of each unit, [run of output channels][tap]; taps in the order of <see cref="LayerStatistics"/>.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="unitChannels">Output channels per unit.</param>
    /// <param name="workers">Threads that share the runs.</param>
    /// <returns>null when the layer has no inverse, or is too large.</returns>
    public static float[]? Importance(LayerStatistics layer, int unitChannels, WorkerSet workers)
    {
        if (layer.CompactInverse is null) return null;
        var elimination = new UnitElimination(layer, unitChannels);
        double products = Math.Pow(layer.Taps, 2) * (layer.Taps / 3.0 + unitChannels) * elimination.Runs;
        if (products > MostProducts) return null;
        workers.Run(elimination, elimination.Runs);
        return elimination._importance;
    }

    void IParallelWork.Execute(int part) => Eliminate(part);

    private void Eliminate(int run)
    {
        int taps = _layer.Taps, first = run * _unitChannels, channels = Math.Min(_unitChannels, _layer.Outputs - first);
        float[] inverse = Square(taps), weights = new float[taps * channels];
        var places = new int[taps];
        for (int tap = 0; tap < taps; tap++)
        {
            places[tap] = tap;
            _layer.Weights.AsSpan((tap * _layer.Outputs) + first, channels).CopyTo(weights.AsSpan(tap * channels));
        }

        float costliest = 0;
        for (int left = taps; left > 0; left--)
        {
            int best = 0;
            float least = float.PositiveInfinity;
            for (int i = 0; i < left; i++)
            {
                float cost = TensorPrimitives.SumOfSquares(weights.AsSpan(i * channels, channels)) / inverse[(i * taps) + i];
                if (cost < least) (least, best) = (cost, i);
            }

            costliest = Math.Max(costliest, least);
            _importance[(run * taps) + places[best]] = costliest;

            // P loses the tap's part, P -= P_:t P_t: / P_tt, and W follows, W -= P_:t W_t / P_tt.
            ReadOnlySpan<float> row = inverse.AsSpan(best * taps, left), given = weights.AsSpan(best * channels, channels);
            float pivot = row[best];
            for (int i = 0; i < left; i++)
            {
                if (i == best) continue;
                Span<float> other = inverse.AsSpan(i * taps, left), taking = weights.AsSpan(i * channels, channels);
                float factor = -other[best] / pivot;
                TensorPrimitives.MultiplyAdd(row, factor, other, other);
                TensorPrimitives.MultiplyAdd(given, factor, taking, taking);
            }

            // The last tap takes the place of the one that is gone.
            int last = left - 1;
            if (best == last) continue;
            inverse.AsSpan(last * taps, left).CopyTo(inverse.AsSpan(best * taps));
            for (int i = 0; i < last; i++) inverse[(i * taps) + best] = inverse[(i * taps) + last];
            weights.AsSpan(last * channels, channels).CopyTo(weights.AsSpan(best * channels));
            places[best] = places[last];
        }
    }

    private float[] Square(int taps)
    {
        var square = new float[taps * taps];
        for (int row = 0, at = 0; row < taps; row++)
        {
            for (int column = 0; column <= row; column++, at++) square[(row * taps) + column] = square[(column * taps) + row] = _inverse[at];
        }

        return square;
    }
}
