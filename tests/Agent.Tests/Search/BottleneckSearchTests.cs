using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Agent.Search;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Agent.Tests.Search;

/// <summary>Searches with a table of learned bottlenecks; these are only fitted, since the path is checked and not the result.</summary>
public sealed class BottleneckSearchTests : IDisposable
{
    private static readonly string Model = Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx");
    private static readonly LatencyTable Table = LatencyTable.Create();

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-bottlenecks").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Channels_and_bits_of_the_table_are_decisions_at_the_cut()
    {
        SearchRequest request = Request(channels: [6, 3], bits: [4, 2]);
        using var bench = new SearchWorkbench(request, SearchJournal.Open(request.OutputFolder, SearchSettings.Of(request)), CancellationToken.None);
        IReadOnlyList<ICutProblem> problems = bench.Problems();
        BottleneckProblem learned = Assert.Single(problems.OfType<BottleneckProblem>());
        CutProblem plain = problems.OfType<CutProblem>().Single(problem => learned.Name == $"{problem.Name}, learned");
        Assert.Equal(plain.Steps.Select(step => step.Kind), learned.Steps.Select(step => step.Kind));
        Assert.Equal(plain.Steps.SkipLast(2).Select(step => (step.Name, step.Levels.Count)), learned.Steps.SkipLast(2).Select(step => (step.Name, step.Levels.Count)));
        Assert.Equal([0, 0.5], learned.Steps[^2].Levels);

        foreach ((int channelLevel, int channels) in new[] { (0, 6), (1, 3) })
        {
            foreach ((int bitLevel, int bits) in new[] { (0, 4), (1, 2) })
            {
                int[] levels = [.. new int[learned.Steps.Count - 2], channelLevel, bitLevel];
                CutDecision decision = learned.Decide(levels);
                Assert.Equal((channels, bits), (decision.Bottleneck!.Code[1], decision.Bottleneck.Origin.Bits));
                Assert.Equal(new CodecDecision(channels, channels, bits, EntropyCoded: true), decision.Codec);
                double expected = FeatureFrame.RequestHeaderBytes + (decision.Bottleneck.Code.Count * bits / 8.0);
                Assert.Equal(expected, learned.PayloadBytes(levels));
                Assert.True(learned.Price(levels).WireMs > 0);
            }
        }
    }

    [Fact]
    public void A_pruned_plan_with_a_bottleneck_is_judged_trained_and_deployed()
    {
        SearchRequest request = Request(channels: [6], bits: [3]);
        using var bench = new SearchWorkbench(request, SearchJournal.Open(request.OutputFolder, SearchSettings.Of(request)), CancellationToken.None);
        BottleneckProblem learned = bench.Problems().OfType<BottleneckProblem>().Single();
        int[] levels = [1, .. new int[learned.Steps.Count - 1]];
        var named = NamedPlan.Of("plan", learned.Decide(levels), learned.Price(levels));
        Assert.Contains(named.Groups, group => group.Sparsity > 0);
        BaselineResult before = bench.Assess(named, CancellationToken.None);
        Assert.Equal(request.Bottlenecks[0].Name, before.Cut);
        Assert.Equal(learned.Judge(levels, CancellationToken.None), bench.ValidationAccuracy(named, CancellationToken.None));

        var options = new TrainerOptions { Epochs = 1, BatchSize = 64, LearningRate = 0.01f, WarmUpEpochs = 0, Loss = new ClassificationLoss(0, 0.5f) };
        Bundle tuned = bench.FineTune(named, options, new Progress<TrainerProgress>(), CancellationToken.None);
        BaselineResult after = bench.Assess(named, tuned, CancellationToken.None);
        Assert.True(after.Accuracy > before.Accuracy, $"{after.Accuracy} after {before.Accuracy}");
        Assert.DoesNotContain(tuned.Edge!.Nodes.Concat(tuned.Device!.Nodes), node => node.OpType is "QuantizeLinear" or "DequantizeLinear" or "BatchNormalization");
        Assert.Equal(request.Bottlenecks[0].Hash, tuned.Plan.ModelHash);
    }

    [Fact]
    public void A_search_with_a_table_ends_with_a_plan_within_the_budget_and_resumes()
    {
        SearchRequest request = Request(channels: [6, 3], bits: [2]);
        SearchOutcome outcome = SearchRunner.Run(request);
        Assert.True(outcome.Plan.Predicted.TotalMs > 0);
        Assert.Contains(outcome.Report.Cuts, cut => cut.Cut.EndsWith(", learned", StringComparison.Ordinal));
        Assert.Equal(outcome.Report.Episodes.Count, SearchRunner.Run(request).Report.Episodes.Count);
        Assert.Throws<InvalidDataException>(() => SearchRunner.Run(request with { Bottlenecks = [] }));
    }

    [Fact]
    public void Tables_with_holes_or_of_another_network_are_refused()
    {
        Request(channels: [6, 3], bits: [4, 2]);
        string folder = Path.Combine(_folder, "table");
        Assert.Equal(["6x4", "6x2", "3x4", "3x2"], BottleneckTable.Load(folder, ModelHash.OfFile(Model)).Select(network => network.Name.Split('+')[1]));
        Assert.Contains("another network", Assert.Throws<InvalidDataException>(() => BottleneckTable.Load(folder, "0000")).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "3x4.onnx"));
        Assert.Contains("3 channels and 4 bits", Assert.Throws<InvalidDataException>(() => BottleneckTable.Load(folder, ModelHash.OfFile(Model))).Message, StringComparison.Ordinal);
        File.Copy(Model, Path.Combine(folder, "plain.onnx"));
        Assert.Contains("plain.onnx", Assert.Throws<InvalidDataException>(() => BottleneckTable.Load(folder, ModelHash.OfFile(Model))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => BottleneckTable.Load(_folder, ModelHash.OfFile(Model)));
        Assert.Throws<DirectoryNotFoundException>(() => BottleneckTable.Load(Path.Combine(_folder, "nowhere"), ModelHash.OfFile(Model)));
    }

    /// <summary>A request with a table at the cut after the second block.</summary>
    private SearchRequest Request(int[] channels, int[] bits)
    {
        string folder = Path.Combine(_folder, "table");
        Directory.CreateDirectory(folder);
        DataSource data = DataSpec.Parse("shapes10");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(Model));
        Cut cut = CutFinder.Find(graph).Where(candidate => candidate is { Kind: CutKind.Interior, Shape.Rank: 4 }).ElementAt(2);
        foreach (int count in channels)
        {
            foreach (int width in bits)
            {
                Graph network = Bottleneck.Insert(graph, new BottleneckSpec(cut.Value, count, width, Stride: 2), data.Load(Split.Train, 64), Preprocessing.Symmetric, 1);
                network.Metadata[BottleneckOrigin.MetadataKey] = new BottleneckOrigin(cut.Value, width, ModelHash.OfFile(Model)).ToString();
                OnnxModel.Save(Bottleneck.WithoutQuantizer(network), Path.Combine(folder, $"{count}x{width}.onnx"));
            }
        }

        return new SearchRequest
        {
            Model = OnnxModel.Load(Model),
            ModelHash = ModelHash.OfFile(Model),
            ModelName = "shapes10",
            Data = data,
            Preprocessing = Preprocessing.Symmetric,
            Link = new LinkSpec(1.1, 0),
            Budget = new Budget(0.9, IsRelative: true),
            OutputFolder = Path.Combine(_folder, "search"),
            Bottlenecks = BottleneckTable.Load(folder, ModelHash.OfFile(Model)),
            DeviceTable = Table,
            Slowdown = 10,
            Episodes = 5,
            CalibrationImages = 32,
            JudgeImages = 40,
            ValidationImages = 40,
            TestImages = 0,
            FinalCandidates = 2,
            MeasureSeconds = 0,
        };
    }
}
