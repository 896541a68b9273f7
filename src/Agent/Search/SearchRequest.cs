using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Training;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Agent.Search;

/// <summary>What to search, for whom, and how hard.</summary>
public sealed record SearchRequest
{
    /// <summary>The network as imported.</summary>
    public required Graph Model { get; init; }

    /// <summary>SHA-256 of the model file, lower-case hex.</summary>
    public required string ModelHash { get; init; }

    /// <summary>Name of the model in reports.</summary>
    public required string ModelName { get; init; }

    /// <summary>Labelled images; the test split is only touched after the search.</summary>
    public required DataSource Data { get; init; }

    /// <summary>How pixels become network input.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>The link between device and edge.</summary>
    public required LinkSpec Link { get; init; }

    /// <summary>Latency target.</summary>
    public required Budget Budget { get; init; }

    /// <summary>Folder for journal, latency table, plan, bundle and report.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>Times of the device's kernels; measured on demand where they are missing. Null for the table kept in the output folder.</summary>
    public LatencyTable? DeviceTable { get; init; }

    /// <summary>Times of the edge's kernels; null for the same host as the device's.</summary>
    public LatencyTable? EdgeTable { get; init; }

    /// <summary>Factor by which the device is emulated slower than its table says; 1 for none.</summary>
    public double Slowdown { get; init; } = 1;

    /// <summary>Threads of the device's session.</summary>
    public int DeviceThreads { get; init; } = 1;

    /// <summary>Threads of the edge's session.</summary>
    public int EdgeThreads { get; init; } = 1;

    /// <summary>What runs the device's half, as <see cref="Runtime.Execution.SessionOptions.Device"/>; the caller keeps ownership.</summary>
    public ComputeDevice? Device { get; init; }

    /// <summary>What runs the edge's half.</summary>
    public ComputeDevice? EdgeDevice { get; init; }

    /// <summary>As <see cref="Runtime.Execution.SessionOptions.Strict"/>, where a half runs on a device.</summary>
    public bool Strict { get; init; }

    /// <summary>As <see cref="Runtime.Execution.SessionOptions.Precise"/>, for device and edge.</summary>
    public bool Precise { get; init; }

    /// <summary>As <see cref="Runtime.Execution.SessionOptions.Precision"/>, for a half that runs on a device. Accuracies are judged on the CPU, which does not round.</summary>
    public ProductPrecision Precision { get; init; }

    /// <summary>Threads for re-fitting and judging.</summary>
    public int WorkThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>Episodes per decider, over all cuts.</summary>
    public int Episodes { get; init; } = 150;

    /// <summary>Seed of everything random.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Decider that makes the plan, one of <see cref="DeciderFactory.Names"/>.</summary>
    public string Decider { get; init; } = "ddpg";

    /// <summary>Further deciders that get the same number of episodes, for comparison only.</summary>
    public IReadOnlyList<string> Compare { get; init; } = [];

    /// <summary>What an episode earns.</summary>
    public Reward Reward { get; init; } = new(RewardKind.Budget);

    /// <summary>Constants of the DDPG agent; null for AMC's with a warm-up scaled to the episodes.</summary>
    public DdpgOptions? Ddpg { get; init; }

    /// <summary>How sparsity is realised; <see cref="WeightForm.Dense"/> removes whole channels.</summary>
    public WeightForm Form { get; init; } = WeightForm.Dense;

    /// <summary>What may be decided at a cut.</summary>
    public DecisionRange Range { get; init; } = new();

    /// <summary>Learned bottlenecks of the network, as <see cref="BottleneckTable"/> reads them: each cut with some can be searched with them too.</summary>
    public IReadOnlyList<BottleneckNetwork> Bottlenecks { get; init; } = [];

    /// <summary>How the pruner ranks and re-fits.</summary>
    public PrunerOptions Pruner { get; init; } = new();

    /// <summary>
    /// Images of the training split that pruner and codec are calibrated on; the pruner takes as many of them as its options
    /// say. A plan compiled later from as many images is the plan that was judged.
    /// </summary>
    public int CalibrationImages { get; init; } = BundleCompiler.CodecImages;

    /// <summary>Images of the search-validation split that judge an episode.</summary>
    public int JudgeImages { get; init; } = 500;

    /// <summary>Images of the search-validation split, the judging ones included, that judge baselines and final candidates.</summary>
    public int ValidationImages { get; init; } = 2000;

    /// <summary>Images of the test split that judge plan and baselines once the search has ended; 0 for none.</summary>
    public int TestImages { get; init; } = 2000;

    /// <summary>Seconds for which plan and baselines are each run when they are measured.</summary>
    public double MeasureSeconds { get; init; } = 1;

    /// <summary>Best episodes that are judged again on all validation images before one becomes the plan.</summary>
    public int FinalCandidates { get; init; } = 5;

    /// <summary>
    /// How the plan is trained at the end, the unpruned network being the teacher; null for not at all. Preprocessing,
    /// teacher, zeros, threads and checkpoint are the search's own whatever is said here.
    /// </summary>
    public TrainerOptions? FineTuning { get; init; }

    /// <summary>Whether a search already in the output folder is discarded and not resumed.</summary>
    public bool Restart { get; init; }

    /// <summary>Throws when a number is out of range or a name unknown.</summary>
    /// <exception cref="ArgumentException">The message names the setting.</exception>
    public void Validate()
    {
        Positive(Episodes, nameof(Episodes));
        Positive(CalibrationImages, nameof(CalibrationImages));
        Positive(JudgeImages, nameof(JudgeImages));
        Positive(ValidationImages, nameof(ValidationImages));
        Positive(FinalCandidates, nameof(FinalCandidates));
        Positive(DeviceThreads, nameof(DeviceThreads));
        Positive(EdgeThreads, nameof(EdgeThreads));
        Positive(WorkThreads, nameof(WorkThreads));
        if (TestImages < 0) throw new ArgumentOutOfRangeException(nameof(TestImages), TestImages, "TestImages must be at least 0.");
        if (!(MeasureSeconds >= 0 && double.IsFinite(MeasureSeconds))) throw new ArgumentOutOfRangeException(nameof(MeasureSeconds), MeasureSeconds, "MeasureSeconds must be at least 0.");
        if (!(Slowdown >= 1 && double.IsFinite(Slowdown))) throw new ArgumentOutOfRangeException(nameof(Slowdown), Slowdown, "Slowdown must be at least 1.");
        foreach (string name in (IEnumerable<string>)[Decider, .. Compare])
        {
            if (!DeciderFactory.Names.Contains(name)) throw new ArgumentException($"There is no decider '{name}'; there are {string.Join(", ", DeciderFactory.Names)}.");
        }

        Ddpg?.Validate();
        Range.Validate();
    }

    private static void Positive(int value, string name)
    {
        if (value < 1) throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
    }
}
