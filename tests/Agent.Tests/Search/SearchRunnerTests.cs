using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Agent.Search;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Data;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Training;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Tests.Search;

/// <summary>Searches on the network and data in the box; few episodes and images, so that the path is checked and not the result.</summary>
public sealed class SearchRunnerTests : IDisposable
{
    private static readonly LatencyTable Table = LatencyTable.Create();

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-runner").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_folder_holds_one_search_at_a_time()
    {
        SearchRequest request = Request("claimed", episodes: 5);
        Directory.CreateDirectory(request.OutputFolder);
        using var claimed = new FileStream(Path.Combine(request.OutputFolder, FolderClaim.FileName), FileMode.Create, FileAccess.Write, FileShare.None);
        var failure = Assert.Throws<IOException>(() => SearchRunner.Run(request));
        Assert.Contains("claimed", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Search_writes_a_plan_a_bundle_and_a_report_that_agree()
    {
        SearchOutcome outcome = SearchRunner.Run(Request("whole", episodes: 5) with { Compare = ["random"], TestImages = 50 });
        SearchReport report = SearchReport.Read(Path.Combine(_folder, "whole", SearchRunner.ReportFile));
        Assert.Equal(outcome.Report.Serialize(), report.Serialize());
        Assert.Equal(PlanFile.Serialize(report.Plan), File.ReadAllBytes(Path.Combine(_folder, "whole", SearchRunner.PlanFileName)));
        Assert.All(report.Episodes, episode => Assert.True(episode.LatencyMs <= report.BudgetMs, $"{episode.LatencyMs} > {report.BudgetMs}"));
        Assert.True(report.Plan.Predicted.TotalMs <= report.BudgetMs);
        Assert.Equal(["ddpg", "random"], report.Deciders.Select(decider => decider.Decider));
        Assert.Equal(10, report.Episodes.Count);
        Assert.Equal(
            ["device only", "edge only, raw", "edge only, PNG", .. JpegCodec.IsAvailable ? ["edge only, JPEG 90", "edge only, JPEG 75", "edge only, JPEG 50"] : Array.Empty<string>(), "best plain cut", "best 8-bit cut", "hand ratios", "uniform", "random", "random, best of 5"],
            report.Baselines.Select(baseline => baseline.Name));
        Assert.All(report.Baselines.Append(report.PlanResult), result =>
        {
            Assert.InRange(result.Accuracy!.Value, 0, 1);
            Assert.InRange(result.TestAccuracy!.Value, 0, 1);
            Assert.True(result.Measured!.TotalMs > 0 && result.Predicted!.TotalMs > 0);
            Assert.Equal(result.Measured.WireMs > 0, result.PayloadBytes > 0);
        });
        Assert.NotEmpty(report.ParetoFront);

        // The bundle on disk is the plan that was judged: run image by image it gives the plan's accuracy, exactly.
        using var runner = new LocalRunner(Bundle.Load(Path.Combine(_folder, "whole", SearchRunner.BundleFolderName)));
        ImageSet images = Request("", 1).Data.Load(Split.SearchValidation, 60);
        var logits = new float[runner.Bundle.Classes];
        int right = 0;
        for (int i = 0; i < images.Count; i++)
        {
            runner.Run(images.Image(i), logits);
            if (Array.IndexOf(logits, logits.Max()) == images.Labels[i]) right++;
        }

        Assert.Equal(report.Plan.ValidationAccuracy, right / 60.0);
    }

    [SkippableFact]
    public void A_search_for_a_device_runs_from_that_devices_own_table()
    {
        ComputeDevice device = RealDevices.Get("opencl:0");
        SearchOutcome outcome = SearchRunner.Run(Request("device", episodes: 2) with { Device = device, Strict = true, DeviceTable = LatencyTable.Create(), Budget = Budget.Parse("1000ms") });
        Assert.Contains("opencl:0", outcome.Report.Device, StringComparison.Ordinal);
        Assert.Equal("cpu", outcome.Report.EdgeDevice);
        LatencyTable table = LatencyTable.Load(Path.Combine(Folder("device"), SearchRunner.LatencyTableFile));
        Assert.Contains(table.Entries, entry => entry.Key.StartsWith("Conv|gpu.", StringComparison.Ordinal) && entry.Key.EndsWith(device.Fingerprint, StringComparison.Ordinal));
        Assert.Contains(table.Entries, entry => entry.Key.StartsWith("Copy|", StringComparison.Ordinal));
    }

    /// <summary>
    /// Prices of kernels come from one table, and what else an uninterrupted search would measure for itself is handed over,
    /// so that only the interruption differs.
    /// </summary>
    [Fact]
    public void Interrupted_search_goes_on_as_if_it_had_not_been()
    {
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => SearchRunner.Run(Request("stopped", 7), new StopAfter(3, cancellation), cancellation.Token));
        EpisodeRecord[] before = [.. SearchJournal.Open(Folder("stopped"), SearchSettings.Of(Request("stopped", 7))).Episodes];
        Assert.Equal(3, before.Length);
        SearchRunner.Run(Request("stopped", 7));
        SearchJournal resumed = SearchJournal.Open(Folder("stopped"), SearchSettings.Of(Request("stopped", 7)));

        SearchJournal facts = SearchJournal.Open(Folder("whole"), SearchSettings.Of(Request("whole", 7)));
        (facts.BudgetMs, facts.Baselines) = (resumed.BudgetMs, resumed.Baselines);
        foreach ((string key, CodecTiming timing) in resumed.CodecTimings) facts.CodecTimings[key] = timing;
        facts.Write();
        SearchRunner.Run(Request("whole", 7));
        SearchJournal whole = SearchJournal.Open(Folder("whole"), SearchSettings.Of(Request("whole", 7)));

        Assert.Equal(before.Select(Text), resumed.Episodes.Take(3).Select(Text));
        Assert.Equal(whole.Episodes.Select(Text), resumed.Episodes.Select(Text));
        Assert.Equal(7, resumed.Episodes.Count);
    }

    [Fact]
    public void The_plan_is_trained_at_the_end_and_a_second_run_takes_its_checkpoint()
    {
        SearchRequest request = Request("tuned", episodes: 3) with
        {
            TestImages = 200,
            FineTuning = new TrainerOptions { Epochs = 1, BatchSize = 64, LearningRate = 0.01f, WarmUpEpochs = 0, Loss = new ClassificationLoss(0, 0.5f) },
        };
        SearchOutcome outcome = SearchRunner.Run(request);
        BaselineResult untuned = Assert.Single(outcome.Report.Baselines, baseline => baseline.Name == SearchRunner.UntunedName);
        Assert.True(outcome.Report.PlanResult.TestAccuracy > untuned.TestAccuracy, $"{outcome.Report.PlanResult.TestAccuracy} after {untuned.TestAccuracy}");
        Assert.Equal(outcome.Report.PlanResult.Accuracy, outcome.Plan.ValidationAccuracy);
        Assert.Single(Directory.GetFiles(Folder("tuned"), "finetune-*.checkpoint"));

        // The bundle on disk holds the trained weights.
        using var runner = new LocalRunner(Bundle.Load(Path.Combine(Folder("tuned"), SearchRunner.BundleFolderName)));
        ImageSet images = request.Data.Load(Split.Test, 200);
        Assert.Equal(outcome.Report.PlanResult.TestAccuracy!.Value, ImageSetRun.Execute(runner, images, null, null, CancellationToken.None).Top1, 1e-9);

        SearchOutcome again = SearchRunner.Run(request);
        Assert.Equal(outcome.Report.PlanResult.TestAccuracy, again.Report.PlanResult.TestAccuracy);
    }

    [Fact]
    public void Impossible_budget_is_one_clear_error_and_writes_nothing()
    {
        var failure = Assert.Throws<InfeasibleBudgetException>(() => SearchRunner.Run(Request("impossible", 3) with { Budget = new Budget(1e-4, IsRelative: false) }));
        Assert.Contains("No plan meets the budget", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.True(failure.MinimumMs > 0);
        Assert.False(Directory.Exists(Folder("impossible")));
    }

    [Theory]
    [InlineData("12ms", 40, 12)]
    [InlineData("0.5x", 40, 20)]
    public void Budgets_are_absolute_or_relative(string text, double baseline, double expected)
    {
        Assert.Equal(expected, Budget.Parse(text).Milliseconds(baseline));
        Assert.Equal(text, Budget.Parse(text).ToString());
    }

    [Theory]
    [InlineData("12")]
    [InlineData("x")]
    [InlineData("-1ms")]
    [InlineData("NaNx")]
    [InlineData("0x")]
    public void Other_texts_are_no_budget(string text) => Assert.Throws<FormatException>(() => Budget.Parse(text));

    [Fact]
    public void Pareto_front_leaves_out_what_another_beats()
    {
        EpisodeRecord[] episodes = [Point(5, 0.8), Point(3, 0.7), Point(4, 0.6), Point(5, 0.9), Point(6, 0.9)];
        Assert.Equal([1, 3], ParetoFront.Of(episodes));
    }

    private static EpisodeRecord Point(double latencyMs, double accuracy) => new()
    {
        Decider = "random",
        Cut = "x",
        Levels = [],
        Actions = [],
        Predicted = new LatencyBreakdown(latencyMs, 0, 0, 0, 0),
        PayloadBytes = 0,
        Accuracy = accuracy,
        Reward = accuracy,
    };

    private string Folder(string name) => Path.Combine(_folder, name);

    private SearchRequest Request(string name, int episodes)
    {
        string model = Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx");
        return new SearchRequest
        {
            Model = OnnxModel.Load(model),
            ModelHash = ModelHash.OfFile(model),
            ModelName = "shapes10",
            Data = DataSpec.Parse("shapes10"),
            Preprocessing = Preprocessing.Symmetric,
            Link = new LinkSpec(5.85, 0),
            Budget = new Budget(0.9, IsRelative: true),
            OutputFolder = Folder(name),
            DeviceTable = Table,
            Slowdown = 10,
            Episodes = episodes,
            CalibrationImages = 32,
            JudgeImages = 40,
            ValidationImages = 60,
            TestImages = 0,
            FinalCandidates = 2,
            MeasureSeconds = 0,
        };
    }

    private static string Text(EpisodeRecord episode) =>
        $"{episode.Decider} {episode.Probe} {episode.Cut} {string.Join(',', episode.Levels)} {episode.Predicted} {episode.Accuracy:R} {episode.Reward:R}";

    private sealed class StopAfter(int episodes, CancellationTokenSource cancellation) : IProgress<SearchProgress>
    {
        public void Report(SearchProgress value)
        {
            if (value.Last is not null && value.Episode == episodes) cancellation.Cancel();
        }
    }
}
