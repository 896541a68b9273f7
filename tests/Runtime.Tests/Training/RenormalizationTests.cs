using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

/// <summary>New normalizations in a network whose own are folded.</summary>
public class RenormalizationTests
{
    private static readonly ImageSet Images = DataSpec.Parse("shapes10").Load(Split.Train, 64);

    [Fact]
    public void The_network_computes_the_same_with_new_normalizations_and_when_they_are_folded_again()
    {
        Graph folded = Folded();
        Graph normalized = Renormalization.Insert(folded, Images, Preprocessing.ImageNet, threads: 2);
        int convolutions = folded.Nodes.Count(node => node.OpType == "Conv");
        Assert.Equal(convolutions, normalized.Nodes.Count(node => node.OpType == "BatchNormalization"));
        Assert.DoesNotContain(normalized.Nodes, node => node.OpType == "Conv" && node.Input(2) is not null);

        Graph again = GraphSimplifier.Simplify(normalized);
        Assert.DoesNotContain(again.Nodes, node => node.OpType == "BatchNormalization");
        Assert.Equal(folded.Nodes.Select(node => node.Outputs[0]), again.Nodes.Select(node => node.Outputs[0]));
        float[] expected = Run(folded);
        AssertClose(expected, Run(normalized));
        AssertClose(expected, Run(again));
    }

    [Fact]
    public void A_batch_is_normalized_to_nearly_what_the_calibration_images_were()
    {
        Graph folded = Folded();
        using var network = new TrainingNetwork(Renormalization.Insert(folded, Images, Preprocessing.ImageNet, threads: 1), Images.Count, 1);
        var pixels = new float[Images.ImageBytes];
        for (int image = 0; image < Images.Count; image++)
        {
            Preprocessing.ImageNet.Apply(Images.Image(image), Images.Channels, pixels);
            network.SetImage(image, pixels);
        }

        // In training the batch's own moments count; the batch being the calibration images, they are the same but for rounding.
        var logits = new float[Images.Count * network.Classes];
        network.Forward(logits);
        AssertClose(Run(folded), logits);
    }

    [Fact]
    public void A_frozen_part_stays_as_it_is_and_the_rest_gets_the_gradients_of_the_whole()
    {
        Graph folded = Folded();
        string frozen = folded.Nodes.Where(node => node.OpType == "Relu").ElementAt(2).Outputs[0];
        HashSet<Node> before = folded.Ancestors(frozen);
        Graph normalized = Renormalization.Insert(folded, Images, Preprocessing.ImageNet, 1, frozen);
        Assert.Equal(
            folded.Nodes.Count(node => node.OpType == "Conv" && !before.Contains(node)), normalized.Nodes.Count(node => node.OpType == "BatchNormalization"));

        Dictionary<string, float[]> whole = Gradients(normalized, null), part = Gradients(normalized, frozen);
        Assert.NotEmpty(part);
        Assert.All(before.Where(node => node.OpType == "Conv"), node => Assert.DoesNotContain(node.Inputs[1], part.Keys));
        Assert.Equal(whole.Keys.Except(before.SelectMany(node => node.Inputs)), part.Keys);
        Assert.All(part, entry => Assert.Equal(whole[entry.Key], entry.Value));
        string message = Assert.Throws<ArgumentException>(() => Gradients(normalized, "nowhere")).Message;
        Assert.Contains("'nowhere'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Frozen_normalizations_go_by_their_running_statistics()
    {
        Graph graph = Architectures.Create("resnet8", new ArchitectureInput(3, 32, 32, 10, 5));
        string last = graph.Nodes.Last(node => node.OpType == "Relu").Outputs[0];
        using var network = new TrainingNetwork(graph, 2, 1, frozen: last);
        float[] pixels = new float[Images.ImageBytes], expected = new float[10], logits = new float[2 * 10];
        using Session session = Session.Create(graph);
        for (int image = 0; image < 2; image++)
        {
            Preprocessing.ImageNet.Apply(Images.Image(image), Images.Channels, pixels);
            network.SetImage(image, pixels);
        }

        network.Forward(logits);
        session.Run(pixels, expected);
        AssertClose(expected, logits[10..]);
    }

    private static Dictionary<string, float[]> Gradients(Graph graph, string? frozen)
    {
        const int Batch = 8;
        using var network = new TrainingNetwork(graph, Batch, 1, frozen: frozen);
        var pixels = new float[Images.ImageBytes];
        for (int image = 0; image < Batch; image++)
        {
            Preprocessing.ImageNet.Apply(Images.Image(image), Images.Channels, pixels);
            network.SetImage(image, pixels);
        }

        var logits = new float[Batch * network.Classes];
        network.Forward(logits);
        network.Backward(logits);
        return network.Parameters.Where(parameter => !parameter.IsStatistic).ToDictionary(parameter => parameter.Name, parameter => parameter.Gradients.ToArray());
    }

    private static Graph Folded() => GraphSimplifier.Simplify(Architectures.Create("resnet8", new ArchitectureInput(3, 32, 32, 10, 5)));

    private static float[] Run(Graph graph) => Interpreter.Run(graph, [Preprocessing.ImageNet.Apply(Images, Images.Count)])[0].Values<float>().ToArray();

    private static void AssertClose(float[] expected, float[] actual)
    {
        // Nine layers of float sums.
        double scale = expected.Max(Math.Abs);
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-3 * scale);
    }
}
