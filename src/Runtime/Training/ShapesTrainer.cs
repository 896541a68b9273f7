using System.Diagnostics;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training;

/// <summary>A trained network and how well it does.</summary>
/// <param name="Graph">The network, ready for export.</param>
/// <param name="Parameters">Number of trained values.</param>
/// <param name="TestAccuracy">Accuracy on the test split, 0 to 1.</param>
public sealed record TrainingResult(Graph Graph, int Parameters, double TestAccuracy);

/// <summary>Trains the small residual network that ships with the generated shapes.</summary>
public static class ShapesTrainer
{
    private const int ValidationImages = 1000;

    /// <summary>Trains from random weights. The same options give the same network on the same machine.</summary>
    /// <param name="options">Network and schedule; null for the defaults, which made the stored network.</param>
    /// <param name="progress">Told after each epoch.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer training images than one batch.</exception>
    public static TrainingResult Run(TrainingOptions? options = null, IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new TrainingOptions();
        DataSource data = DataSpec.Parse("shapes10");
        ImageSet train = data.Load(Split.Train, options.Images), validation = data.Load(Split.SearchValidation, ValidationImages);
        ArgumentOutOfRangeException.ThrowIfLessThan(train.Count, options.BatchSize, nameof(options));
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Threads };
        var network = new ResidualNetwork(options.BatchSize, Shapes10.Side, options.Widths, options.BlocksPerStage, train.Classes, options.Seed, parallel);
        var loss = new SoftmaxLoss(network.Logits);
        var random = new Random(options.Seed);
        var clock = Stopwatch.StartNew();
        int[] order = SplitCarver.Shuffled(train.Count);
        int steps = train.Count / options.BatchSize;
        for (int epoch = 0; epoch < options.Epochs; epoch++)
        {
            random.Shuffle(order);
            double lossSum = 0;
            int correct = 0;
            for (int step = 0; step < steps; step++)
            {
                cancellation.ThrowIfCancellationRequested();
                for (int i = 0; i < options.BatchSize; i++)
                {
                    int image = order[(step * options.BatchSize) + i];
                    loss.Labels[i] = train.Labels[image];
                    TrainingImages.CopyAugmented(train, image, network.Images, i, random);
                }

                network.ClearGradients();
                network.Forward(training: true);
                (double stepLoss, int stepCorrect) = loss.Measure();
                network.Backward();
                float rate = Rate(options, epoch + ((double)step / steps));
                foreach (Parameter parameter in network.Parameters) parameter.Step(rate, options.Momentum, options.WeightDecay);
                lossSum += stepLoss;
                correct += stepCorrect;
            }

            progress?.Report(new TrainingProgress(epoch + 1, options.Epochs, lossSum / steps, (double)correct / (steps * options.BatchSize),
                Accuracy(network, loss, validation), clock.Elapsed));
        }

        Graph graph = ResidualNetworkExporter.Export(network, "shapes10");
        graph.Metadata[Preprocessing.MetadataKey] = TrainingImages.Preprocessing.Name;
        return new TrainingResult(graph, network.ParameterCount, Accuracy(network, loss, data.Load(Split.Test)));
    }

    /// <summary>The learning rate after a number of epochs.</summary>
    internal static float Rate(TrainingOptions options, double epochs)
    {
        double warmUp = Math.Min(0.25, options.Epochs / 4.0);
        double share = epochs < warmUp ? (epochs + 0.01) / warmUp : 0.5 * (1 + Math.Cos(Math.PI * (epochs - warmUp) / (options.Epochs - warmUp)));
        return (float)(options.LearningRate * Math.Min(1, share));
    }

    private static double Accuracy(ResidualNetwork network, SoftmaxLoss loss, ImageSet images)
    {
        int correct = 0, batch = network.Images.Batch;
        for (int first = 0; first < images.Count; first += batch)
        {
            int count = Math.Min(batch, images.Count - first);
            for (int i = 0; i < count; i++) TrainingImages.Copy(images, first + i, network.Images, i);
            network.Forward(training: false);
            for (int i = 0; i < count; i++)
            {
                if (loss.Predicted(i) == images.Labels[first + i]) correct++;
            }
        }

        return (double)correct / images.Count;
    }
}
