namespace CoInference.Runtime.Training.Steps;

/// <summary>A clamp that follows a step: ReLU is [0, ∞], ReLU6 [0, 6].</summary>
/// <param name="Low">Lower bound.</param>
/// <param name="High">Upper bound.</param>
internal readonly record struct ActivationBounds(float Low, float High)
{
    public static ActivationBounds None { get; } = new(float.NegativeInfinity, float.PositiveInfinity);

    public bool IsNone => this == None;
}
