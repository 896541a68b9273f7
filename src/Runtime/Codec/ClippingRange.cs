namespace CoInference.Runtime.Codec;

/// <summary>
/// The range of an affine quantizer that minimises the mean squared error on a sample. Few levels spread over rare extremes
/// cost more than clipping them does.
/// </summary>
internal static class ClippingRange
{
    private const int Bins = 512;
    private const int Candidates = 24;
    private const int Rounds = 4;

    /// <summary>Finds the range.</summary>
    /// <param name="histogram">Sample to be quantized.</param>
    /// <param name="levels">Levels of the quantizer, at least 2.</param>
    /// <returns>Values of the lowest and the highest level.</returns>
    public static (float Low, float High) Find(SampleHistogram histogram, int levels)
    {
        double low = histogram.Minimum;
        double high = histogram.Maximum;
        if (!(high > low)) return ((float)low, (float)low);
        double error = histogram.Error(low, high, levels);
        // Coordinate descent: each end in turn moves over a grid that narrows around its best place.
        double reach = high - low;
        for (int round = 0; round < Rounds; round++, reach /= 4)
        {
            Improve(ref high, -reach, low, moveHigh: true);
            Improve(ref low, reach, high, moveHigh: false);
        }

        return ((float)low, (float)high);

        void Improve(ref double end, double span, double other, bool moveHigh)
        {
            double start = end;
            for (int i = -Candidates / 4; i < Candidates; i++)
            {
                double candidate = Math.Clamp(start + (span * i / Candidates), histogram.Minimum, histogram.Maximum);
                if (moveHigh ? candidate <= other : candidate >= other) continue;
                double candidateError = moveHigh ? histogram.Error(other, candidate, levels) : histogram.Error(candidate, other, levels);
                if (candidateError >= error) continue;
                error = candidateError;
                end = candidate;
            }
        }
    }

    /// <summary>A sample in equal bins, each represented by its mean and second moment.</summary>
    internal sealed class SampleHistogram
    {
        private readonly double[] _weights = new double[Bins];
        private readonly double[] _sums = new double[Bins];

        /// <summary>Creates an empty histogram over [<paramref name="minimum"/>, <paramref name="maximum"/>].</summary>
        public SampleHistogram(float minimum, float maximum)
        {
            Minimum = minimum;
            Maximum = maximum;
        }

        /// <summary>Lower end.</summary>
        public double Minimum { get; }

        /// <summary>Upper end.</summary>
        public double Maximum { get; }

        /// <summary>Counts values, which lie within the ends.</summary>
        public void Add(ReadOnlySpan<float> values)
        {
            double scale = Maximum > Minimum ? (Bins - 1) / (Maximum - Minimum) : 0;
            foreach (float value in values)
            {
                int bin = (int)((value - Minimum) * scale);
                _weights[bin]++;
                _sums[bin] += value;
            }
        }

        /// <summary>Squared error of quantizing the sample to <paramref name="levels"/> levels from low to high.</summary>
        public double Error(double low, double high, int levels)
        {
            double step = (high - low) / (levels - 1);
            double inverse = 1 / step;
            double error = 0;
            for (int bin = 0; bin < Bins; bin++)
            {
                if (_weights[bin] == 0) continue;
                double mean = _sums[bin] / _weights[bin];
                double level = Math.Clamp(Math.Round((mean - low) * inverse), 0, levels - 1);
                double difference = mean - (low + (level * step));
                error += _weights[bin] * difference * difference;
            }

            return error;
        }
    }
}
