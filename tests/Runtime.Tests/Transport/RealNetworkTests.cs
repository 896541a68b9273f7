using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public sealed class RealNetworkTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("coinference-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [SkippableFact]
    [Trait("Category", "Slow")]
    public void A_pruned_and_compressed_residual_network_answers_a_thousand_images_alike_in_one_process_and_in_two()
    {
        string model = TestData.Require("models", "resnet20.onnx");
        DataSource data = DataSpec.Parse($"cifar10:{TestData.Require("cifar10")}");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
        Cut cut = CutFinder.Find(graph).Last(candidate => candidate.Shape[1] == 16);
        GroupDecision[] groups = [.. PrunableGroups.Find(graph, WeightForm.Dense, cut).Select(group => group.Decide(0.25, channelMultiple: 4))];
        Graph pruned = Pruner.Create(graph).Shape(groups);
        int channels = CutFinder.FindAll(pruned).Single(candidate => candidate.Value == cut.Value).Shape[1];
        Plan plan = TestBundles.PlanFor(cut.Value, new CodecDecision(channels - 2, channels, 4, true)) with { Groups = groups, ModelHash = ModelHash.OfFile(model) };
        string folder = Path.Combine(_root, "bundle");
        Bundle bundle = BundleCompiler.Compile(graph, plan, data.Load(Split.Train, 128), Preprocessing.ImageNet).Save(folder);

        ImageSet images = data.Load(Split.Test, 1000);
        using var local = new LocalRunner(bundle);
        RunReport alone = ImageSetRun.Execute(local, images);
        using ChildServer server = ChildServer.Start(folder);
        using var device = new DeviceRunner(bundle, server.Address);
        RunReport together = ImageSetRun.Execute(device, images, new RunDescription { Edge = server.Address.ToString() });

        Assert.Equal(alone.Samples.Predictions, together.Samples.Predictions);
        Assert.Equal(alone.Samples.PayloadBytes, together.Samples.PayloadBytes);
        Assert.Equal(0, together.Fallbacks);
        // The network scores 81 % as it is; what matters here is that a pruned and quantized one still tells classes apart.
        Assert.InRange(together.Top1, 0.5, 0.9);
        // The feature's raw size is 4 bytes for each of channels x 32 x 32 values.
        Assert.InRange(together.Payload.MaxBytes, 100, channels * 32 * 32 / 2);

        string path = Path.Combine(_root, "run.json");
        together.Write(path);
        RunReport read = RunReport.Read(path);
        Assert.Equal(together.Samples.Predictions, read.Samples.Predictions);
        Assert.Equal(together.Total, read.Total);
    }
}
