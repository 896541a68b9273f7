using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training;

/// <summary>How a network is trained.</summary>
public sealed record TrainerOptions
{
    /// <summary>Passes over the training images.</summary>
    public int Epochs { get; init; } = 30;

    /// <summary>Images per step; the last images of an epoch that fill no batch wait for another one.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Optimizer.</summary>
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.Sgd;

    /// <summary>Highest learning rate.</summary>
    public float LearningRate { get; init; } = 0.1f;

    /// <summary>How the learning rate falls.</summary>
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Cosine;

    /// <summary>Epochs over which the learning rate rises first.</summary>
    public double WarmUpEpochs { get; init; } = 1;

    /// <summary>Momentum of <see cref="OptimizerKind.Sgd"/>.</summary>
    public float Momentum { get; init; } = 0.9f;

    /// <summary>Weight decay; applies to weights, not to biases and normalization.</summary>
    public float WeightDecay { get; init; } = 5e-4f;

    /// <summary>Limit of the norm of all gradients together; infinity for none.</summary>
    public float ClipNorm { get; init; } = float.PositiveInfinity;

    /// <summary>Loss.</summary>
    public ClassificationLoss Loss { get; init; } = new();

    /// <summary>Weight in the loss of a bit per image that the levels of quantizers carry; 0 for none.</summary>
    public float RateWeight { get; init; }

    /// <summary>Network whose scores are followed when the loss distils; null for none.</summary>
    public Graph? Teacher { get; init; }

    /// <summary>Changes of training images.</summary>
    public Augmentation Augmentation { get; init; } = Augmentation.Cifar;

    /// <summary>How pixel bytes become network input.</summary>
    public Preprocessing Preprocessing { get; init; } = Preprocessing.ImageNet;

    /// <summary>Whether weights that are zero at the start stay zero, as a pruned network needs.</summary>
    public bool KeepsZeros { get; init; }

    /// <summary>
    /// Value up to which the network stays as it is, for less work per step: no gradient is computed there, and normalizations
    /// go by their running statistics. Null to train all of it.
    /// </summary>
    public string? Frozen { get; init; }

    /// <summary>Seed of order and augmentation.</summary>
    public ulong Seed { get; init; }

    /// <summary>Threads; results do not depend on their number.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>File that is rewritten every minute, after each epoch and when the run is cancelled; null for none.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>Whether to go on from <see cref="Checkpoint"/> when it exists.</summary>
    public bool Resumes { get; init; }
}

/// <summary>State of a run.</summary>
/// <param name="Epoch">Epochs done, the present one in part.</param>
/// <param name="Epochs">Epochs in all.</param>
/// <param name="Loss">Mean training loss of the epoch so far.</param>
/// <param name="TrainAccuracy">Accuracy on the augmented training images of the epoch so far, 0 to 1.</param>
/// <param name="ValidationAccuracy">Accuracy on validation images after the epoch, 0 to 1; null within an epoch or without such images.</param>
/// <param name="ImagesPerSecond">Training throughput of this run, evaluation excluded.</param>
/// <param name="Remaining">Expected time to the end.</param>
public sealed record TrainerProgress(
    double Epoch, int Epochs, double Loss, double TrainAccuracy, double? ValidationAccuracy, double ImagesPerSecond, TimeSpan Remaining);

/// <summary>A finished run.</summary>
/// <param name="Graph">The trained network.</param>
/// <param name="ImagesPerSecond">Training throughput of this run, evaluation excluded.</param>
/// <param name="Seconds">Time of this run, evaluation included.</param>
/// <param name="Loss">Mean training loss of the last epoch.</param>
public sealed record TrainerResult(Graph Graph, double ImagesPerSecond, double Seconds, double Loss);
