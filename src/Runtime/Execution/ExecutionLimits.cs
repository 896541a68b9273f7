namespace CoInference.Runtime.Execution;

/// <summary>Bounds on what a model may ask for, so that a hostile one is refused before memory is taken.</summary>
public sealed record ExecutionLimits
{
    /// <summary>Limits for models of any realistic size.</summary>
    public static ExecutionLimits Default { get; } = new();

    /// <summary>Most elements of one tensor. The reference kernels take up to 16 bytes of scratch memory per element.</summary>
    public long MaxTensorElements { get; init; } = 1L << 25;

    /// <summary>Most bytes of all values of one run that are alive at one time, initializers excluded.</summary>
    public long MaxLiveBytes { get; init; } = 1L << 29;
}
