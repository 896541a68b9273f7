namespace CoInference.Agent.Baselines;

/// <summary>
/// A linear model reward ≈ c + Σ wᵢ·aᵢ of how much each step's compression costs, fitted by recursive least squares from
/// a prior under which every step costs the same.
/// </summary>
internal sealed class Sensitivities
{
    private const double PriorCost = 0.3, PriorVariance = 1, NoiseVariance = 0.02 * 0.02;

    private readonly double[] _weights;
    private readonly double[] _covariance;
    private readonly double[] _gain;

    /// <summary>Creates the prior for a number of steps.</summary>
    public Sensitivities(int steps)
    {
        _weights = new double[steps + 1];
        _gain = new double[steps + 1];
        _covariance = new double[_weights.Length * _weights.Length];
        _weights.AsSpan(0, steps).Fill(-PriorCost);
        _weights[steps] = 1;
        for (int i = 0; i <= steps; i++) _covariance[(i * _weights.Length) + i] = PriorVariance;
    }

    /// <summary>Estimated loss of reward for moving step <paramref name="step"/> by <paramref name="action"/>; never below a small positive number.</summary>
    public double Cost(int step, double action) => Math.Max(1e-4, -_weights[step]) * action;

    /// <summary>Takes an observation into account.</summary>
    public void Observe(IReadOnlyList<double> actions, double reward)
    {
        int count = _weights.Length;
        double predicted = _weights[^1], variance = NoiseVariance;
        for (int i = 0; i < count; i++)
        {
            double sum = 0;
            for (int j = 0; j < count; j++) sum += _covariance[(i * count) + j] * Input(j);
            _gain[i] = sum;
            variance += sum * Input(i);
            if (i < actions.Count) predicted += _weights[i] * actions[i];
        }

        for (int i = 0; i < count; i++)
        {
            _weights[i] += _gain[i] / variance * (reward - predicted);
            for (int j = 0; j < count; j++) _covariance[(i * count) + j] -= _gain[i] * _gain[j] / variance;
        }

        double Input(int i) => i < actions.Count ? actions[i] : 1;
    }

    public void Save(BinaryWriter writer)
    {
        foreach (double value in _weights) writer.Write(value);
        foreach (double value in _covariance) writer.Write(value);
    }

    public void Restore(BinaryReader reader)
    {
        for (int i = 0; i < _weights.Length; i++) _weights[i] = reader.ReadDouble();
        for (int i = 0; i < _covariance.Length; i++) _covariance[i] = reader.ReadDouble();
    }
}
