using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Tests.Sparsity;

public class ChannelPruningTests
{
    // Removing a channel that is exactly zero changes no product, only the order of some sums.
    private const double RoundingTolerance = 1e-5;

    [Fact]
    public void ResidualLayersFormOneGroup()
    {
        var builder = new NetworkBuilder(seed: 1, 1, 3, 8, 8);
        string stem = builder.Relu(builder.Conv("x", 3, 16));
        string inner = builder.Relu(builder.Conv(stem, 16, 24));
        string sum = builder.Relu(builder.Sum(builder.Conv(inner, 24, 16), stem));
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(sum)), 16, 4));

        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, WeightForm.Dense);
        Assert.Equal([(16, 2), (24, 1)], groups.Select(group => (group.Channels, group.Layers.Count)));
        AssertZeroChannelsCanGo(graph, 1, 3, 8, 8);
    }

    [Fact]
    public void TheLastLayerAndTheInputAreNotPrunable()
    {
        var builder = new NetworkBuilder(seed: 2, 1, 3, 8, 8);
        string mixed = builder.Sum(builder.Conv("x", 3, 3), "x");
        Graph graph = builder.Finish(builder.Conv(mixed, 3, 16));
        Assert.Empty(PrunableGroups.Find(graph, WeightForm.Dense));
        Assert.Equal(2, PrunableGroups.Find(graph, WeightForm.Unstructured).Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ConcatenationShiftsChannels(bool flatten)
    {
        var builder = new NetworkBuilder(seed: 3, 1, 3, 8, 8);
        string left = builder.Relu(builder.Conv("x", 3, 16)), right = builder.Relu(builder.Conv("x", 3, 24));
        string both = builder.Concat(left, right, left);
        Graph graph = builder.Finish(flatten
            ? builder.Gemm(builder.Flatten(both), 56 * 64, 4)
            : builder.Gemm(builder.Flatten(builder.GlobalPool(builder.Conv(both, 56, 8))), 8, 4, transposed: false));
        AssertZeroChannelsCanGo(graph, 1, 3, 8, 8);
    }

    [Fact]
    public void DepthwiseLayersFollowTheirInput()
    {
        var builder = new NetworkBuilder(seed: 4, 1, 3, 8, 8);
        string expanded = builder.Add("Clip", [builder.Conv("x", 3, 32, kernel: 1), builder.Constant(Tensor.Scalar(0f), "min"), builder.Constant(Tensor.Scalar(6f), "max")]);
        string spatial = builder.Relu(builder.Conv(expanded, 32, 32, groups: 32, stride: 2));
        string projected = builder.Conv(spatial, 32, 16, kernel: 1);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(projected)), 16, 4));

        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, WeightForm.Dense);
        Assert.Equal([2, 1], groups.Select(group => group.Layers.Count));
        Graph pruned = AssertZeroChannelsCanGo(graph, 1, 3, 8, 8);
        Assert.Equal(24L, pruned.Nodes.First(node => node.Name == groups[0].Layers[1].Node).Int("group", 1));
    }

    [Fact]
    public void GroupedConvolutionsKeepAllChannels()
    {
        var builder = new NetworkBuilder(seed: 5, 1, 3, 8, 8);
        string grouped = builder.Conv(builder.Relu(builder.Conv("x", 3, 16)), 16, 16, groups: 4);
        Graph graph = builder.Finish(builder.Conv(grouped, 16, 4));
        Assert.Empty(PrunableGroups.Find(graph, WeightForm.Dense));
    }

    [Fact]
    public void ElementwiseConstantsAndGatesAreSliced()
    {
        var builder = new NetworkBuilder(seed: 6, 1, 3, 8, 8);
        string x = builder.Relu(builder.Conv("x", 3, 16));
        string gate = builder.Relu(builder.Conv(builder.GlobalPool(x), 16, 16, kernel: 1));
        string gated = builder.Add("Mul", [x, gate]);
        string scaled = builder.Add("Mul", [gated, builder.Constant(builder.Random(1, 16, 1, 1), "scale")]);
        string sloped = builder.Add("PRelu", [scaled, builder.Constant(builder.Random(16, 1, 1), "slope")]);
        Graph graph = builder.Finish(builder.Conv(sloped, 16, 4));
        Assert.Single(PrunableGroups.Find(graph, WeightForm.Dense));
        AssertZeroChannelsCanGo(graph, 1, 3, 8, 8);
    }

    [Fact]
    public void ReshapesThatNameTheChannelCountFollow()
    {
        var builder = new NetworkBuilder(seed: 7, 1, 3, 4, 4);
        string x = builder.Relu(builder.Conv("x", 3, 16));
        string flat = builder.Add("Reshape", [x, builder.Constant(Tensor.From<long>(new TensorShape(2), [-1, 256]), "shape")]);
        Graph graph = builder.Finish(builder.Gemm(flat, 256, 4));
        AssertZeroChannelsCanGo(graph, 1, 3, 4, 4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void StagesAcrossAPaddedShortcutAreIndependent(int prunedStage)
    {
        Graph graph = PaddedStages();
        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, WeightForm.Dense);
        PrunableGroup[] stages = groups.Where(group => group.Channels != 32).ToArray();
        Assert.Equal([16, 24, 40], stages.Select(group => group.Channels));
        AssertZeroChannelsCanGo(graph, [stages[prunedStage]], 1, 3, 8, 8);
    }

    [Fact]
    public void PaddedShortcutsNeedNoGather()
    {
        Graph pruned = AssertZeroChannelsCanGo(PaddedStages(), 1, 3, 8, 8);
        Assert.DoesNotContain(pruned.Nodes, node => node.OpType == "Gather");
    }

    [Fact]
    public void ChannelSlicesAndGathersAreRewritten()
    {
        var builder = new NetworkBuilder(seed: 9, 1, 3, 8, 8);
        string x = builder.Relu(builder.Conv("x", 3, 16));
        string half = builder.Slice(x, [4, 1], [12, 8], [1, 2], [1, 1]);
        string shuffled = builder.Add("Gather", [x, builder.Constant(Tensor.From<long>(new TensorShape(4), [15, 3, 3, -9]), "indices")], ("axis", 1L));
        string first = builder.GlobalPool(builder.Conv(half, 8, 8)), second = builder.GlobalPool(builder.Conv(shuffled, 4, 8));
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.Sum(first, second)), 8, 4));
        AssertZeroChannelsCanGo(graph, 1, 3, 8, 8);
    }

    [SkippableTheory]
    [InlineData("resnet20.onnx", 12)]
    [InlineData("resnet8_cifar10.onnx", 6)]
    public void RealNetworksStayValid(string file, int groupCount)
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", file)));
        Assert.Equal(groupCount, PrunableGroups.Find(graph, WeightForm.Dense).Count);
        Graph pruned = AssertZeroChannelsCanGo(graph, 1, 3, 32, 32);
        Graph reloaded = OnnxModel.Parse(OnnxModel.Serialize(pruned));
        Tensor image = NetworkBuilder.RandomImages(seed: 4, 1, 3, 32, 32);
        Assert.Equal(NetworkBuilder.Run(pruned, image), NetworkBuilder.Run(reloaded, image));
    }

    [SkippableFact]
    public void GroupsOfTheDeviceHalfAreThoseWhoseLayersAllRunThere()
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", "resnet20.onnx")));
        IReadOnlyList<Cut> cuts = CutFinder.Find(graph);
        Assert.Empty(PrunableGroups.Find(graph, WeightForm.Dense, cuts[0]));
        Assert.Equal(PrunableGroups.Find(graph, WeightForm.Dense), PrunableGroups.Find(graph, WeightForm.Dense, cuts[^1]), (left, right) => left.Name == right.Name);

        // After the first stage: its stream of four layers and the inside of its three blocks.
        Cut stage = cuts.Last(cut => cut.Shape == new TensorShape(1, 16, 32, 32));
        IReadOnlyList<PrunableGroup> groups = PrunableGroups.Find(graph, WeightForm.Dense, stage);
        Assert.Equal([4, 1, 1, 1], groups.Select(group => group.Layers.Count));
        Graph pruned = Pruner.Create(graph).Shape(groups.Select(group => group.Decide(0.5)).ToList());
        (Graph device, Graph edge) = GraphSplitter.Split(pruned, stage);
        Assert.Equal(8, device.Outputs[0].Dimensions![1].Size);
        Tensor image = NetworkBuilder.RandomImages(seed: 5, 2, 3, 32, 32);
        Tensor feature = Interpreter.Run(device, [image])[0];
        Assert.Equal(NetworkBuilder.Run(pruned, image), NetworkBuilder.Run(edge, feature));
    }

    [Fact]
    public void DecisionsRoundChannelsUp()
    {
        var group = new PrunableGroup("g", WeightForm.Dense, [], 40, 40);
        Assert.Equal(24, group.Decide(0.5).KeptChannels);
        Assert.Equal(0.4, group.Decide(0.5).Sparsity, 12);
        Assert.Equal(20, group.Decide(0.5, channelMultiple: 1).KeptChannels);
        Assert.Equal(8, group.Decide(1).KeptChannels);
        Assert.Equal(40, group.Decide(0).KeptChannels);
        Assert.Equal(6, new PrunableGroup("narrow", WeightForm.Dense, [], 6, 6).Decide(1).KeptChannels);
        Assert.Throws<ArgumentOutOfRangeException>(() => group.Decide(1.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => group.Decide(double.NaN));
    }

    [Fact]
    public void WrongDecisionsAreRefused()
    {
        Pruner pruner = Pruner.Create(PaddedStages());
        GroupDecision right = pruner.Groups(WeightForm.Dense)[0].Decide(0.5);
        Assert.Contains("no Dense group 'nothing'", Assert.Throws<ArgumentException>(() => pruner.Shape([right with { Group = "nothing" }])).Message, StringComparison.Ordinal);
        Assert.Contains("two Dense decisions", Assert.Throws<ArgumentException>(() => pruner.Shape([right, right])).Message, StringComparison.Ordinal);
        Assert.Contains("cannot keep 0", Assert.Throws<ArgumentException>(() => pruner.Shape([right with { KeptChannels = 0 }])).Message, StringComparison.Ordinal);
        Assert.Contains("the decision says 99", Assert.Throws<ArgumentException>(() => pruner.Shape([right with { Channels = 99 }])).Message, StringComparison.Ordinal);
    }

    /// <summary>Three stages with shortcuts that skip every second pixel and pad channels on both sides.</summary>
    private static Graph PaddedStages()
    {
        var builder = new NetworkBuilder(seed: 8, 1, 3, 8, 8);
        string x = builder.Relu(builder.Conv("x", 3, 16));
        x = builder.Relu(builder.Sum(builder.Conv(builder.Relu(builder.Conv(x, 16, 32)), 32, 16), x));
        foreach ((int from, int to) in new[] { (16, 24), (24, 40) })
        {
            int pad = (to - from) / 2;
            string shortcut = builder.Slice(x, [0, 0], [100, 100], [2, 3], [2, 2]);
            shortcut = builder.Pad(shortcut, 0, pad, 0, 0, 0, pad, 0, 0);
            string main = builder.Conv(builder.Relu(builder.Conv(x, from, 32, stride: 2)), 32, to);
            x = builder.Relu(builder.Sum(main, shortcut));
        }

        return builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(x)), 40, 4));
    }

    private static Graph AssertZeroChannelsCanGo(Graph graph, params int[] inputShape) =>
        AssertZeroChannelsCanGo(graph, PrunableGroups.Find(graph, WeightForm.Dense), inputShape);

    /// <summary>
    /// Sets a quarter of the channels of some groups to zero, at random, and checks that removing them changes nothing.
    /// Behind a padded shortcut only channels are taken that the shortcut leaves zero too.
    /// </summary>
    private static Graph AssertZeroChannelsCanGo(Graph graph, IReadOnlyList<PrunableGroup> groups, params int[] inputShape)
    {
        var random = new Random(11);
        Graph zeroed = graph.Clone();
        var analysis = new ChannelAnalysis(graph);
        var zeroes = new Dictionary<string, int[]>();
        foreach (PrunableGroup group in groups)
        {
            int[] order = Enumerable.Range(0, group.Channels).ToArray();
            random.Shuffle(order);
            foreach (ChannelPick pick in analysis.Picks.Where(pick => pick.Target.Layers.FirstOrDefault() == group.Name))
            {
                int[] source = zeroes.GetValueOrDefault(pick.Source.Parts[0].Layers.First(), []);
                order = order.Where(channel => pick.Map[channel] < 0 || source.Contains(pick.Map[channel])).ToArray();
            }

            order = zeroes[group.Name] = order[..(group.Channels / 4)];
            foreach (PrunableLayer layer in group.Layers)
            {
                Node node = zeroed.Nodes.First(candidate => candidate.Name == layer.Node);
                foreach (string name in node.Inputs.Skip(1))
                {
                    Tensor tensor = zeroed.Initializers[name].Clone();
                    zeroed.Initializers[name] = tensor;
                    bool outputsLast = tensor.Shape.Rank == 2 && node.Int("transB", 0) == 0;
                    int stride = outputsLast ? 1 : tensor.Count / group.Channels;
                    foreach (int channel in order)
                    {
                        if (outputsLast)
                        {
                            for (int row = 0; row < tensor.Shape[0]; row++) tensor.Values<float>()[(row * group.Channels) + channel] = 0;
                        }
                        else
                        {
                            tensor.Values<float>().Slice(channel * stride, stride).Clear();
                        }
                    }
                }
            }
        }

        GroupDecision[] decisions = groups.Select(group => group.Decide(0.25, channelMultiple: 1)).ToArray();
        Graph pruned = Pruner.Create(zeroed, options: new PrunerOptions { Importance = Importance.L2 }).Shape(decisions);
        foreach (GroupDecision decision in decisions)
        {
            Node node = pruned.Nodes.First(candidate => candidate.Name == decision.Group);
            Assert.Equal(decision.KeptChannels, pruned.Initializers[node.Inputs[1]].Shape[node.OpType == "Gemm" && node.Int("transB", 0) == 0 ? 1 : 0]);
        }

        Tensor image = NetworkBuilder.RandomImages(seed: 12, inputShape);
        Assert.InRange(NetworkBuilder.RelativeError(NetworkBuilder.Run(zeroed, image), NetworkBuilder.Run(pruned, image)), 0, RoundingTolerance);
        Assert.Equal(ShapeInference.Infer(graph)[graph.Outputs[0].Name].Shape, ShapeInference.Infer(pruned)[graph.Outputs[0].Name].Shape);
        return pruned;
    }
}
