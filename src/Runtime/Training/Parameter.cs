using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>A trained array with its gradient and its momentum.</summary>
/// <param name="count">Number of values.</param>
/// <param name="decays">Whether weight decay applies: to weights, not to biases and normalization.</param>
internal sealed class Parameter(int count, bool decays)
{
    private readonly float[] _velocity = new float[count];

    public float[] Values { get; } = new float[count];

    public float[] Gradients { get; } = new float[count];

    /// <summary>One step of stochastic gradient descent with momentum: v = momentum v + g + decay w; w = w - rate v.</summary>
    public void Step(float rate, float momentum, float decay)
    {
        TensorPrimitives.MultiplyAdd(_velocity, momentum, Gradients, _velocity);
        if (decays) TensorPrimitives.MultiplyAdd(Values, decay, _velocity, _velocity);
        TensorPrimitives.MultiplyAdd(_velocity, -rate, Values, Values);
    }
}
