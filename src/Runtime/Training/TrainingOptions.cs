namespace CoInference.Runtime.Training;

/// <summary>How the small network for the generated shapes is built and trained.</summary>
public sealed record TrainingOptions
{
    /// <summary>Passes over the training images.</summary>
    public int Epochs { get; init; } = 12;

    /// <summary>Images per step.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Highest learning rate; it rises linearly over a quarter of the first epoch and then follows half a cosine down to 0.</summary>
    public float LearningRate { get; init; } = 0.05f;

    /// <summary>Momentum of the gradient descent.</summary>
    public float Momentum { get; init; } = 0.9f;

    /// <summary>Weight decay; applies to weights, not to biases and normalization.</summary>
    public float WeightDecay { get; init; } = 5e-4f;

    /// <summary>Training images; null for all of the split.</summary>
    public int? Images { get; init; }

    /// <summary>Channels of each stage.</summary>
    public IReadOnlyList<int> Widths { get; init; } = [16, 32, 64];

    /// <summary>Basic blocks per stage: 1 makes a network of 8 layers, 2 of 14.</summary>
    public int BlocksPerStage { get; init; } = 1;

    /// <summary>Seed of weights, order and augmentation.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Threads.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>State of a training run after an epoch.</summary>
/// <param name="Epoch">Epochs done.</param>
/// <param name="Epochs">Epochs in all.</param>
/// <param name="Loss">Mean training loss of the epoch.</param>
/// <param name="TrainAccuracy">Accuracy on the augmented training images during the epoch, 0 to 1.</param>
/// <param name="ValidationAccuracy">Accuracy on search-validation images, 0 to 1.</param>
/// <param name="Elapsed">Time since the start.</param>
public sealed record TrainingProgress(int Epoch, int Epochs, double Loss, double TrainAccuracy, double ValidationAccuracy, TimeSpan Elapsed);
