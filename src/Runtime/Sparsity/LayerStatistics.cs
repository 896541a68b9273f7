using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Sparsity;

/// <summary>What ranking needs to know about an ungrouped layer: its weights, and how its inputs vary together.</summary>
internal sealed class LayerStatistics
{
    // Beyond this the inverse moment matrix costs more time and memory than the better ranking is worth.
    private const int MaxInverseTaps = 1200;

    // Keeps the inverse finite where inputs are linearly dependent; far below the variance of any useful input.
    private const double Ridge = 1e-3;

    /// <summary>Measures a layer.</summary>
    /// <param name="layer">Its weights.</param>
    /// <param name="positions">Sampled output positions.</param>
    /// <param name="input">Its input.</param>
    /// <param name="withInverse">Whether <see cref="Inverse"/> is wanted.</param>
    /// <param name="workers">Threads that share the work.</param>
    public LayerStatistics(LayerWeights layer, int[] positions, CalibrationActivation input, bool withInverse, WorkerSet workers)
    {
        (Taps, Outputs, InChannels) = (layer.Taps, layer.Shape.OutChannels, layer.Shape.InChannels);
        Weights = layer.Matrix;
        var rows = new float[positions.Length * Taps];
        PatchMatrix.Gather(input, layer.Shape, group: 0, positions, rows, Taps);
        double[] mean = new double[Taps];
        Variance = new double[Taps];
        for (int r = 0; r < positions.Length; r++)
        {
            for (int tap = 0; tap < Taps; tap++) mean[tap] += rows[(r * Taps) + tap];
        }

        for (int tap = 0; tap < Taps; tap++) mean[tap] /= positions.Length;
        for (int r = 0; r < positions.Length; r++)
        {
            for (int tap = 0; tap < Taps; tap++)
            {
                ref float value = ref rows[(r * Taps) + tap];
                value -= (float)mean[tap];
                Variance[tap] += (double)value * value;
            }
        }

        for (int tap = 0; tap < Taps; tap++) Variance[tap] /= positions.Length;
        if (withInverse && Taps <= MaxInverseTaps) Inverse = Invert(rows, positions.Length, workers);
    }

    /// <summary>Weights per output.</summary>
    public int Taps { get; }

    /// <summary>Outputs.</summary>
    public int Outputs { get; }

    /// <summary>Input channels; tap t reads channel t mod InChannels.</summary>
    public int InChannels { get; }

    /// <summary>[Taps, Outputs].</summary>
    public float[] Weights { get; }

    /// <summary>Variance of each tap's input.</summary>
    public double[] Variance { get; }

    /// <summary>Inverse of the taps' covariance matrix, [Taps, Taps]; null when not wanted or too large.</summary>
    public double[]? Inverse { get; private set; }

    /// <summary>Output variance over all outputs if every tap varied on its own: the scale of the layer's errors.</summary>
    public double OutputEnergy()
    {
        double energy = 0;
        for (int tap = 0; tap < Taps; tap++) energy += Variance[tap] * WeightEnergy(tap);
        return energy;
    }

    /// <summary>Sum of squared weights at a tap.</summary>
    public double WeightEnergy(int tap)
    {
        double energy = 0;
        foreach (float weight in Weights.AsSpan(tap * Outputs, Outputs)) energy += (double)weight * weight;
        return energy;
    }

    /// <summary>
    /// What one squared weight at each tap is worth: the tap's variance, or, where the inverse is known, the variance
    /// that the other taps cannot explain, which is what remains after a re-fit.
    /// </summary>
    public double[] TapFactors()
    {
        var factors = new double[Taps];
        for (int tap = 0; tap < Taps; tap++) factors[tap] = Inverse is { } inverse ? 1 / inverse[(tap * Taps) + tap] : Variance[tap];
        return factors;
    }

    /// <summary>The lower triangle of <see cref="Inverse"/>, row by row; null before <see cref="Compact"/>.</summary>
    public float[]? CompactInverse { get; private set; }

    /// <summary>Keeps no more of the inverse than <see cref="CompactInverse"/>: channels are ranked once, units of a layer perhaps never.</summary>
    public void Compact()
    {
        if (Inverse is not { } inverse) return;
        CompactInverse = new float[Taps * (Taps + 1) / 2];
        for (int row = 0, at = 0; row < Taps; row++)
        {
            for (int column = 0; column <= row; column++) CompactInverse[at++] = (float)inverse[(row * Taps) + column];
        }

        Inverse = null;
    }

    private double[]? Invert(float[] rows, int count, WorkerSet workers)
    {
        var moments = new float[Taps * Taps];
        TransposedProduct.AccumulateGram(count, rows, Taps, moments, workers);
        double ridge = Math.Max(Variance.Sum() / Taps * Ridge, float.Epsilon);
        var covariance = new double[moments.Length];
        for (int i = 0; i < covariance.Length; i++) covariance[i] = moments[i] / count;
        for (int tap = 0; tap < Taps; tap++) covariance[(tap * Taps) + tap] += ridge;
        return Cholesky.TryFactor(covariance, Taps)?.Inverse();
    }
}
