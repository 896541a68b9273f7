using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>How parameters follow their gradients.</summary>
public enum OptimizerKind
{
    /// <summary>Gradient descent with momentum.</summary>
    Sgd,

    /// <summary>Adam (Kingma and Ba 2014).</summary>
    Adam,
}

/// <summary>One optimizer with its memory of earlier gradients. Weights that a mask holds at zero stay there.</summary>
public sealed class Optimizer
{
    private const float AdamMean = 0.9f, AdamSquare = 0.999f, AdamEpsilon = 1e-8f;

    private readonly OptimizerKind _kind;
    private readonly TrainingParameter[] _parameters;
    private readonly float[][] _first, _second;
    private readonly float _momentum, _weightDecay;

    /// <summary>Starts without memory.</summary>
    /// <param name="kind">Rule.</param>
    /// <param name="parameters">What to change; running statistics among them are left alone.</param>
    /// <param name="momentum">Share of the last step that is kept; for <see cref="OptimizerKind.Sgd"/>.</param>
    /// <param name="weightDecay">Pull of weights towards zero.</param>
    public Optimizer(OptimizerKind kind, IEnumerable<TrainingParameter> parameters, float momentum, float weightDecay)
    {
        (_kind, _momentum, _weightDecay) = (kind, momentum, weightDecay);
        _parameters = [.. parameters.Where(parameter => !parameter.IsStatistic)];
        _first = [.. _parameters.Select(parameter => new float[parameter.Values.Length])];
        _second = kind == OptimizerKind.Adam ? [.. _parameters.Select(parameter => new float[parameter.Values.Length])] : [];
    }

    /// <summary>Steps taken.</summary>
    public long Steps { get; internal set; }

    /// <summary>The arrays that a checkpoint must keep.</summary>
    internal IEnumerable<float[]> State => _first.Concat(_second);

    /// <summary>Scales all gradients down when their common norm is above a limit (Pascanu et al. 2013).</summary>
    public void Clip(float limit)
    {
        double squares = 0;
        foreach (TrainingParameter parameter in _parameters) squares += TensorPrimitives.SumOfSquares<float>(parameter.Gradients);
        double norm = Math.Sqrt(squares);
        if (norm <= limit) return;
        foreach (TrainingParameter parameter in _parameters) TensorPrimitives.Multiply(parameter.Gradients, (float)(limit / norm), parameter.Gradients);
    }

    /// <summary>Changes all parameters once. Gradients are overwritten.</summary>
    public void Step(float rate)
    {
        Steps++;
        for (int i = 0; i < _parameters.Length; i++)
        {
            TrainingParameter parameter = _parameters[i];
            if (parameter.Mask is { } mask) TensorPrimitives.Multiply(parameter.Gradients, mask, parameter.Gradients);
            if (_kind == OptimizerKind.Sgd) Descend(parameter, _first[i], rate);
            else Adapt(parameter, _first[i], _second[i], rate);
            if (parameter.Mask is { } kept) TensorPrimitives.Multiply(parameter.Values, kept, parameter.Values);
        }
    }

    private void Descend(TrainingParameter parameter, float[] velocity, float rate)
    {
        float[] gradient = parameter.Gradients;
        if (parameter.Decays) TensorPrimitives.MultiplyAdd(parameter.Values, _weightDecay, gradient, gradient);
        TensorPrimitives.MultiplyAdd(velocity, _momentum, gradient, velocity);
        TensorPrimitives.MultiplyAdd(velocity, -rate, parameter.Values, parameter.Values);
    }

    // Weight decay is apart from the gradient's moments (Loshchilov and Hutter 2017).
    private void Adapt(TrainingParameter parameter, float[] mean, float[] square, float rate)
    {
        float meanShare = (float)(1 - Math.Pow(AdamMean, Steps)), squareShare = (float)(1 - Math.Pow(AdamSquare, Steps));
        float[] gradient = parameter.Gradients, values = parameter.Values;
        float kept = parameter.Decays ? 1 - (rate * _weightDecay) : 1;
        for (int i = 0; i < values.Length; i++)
        {
            mean[i] = (AdamMean * mean[i]) + ((1 - AdamMean) * gradient[i]);
            square[i] = (AdamSquare * square[i]) + ((1 - AdamSquare) * gradient[i] * gradient[i]);
            values[i] = (kept * values[i]) - (rate * (mean[i] / meanShare) / (MathF.Sqrt(square[i] / squareShare) + AdamEpsilon));
        }
    }
}
