namespace CoInference.Agent.Online;

/// <summary>
/// Linear regression that forgets: ridge regression whose sums shrink with every new observation, as in discounted linear bandits
/// (Russac et al., 2019). All memory is taken at the start.
/// </summary>
/// <remarks>
/// A = g A + (1 - g) l I + x x', b = g b + x (y - x'p), coefficients p + inv(A) b, with discount g, ridge l and prior p: what is not
/// observed any more goes back to the prior.
/// </remarks>
public sealed class DiscountedRegression
{
    private readonly double[] _matrix, _inverse, _moments, _prior, _coefficients, _factor;
    private readonly double _discount, _ridge;
    private bool _started;

    /// <summary>Creates a regression without observations.</summary>
    /// <param name="prior">Coefficients that hold without observations; as many as inputs.</param>
    /// <param name="discount">Weight of an observation after the next one, above 0 and at most 1.</param>
    /// <param name="ridge">Weight of the prior, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public DiscountedRegression(ReadOnlySpan<double> prior, double discount, double ridge)
    {
        if (!(discount is > 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(discount), discount, "A discount is above 0 and at most 1.");
        if (!(ridge > 0)) throw new ArgumentOutOfRangeException(nameof(ridge), ridge, "A ridge is above 0.");
        (_discount, _ridge, _prior) = (discount, ridge, prior.ToArray());
        int n = prior.Length;
        (_matrix, _inverse, _factor) = (new double[n * n], new double[n * n], new double[n * n]);
        (_moments, _coefficients) = (new double[n], new double[n]);
        Restart(0, 1);
    }

    /// <summary>Number of inputs.</summary>
    public int Inputs => _prior.Length;

    /// <summary>Coefficients now.</summary>
    public ReadOnlySpan<double> Coefficients => _coefficients;

    /// <summary>Forgets all observations but keeps what they taught, some of it scaled, as the new prior.</summary>
    /// <param name="scaled">So many coefficients, from the first on, are scaled.</param>
    /// <param name="factor">Factor on them.</param>
    public void Restart(int scaled, double factor)
    {
        if (_started) _coefficients.CopyTo(_prior, 0);
        for (int i = 0; i < scaled; i++) _prior[i] *= factor;
        _started = true;
        Array.Clear(_matrix);
        Array.Clear(_inverse);
        Array.Clear(_moments);
        for (int i = 0; i < Inputs; i++) (_matrix[(i * Inputs) + i], _inverse[(i * Inputs) + i]) = (_ridge, 1 / _ridge);
        _prior.CopyTo(_coefficients, 0);
    }

    /// <summary>Takes in an observation.</summary>
    /// <param name="inputs">The inputs x.</param>
    /// <param name="value">The value y.</param>
    public void Observe(ReadOnlySpan<double> inputs, double value)
    {
        int n = Inputs;
        double residual = value;
        for (int i = 0; i < n; i++) residual -= inputs[i] * _prior[i];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++) _matrix[(i * n) + j] = (_discount * _matrix[(i * n) + j]) + (inputs[i] * inputs[j]);
            _matrix[(i * n) + i] += (1 - _discount) * _ridge;
            _moments[i] = (_discount * _moments[i]) + (inputs[i] * residual);
        }

        Solve();
    }

    /// <summary>Lets observations lose weight without a new one.</summary>
    /// <param name="discount">Factor on their weight, above 0 and at most 1.</param>
    public void Forget(double discount)
    {
        int n = Inputs;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++) _matrix[(i * n) + j] *= discount;
            _matrix[(i * n) + i] += (1 - discount) * _ridge;
            _moments[i] *= discount;
        }

        Solve();
    }

    /// <summary>The value expected at some inputs.</summary>
    public double Predict(ReadOnlySpan<double> inputs)
    {
        double sum = 0;
        for (int i = 0; i < _coefficients.Length; i++) sum += inputs[i] * _coefficients[i];
        return sum;
    }

    /// <summary>x' inv(A) x: how little is known at some inputs.</summary>
    public double Uncertainty(ReadOnlySpan<double> inputs)
    {
        int n = Inputs;
        double sum = 0;
        for (int i = 0; i < n; i++)
        {
            double row = 0;
            for (int j = 0; j < n; j++) row += _inverse[(i * n) + j] * inputs[j];
            sum += inputs[i] * row;
        }

        return sum;
    }

    /// <summary>Inverse by Cholesky factors A = L L', and from it the coefficients.</summary>
    private void Solve()
    {
        int n = Inputs;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = _matrix[(i * n) + j];
                for (int k = 0; k < j; k++) sum -= _factor[(i * n) + k] * _factor[(j * n) + k];
                _factor[(i * n) + j] = i == j ? Math.Sqrt(sum) : sum / _factor[(j * n) + j];
            }
        }

        for (int column = 0; column < n; column++)
        {
            for (int i = 0; i < n; i++)
            {
                double sum = i == column ? 1 : 0;
                for (int k = column; k < i; k++) sum -= _factor[(i * n) + k] * _inverse[(k * n) + column];
                _inverse[(i * n) + column] = i < column ? 0 : sum / _factor[(i * n) + i];
            }

            for (int i = n - 1; i >= 0; i--)
            {
                double sum = _inverse[(i * n) + column];
                for (int k = i + 1; k < n; k++) sum -= _factor[(k * n) + i] * _inverse[(k * n) + column];
                _inverse[(i * n) + column] = sum / _factor[(i * n) + i];
            }
        }

        for (int i = 0; i < n; i++)
        {
            double sum = _prior[i];
            for (int j = 0; j < n; j++) sum += _inverse[(i * n) + j] * _moments[j];
            _coefficients[i] = sum;
        }
    }
}
