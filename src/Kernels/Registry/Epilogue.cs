namespace CoInference.Kernels.Registry;

/// <summary>Activation that a kernel can apply while it stores its result.</summary>
public enum FusedActivation
{
    /// <summary>None.</summary>
    None,

    /// <summary>Clamp to [<see cref="Epilogue.Minimum"/>, <see cref="Epilogue.Maximum"/>]; ReLU is [0, +inf], ReLU6 is [0, 6].</summary>
    Clamp,
}

/// <summary>What is fused into the store of a kernel: y = activation(accumulator + bias + residual).</summary>
/// <param name="Activation">The activation.</param>
/// <param name="Minimum">Lower bound of <see cref="FusedActivation.Clamp"/>.</param>
/// <param name="Maximum">Upper bound of <see cref="FusedActivation.Clamp"/>.</param>
/// <param name="HasResidual">Whether a residual of the output's shape and layout is added before the activation.</param>
public readonly record struct Epilogue(
    FusedActivation Activation = FusedActivation.None,
    float Minimum = float.NegativeInfinity,
    float Maximum = float.PositiveInfinity,
    bool HasResidual = false)
{
    /// <summary>ReLU without a residual.</summary>
    public static Epilogue Relu => new(FusedActivation.Clamp, 0f);
}
