namespace CoInference.Runtime.Codec;

/// <summary>Greedy column subset selection on a covariance matrix.</summary>
/// <remarks>
/// Each step takes the channel that explains most of what the channels taken so far leave unexplained in all channels, then
/// removes its part from the covariance (one step of pivoted Cholesky with a look-ahead pivot). A. Farahat, A. Ghodsi and
/// M. Kamel, "An efficient greedy method for unsupervised feature selection", ICDM 2011.
/// </remarks>
internal static class ChannelSelection
{
    // A channel whose residual variance is this small a part of its own is a combination of the others already.
    private const double Negligible = 1e-9;

    /// <summary>Ranks all channels; any prefix of the result is the greedy selection of its size.</summary>
    /// <param name="covariance">[channels, channels], symmetric; overwritten.</param>
    /// <param name="channels">Number of channels.</param>
    public static int[] Rank(double[] covariance, int channels)
    {
        var order = new int[channels];
        var taken = new bool[channels];
        var column = new double[channels];
        var floor = new double[channels];
        for (int c = 0; c < channels; c++) floor[c] = Negligible * covariance[(c * channels) + c];

        for (int rank = 0; rank < channels; rank++)
        {
            int best = Best(covariance, channels, taken, floor);
            order[rank] = best;
            taken[best] = true;
            double pivot = covariance[(best * channels) + best];
            if (pivot <= floor[best]) continue;
            covariance.AsSpan(best * channels, channels).CopyTo(column);
            for (int i = 0; i < channels; i++)
            {
                double factor = column[i] / pivot;
                if (factor == 0) continue;
                Span<double> row = covariance.AsSpan(i * channels, channels);
                for (int j = 0; j < channels; j++) row[j] -= factor * column[j];
            }
        }

        return order;
    }

    private static int Best(double[] residual, int channels, bool[] taken, double[] floor)
    {
        int best = -1;
        double bestGain = double.NegativeInfinity;
        for (int c = 0; c < channels; c++)
        {
            if (taken[c]) continue;
            ReadOnlySpan<double> row = residual.AsSpan(c * channels, channels);
            double gain = 0;
            if (row[c] > floor[c])
            {
                foreach (double value in row) gain += value * value;
                gain /= row[c];
            }

            if (gain <= bestGain) continue;
            best = c;
            bestGain = gain;
        }

        return best;
    }
}
