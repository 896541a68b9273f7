using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

public class ResidualNetworkTests
{
    [Fact]
    public void A_small_batch_is_memorised()
    {
        ImageSet images = DataSpec.Parse("shapes10").Load(Split.Test, 20);
        var network = new ResidualNetwork(20, Shapes10.Side, [8, 16], 1, 10, 1, new ParallelOptions { MaxDegreeOfParallelism = 2 });
        var loss = new SoftmaxLoss(network.Logits);
        for (int i = 0; i < images.Count; i++)
        {
            TrainingImages.Copy(images, i, network.Images, i);
            loss.Labels[i] = images.Labels[i];
        }

        double first = 0, last = 0;
        for (int step = 0; step < 60; step++)
        {
            network.ClearGradients();
            network.Forward(training: true);
            last = loss.Measure().Loss;
            if (step == 0) first = last;
            network.Backward();
            foreach (Parameter parameter in network.Parameters) parameter.Step(0.05f, 0.9f, 0);
        }

        // Chance is ln 10 = 2.3; a network with a wrong gradient anywhere on its main path stays near it.
        Assert.InRange(first, 1.5, 4);
        Assert.InRange(last, 0, 0.2);
    }

    [Fact]
    public void The_exported_network_computes_what_was_trained()
    {
        ImageSet images = DataSpec.Parse("shapes10").Load(Split.Test, 6);
        var network = new ResidualNetwork(6, Shapes10.Side, [16, 32], 2, 10, 3, new ParallelOptions());
        for (int i = 0; i < images.Count; i++) TrainingImages.Copy(images, i, network.Images, i);

        // One pass in training mode moves the running statistics away from their first values.
        network.Forward(training: true);
        network.Forward(training: false);
        Graph graph = OnnxModel.Parse(OnnxModel.Serialize(ResidualNetworkExporter.Export(network, "test")));
        float[] input = new float[images.ImageBytes], scores = new float[10];
        using Session session = Session.Create(graph);
        for (int i = 0; i < images.Count; i++)
        {
            TrainingImages.Preprocessing.Apply(images.Image(i), 3, input);
            session.Run(input, scores);

            // Both sum thousands of float products in different orders; logits are of order 1.
            for (int k = 0; k < scores.Length; k++) Assert.Equal(network.Logits.Values[(i * 10) + k], scores[k], 1e-3f);
        }
    }

    [Fact]
    public void The_same_options_train_the_same_network_and_cancellation_is_heard()
    {
        var options = new TrainingOptions { Epochs = 1, Images = 64, Widths = [16, 16], Seed = 5 };
        var accuracies = new List<double>();
        TrainingResult first = ShapesTrainer.Run(options, new Reports(accuracies)), second = ShapesTrainer.Run(options with { Threads = 1 });
        Assert.Single(accuracies);
        Assert.Equal(OnnxModel.Serialize(first.Graph), OnnxModel.Serialize(second.Graph));
        Assert.Equal("imagenet", first.Graph.Metadata[Preprocessing.MetadataKey]);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => ShapesTrainer.Run(options, null, cancelled.Token));
    }

    [Fact]
    public void The_learning_rate_rises_and_falls_to_zero()
    {
        var options = new TrainingOptions { Epochs = 10, LearningRate = 0.1f };
        Assert.InRange(ShapesTrainer.Rate(options, 0), 0.0001f, 0.01f);
        Assert.Equal(0.1f, ShapesTrainer.Rate(options, 0.25), 1e-6f);
        Assert.True(ShapesTrainer.Rate(options, 5) is < 0.06f and > 0.04f);
        Assert.Equal(0, ShapesTrainer.Rate(options, 10), 1e-6f);
    }

    private sealed class Reports(List<double> accuracies) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => accuracies.Add(value.ValidationAccuracy);
    }
}
