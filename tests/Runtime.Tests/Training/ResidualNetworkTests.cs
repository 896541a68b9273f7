using CoInference.Runtime.Data;
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
}
