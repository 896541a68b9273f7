using System.Globalization;
using CoInference.Agent.Environments;
using CoInference.Agent.Search;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Searches cut, sparsity and compression under a latency budget.</summary>
[Verb("search", HelpText = "Find cut, per-layer sparsity and feature compression under a latency budget; write plan, bundle and report.")]
internal sealed class SearchVerb : ComputeVerb
{
    private static readonly string[] ComparedDeciders = ["uniform", "random", "greedy"];

    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file of an image classifier.")]
    public string Model { get; set; } = "";

    /// <summary>Labelled images.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Preprocessing.</summary>
    [Option("preprocess", Default = DataOptions.Auto, MetaValue = "NAME", HelpText = DataOptions.PreprocessHelp)]
    public string Preprocess { get; set; } = DataOptions.Auto;

    /// <summary>Link.</summary>
    [Option("link", Required = true, MetaValue = "LINK", HelpText = "Link between device and edge: RATE[kbps|mbps|gbps][,rtt=Nms], e.g. 5.85mbps,rtt=10ms.")]
    public string Link { get; set; } = "";

    /// <summary>Budget.</summary>
    [Option("budget", Required = true, MetaValue = "BUDGET", HelpText = "Latency target: 12ms, or 0.5x the fastest unpruned baseline.")]
    public string Budget { get; set; } = "";

    /// <summary>Output folder.</summary>
    [Option("out", Default = "search", MetaValue = "DIR", HelpText = "Folder for journal, latency table, plan, bundle and report; a search already there is resumed.")]
    public string Out { get; set; } = "search";

    /// <summary>Emulated slowdown.</summary>
    [Option("slowdown", Default = 1.0, MetaValue = "K", HelpText = "Emulate a device K times slower than this host.")]
    public double Slowdown { get; set; } = 1;

    /// <summary>Latency table of another device.</summary>
    [Option("device-table", MetaValue = "FILE", HelpText = "Latency table measured on the device ('coinference profile --sweep'); by default this host is the device.")]
    public string? DeviceTable { get; set; }

    /// <summary>Execution device of the edge.</summary>
    [Option("edge-device", Default = "cpu", MetaValue = "ID", HelpText = "Device that runs the edge's kernels.")]
    public string EdgeDevice { get; set; } = "cpu";

    /// <summary>Threads of the edge.</summary>
    [Option("edge-threads", Default = 1, MetaValue = "N", HelpText = "Threads one inference may use on the edge.")]
    public int EdgeThreads { get; set; } = 1;

    /// <summary>Number of episodes.</summary>
    [Option("episodes", Default = 150, MetaValue = "N", HelpText = "Episodes per decider, over all cuts.")]
    public int Episodes { get; set; } = 150;

    /// <summary>Decider.</summary>
    [Option("decider", Default = "ddpg", MetaValue = "NAME", HelpText = "Decider that makes the plan: ddpg, uniform, random, greedy, cem.")]
    public string Decider { get; set; } = "ddpg";

    /// <summary>Whether other deciders run too.</summary>
    [Option("compare", HelpText = "Give uniform, random and greedy the same number of episodes, for comparison.")]
    public bool Compare { get; set; }

    /// <summary>Reward.</summary>
    [Option("reward", Default = "budget", MetaValue = "NAME", HelpText = "What an episode earns: budget (accuracy behind the wall), tradeoff, target[:BETA].")]
    public string Reward { get; set; } = "budget";

    /// <summary>Weight form.</summary>
    [Option("form", Default = "channel", MetaValue = "FORM", HelpText = "How sparsity is realised: channel, block, unstructured.")]
    public string Form { get; set; } = "channel";

    /// <summary>Ranking.</summary>
    [Option("importance", Default = Importance.Reconstruction, MetaValue = "NAME", HelpText = "What is removed first: l1, l2, activation, reconstruction, taylor, geometricMedian.")]
    public Importance Importance { get; set; } = Importance.Reconstruction;

    /// <summary>Table of bottlenecks.</summary>
    [Option("bottlenecks", MetaValue = "DIR", HelpText = "Folder of networks that 'coinference bottleneck MODEL' wrote, for each cut a full grid of channels and bits: they may be chosen too.")]
    public string? Bottlenecks { get; set; }

    /// <summary>Epochs of the plan's training.</summary>
    [Option("finetune", Default = 0, MetaValue = "EPOCHS", HelpText = "Train the plan's network at the end, for so many passes over the training images, with MODEL as the teacher; Ctrl-C keeps a checkpoint.")]
    public int FineTune { get; set; }

    /// <summary>Learning rate of the plan's training.</summary>
    [Option("finetune-lr", Default = 0.02f, MetaValue = "RATE", HelpText = "With --finetune: highest learning rate.")]
    public float FineTuneRate { get; set; } = 0.02f;

    /// <summary>Judging images.</summary>
    [Option("judge-images", Default = 500, MetaValue = "N", HelpText = "Search-validation images that judge an episode.")]
    public int JudgeImages { get; set; } = 500;

    /// <summary>Calibration images.</summary>
    [Option("calibration", Default = 128, MetaValue = "N", HelpText = "Training images for the re-fit and the codec's ranges.")]
    public int Calibration { get; set; } = 128;

    /// <summary>Validation images.</summary>
    [Option("validation-images", Default = 2000, MetaValue = "N", HelpText = "Search-validation images that judge the finalists and the baselines.")]
    public int ValidationImages { get; set; } = 2000;

    /// <summary>Test images.</summary>
    [Option("test-images", Default = 2000, MetaValue = "N", HelpText = "Test images that judge plan and baselines once, after the search; 0 for none.")]
    public int TestImages { get; set; } = 2000;

    /// <summary>Whether an earlier search is discarded.</summary>
    [Option("restart", HelpText = "Discard a search already in the output folder.")]
    public bool Restart { get; set; }

    /// <summary>Accuracy bar.</summary>
    [Option("min-top1", MetaValue = "SHARE", HelpText = "Exit with 3 when the plan's top-1 accuracy (0 to 1) is below this.")]
    public double? MinTop1 { get; set; }

    /// <summary>Latency bar.</summary>
    [Option("max-ms", MetaValue = "MS", HelpText = "Exit with 3 when the plan's re-measured latency is above this.")]
    public double? MaxMs { get; set; }

    /// <inheritdoc/>
    protected override bool UsesDevice => base.UsesDevice || EdgeDevice != "cpu";

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        ProductPrecision precision = CheckPrecision();
        using ComputeDevice? device = OpenDevice(), edge = OpenDevice("edge-device", EdgeDevice);
        SearchRequest request = Request(terminal, cancellation) with
        {
            Device = device,
            EdgeDevice = edge,
            Strict = Strict,
            Precision = precision,
        };
        SearchOutcome outcome = await SearchAsync(terminal, request, cancellation).ConfigureAwait(false);
        WriteJson(terminal, outcome.Report.Serialize());
        if (!JsonOnStdout) ReportFiles.Show(terminal, outcome.Report);
        terminal.Message($"plan, bundle and report are in {Out}; open {Path.Combine(Out, ReportFiles.Html)}");
        return Bar(terminal, outcome.Report.PlanResult.Measured?.TotalMs ?? 0, MaxMs, outcome.Report.PlanResult.TestAccuracy ?? outcome.Plan.ValidationAccuracy, MinTop1);
    }

    /// <summary>Runs a search under a progress bar and writes the renderings of its report.</summary>
    public static async Task<SearchOutcome> SearchAsync(Terminal terminal, SearchRequest request, CancellationToken cancellation)
    {
        string stage = "";
        SearchOutcome outcome = await terminal.ProgressAsync("search", update => Task.Run(() => SearchRunner.Run(request, new ImmediateProgress<SearchProgress>(progress =>
        {
            if (progress.Episodes == 0 && progress.Stage != stage) terminal.Message($"{progress.Stage} ...");
            stage = progress.Stage;
            update(progress.Episodes == 0 ? 0 : (double)progress.Episode / progress.Episodes, Describe(progress));
        }), cancellation), cancellation)).ConfigureAwait(false);
        ReportFiles.Write(outcome.Report, request.OutputFolder);
        return outcome;
    }

    private static string Describe(SearchProgress progress)
    {
        if (progress.Episodes == 0) return progress.Stage;
        string best = progress.Best is { } record
            ? string.Create(CultureInfo.InvariantCulture, $", best {100 * record.Accuracy:F1} % in {record.LatencyMs:F2} ms at {record.Cut}")
            : "";
        string left = progress.Remaining is { } remaining ? string.Create(CultureInfo.InvariantCulture, $", {remaining:mm\\:ss} left") : "";
        return $"{progress.Stage}, episode {progress.Episode} of {progress.Episodes}{best}{left}";
    }

    private SearchRequest Request(Terminal terminal, CancellationToken cancellation)
    {
        // Texts that the user typed are read before any file is opened, so that a typo costs no time.
        LinkSpec link = LinkSpec.Parse(Link);
        Budget budget = Agent.Search.Budget.Parse(Budget);
        Reward reward = Agent.Environments.Reward.Parse(Reward);
        WeightForm form = Form switch
        {
            "channel" => WeightForm.Dense,
            "block" => WeightForm.Block,
            "unstructured" => WeightForm.Unstructured,
            _ => throw new UsageException($"--form {Form}: expected channel, block or unstructured."),
        };
        if (!(Slowdown >= 1 && Slowdown <= 1e6)) throw new UsageException($"--slowdown {Slowdown}: expected 1 to 1000000.");
        if (FineTune is < 0 or > 100_000) throw new UsageException($"--finetune {FineTune}: expected 0 to 100000.");
        if (!(FineTuneRate > 0) || !float.IsFinite(FineTuneRate)) throw new UsageException($"--finetune-lr {FineTuneRate}: expected a positive number.");
        Graph model = OnnxModel.Load(Model);
        string hash = ModelHash.OfFile(Model);
        DataSource data = DataOptions.Source(Data, model);
        var request = new SearchRequest
        {
            Model = model,
            ModelHash = hash,
            ModelName = Path.GetFileNameWithoutExtension(Model),
            Data = data,
            Preprocessing = DataOptions.Preprocessing(Preprocess, model, data, terminal, cancellation),
            Link = link,
            Budget = budget,
            Pruner = new PrunerOptions { Importance = Importance },
            Bottlenecks = Bottlenecks is null ? [] : BottleneckTable.Load(Bottlenecks, hash),
            OutputFolder = Out,
            DeviceTable = DeviceTable is null ? null : LatencyTable.Load(DeviceTable),
            Slowdown = Slowdown,
            DeviceThreads = Threads,
            EdgeThreads = EdgeThreads,
            Precise = Precise,
            Episodes = Episodes,
            Seed = Seed,
            Decider = Decider,
            Compare = Compare ? [.. ComparedDeciders.Where(name => name != Decider)] : [],
            Reward = reward,
            Form = form,
            CalibrationImages = Calibration,
            JudgeImages = JudgeImages,
            ValidationImages = ValidationImages,
            TestImages = TestImages,
            Restart = Restart,
            FineTuning = FineTune == 0 ? null : new TrainerOptions
            {
                Epochs = FineTune,
                LearningRate = FineTuneRate,
                WarmUpEpochs = 0.2,
                ClipNorm = 2,
                Augmentation = Augmentation.Parse(TrainingVerb.SuitableAugmentation(Data)),
                Loss = new ClassificationLoss(0, 0.7f),
                Seed = (ulong)Seed,
            },
        };
        try
        {
            request.Validate();
        }
        catch (ArgumentException failure)
        {
            throw new UsageException(failure.Message);
        }

        return request;
    }
}
