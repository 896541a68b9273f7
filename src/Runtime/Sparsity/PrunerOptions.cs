using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Sparsity;

/// <summary>How a pruner ranks what it may remove.</summary>
public enum Importance
{
    /// <summary>Sum of absolute weights.</summary>
    L1,

    /// <summary>Sum of squared weights.</summary>
    L2,

    /// <summary>
    /// Squared weight times the mean square of the activation it multiplies: the output energy the weight contributes.
    /// For channels: output energy of the channel's consumers that comes from the channel.
    /// </summary>
    Activation,

    /// <summary>
    /// The rise in squared output error after the remaining weights have been re-fitted, from the inverse of the
    /// activations' second-moment matrix.
    /// </summary>
    Reconstruction,

    /// <summary>
    /// First-order Taylor: the change of the loss on calibration images, labelled by the network itself, when the weight or
    /// filter becomes zero. Needs a network that can be trained through.
    /// </summary>
    Taylor,

    /// <summary>
    /// For channels: the sum of a filter's distances to the other filters of its layer, so that filters which the others can
    /// stand in for go first (He et al., "Filter Pruning via Geometric Median", 2019). Blocks and weights: as <see cref="L2"/>.
    /// </summary>
    GeometricMedian,
}

/// <summary>What is adapted after pruning, before accuracy is judged.</summary>
public enum RefitMode
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The bias of each affected layer, so that mean outputs match.</summary>
    Bias,

    /// <summary>Weights and bias of each affected layer, by least squares.</summary>
    LeastSquares,
}

/// <summary>How weights are re-fitted.</summary>
public sealed record RefitOptions
{
    /// <summary>What is adapted.</summary>
    public RefitMode Mode { get; init; } = RefitMode.LeastSquares;

    /// <summary>Calibration images that are used at most; a network with large values uses fewer, so that memory stays bounded.</summary>
    public int Images { get; init; } = 128;

    /// <summary>Sampled output positions per unknown weight of an output channel: rows of the least-squares problem over its columns.</summary>
    public double RowsPerColumn { get; init; } = 8;

    /// <summary>
    /// Extra solutions of a layer that is followed by a clamp such as ReLU: targets beyond the clamp are replaced by what
    /// the last solution predicts there, so that no weight is spent on values that the activation hides.
    /// </summary>
    public int ActivationPasses { get; init; } = 1;

    /// <summary>
    /// Pull towards the weights before the fit, as a share of the mean diagonal of the normal matrix; a layer with few
    /// rows per column gets a stronger one.
    /// </summary>
    public double Ridge { get; init; } = 0.01;
}

/// <summary>How a network is pruned.</summary>
public sealed record PrunerOptions
{
    /// <summary>Channel counts are multiples of this unless said otherwise.</summary>
    public const int DefaultChannelMultiple = 8;

    /// <summary>How channels, blocks and weights are ranked.</summary>
    public Importance Importance { get; init; } = Importance.Reconstruction;

    /// <summary>What happens after pruning.</summary>
    public RefitOptions Refit { get; init; } = new();

    /// <summary>Output channels per block of the block form; the vector of the device that will run the network.</summary>
    public int BlockChannels { get; init; } = CpuFeatures.ChannelBlock;

    /// <summary>Seed of the sampled positions.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Threads that share the calibration and re-fit work.</summary>
    public WorkerSet Workers { get; init; } = WorkerSet.Single;
}
