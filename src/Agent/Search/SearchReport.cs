using CoInference.Agent.Baselines;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Agent.Search;

/// <summary>The document <c>report.json</c>: all that a search found, and the one source of every rendering.</summary>
public sealed record SearchReport
{
    /// <summary>Schema name of the document.</summary>
    public const string SchemaName = "coinference.report/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>The network.</summary>
    public required ReportedModel Model { get; init; }

    /// <summary>The data.</summary>
    public required ReportedData Data { get; init; }

    /// <summary>Where everything was measured.</summary>
    public required HostInfo Host { get; init; }

    /// <summary>What ran the device's half: <c>cpu</c>, or the id and name of a device.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>What ran the edge's half, likewise.</summary>
    public string EdgeDevice { get; init; } = "cpu";

    /// <summary>The link, as <see cref="LinkSpec.Parse"/> reads it.</summary>
    public required string Link { get; init; }

    /// <summary>Factor by which the device was emulated slower than the host; 1 for none.</summary>
    public required double Slowdown { get; init; }

    /// <summary>The budget as given, e.g. <c>0.5x</c>.</summary>
    public required string Budget { get; init; }

    /// <summary>The budget in milliseconds.</summary>
    public required double BudgetMs { get; init; }

    /// <summary>What an episode earned, as <see cref="Environments.Reward.Parse"/> reads it.</summary>
    public required string Reward { get; init; }

    /// <summary>Seed of everything random.</summary>
    public required int Seed { get; init; }

    /// <summary>The plan.</summary>
    public required Plan Plan { get; init; }

    /// <summary>What the plan achieves, measured like the baselines.</summary>
    public required BaselineResult PlanResult { get; init; }

    /// <summary>Relative difference of the plan's measured total from the predicted one; positive when it is slower.</summary>
    public required double PredictionError { get; init; }

    /// <summary>What it is compared with.</summary>
    public required IReadOnlyList<BaselineResult> Baselines { get; init; }

    /// <summary>The cuts, and what became of them.</summary>
    public required IReadOnlyList<ScreenedCut> Cuts { get; init; }

    /// <summary>The deciders, the plan's first.</summary>
    public required IReadOnlyList<DeciderResult> Deciders { get; init; }

    /// <summary>All episodes, oldest first.</summary>
    public required IReadOnlyList<EpisodeRecord> Episodes { get; init; }

    /// <summary>Indices into <see cref="Episodes"/> of those that no other beats in latency and accuracy, by rising latency.</summary>
    public required IReadOnlyList<int> ParetoFront { get; init; }

    /// <summary>What a reader must know to read the figures right.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Seconds the search took, over all runs.</summary>
    public required double Seconds { get; init; }

    /// <summary>Reads a report.</summary>
    /// <exception cref="InvalidDataException">Not a report; the message names the file, the field and what was expected.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static SearchReport Read(string path) => SchemaFile.Read(path, SchemaName, SearchJson.Default.SearchReport);

    /// <summary>Writes the report.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(string path) => SchemaFile.Write(path, this, SearchJson.Default.SearchReport);

    /// <summary>The report as JSON text.</summary>
    public byte[] Serialize() => SchemaFile.Serialize(this, SearchJson.Default.SearchReport);
}

/// <summary>The network of a report.</summary>
/// <param name="Name">Name.</param>
/// <param name="Hash">SHA-256 of the model file.</param>
/// <param name="Parameters">Weights and biases after simplification.</param>
/// <param name="InputShape">Shape of one input.</param>
/// <param name="Classes">Scores per image.</param>
public sealed record ReportedModel(string Name, string Hash, long Parameters, IReadOnlyList<int> InputShape, int Classes);

/// <summary>The data of a report.</summary>
/// <param name="Spec">The data specification.</param>
/// <param name="Preprocessing">Name of the preprocessing.</param>
/// <param name="CalibrationImages">Training images that pruner and codec were calibrated on.</param>
/// <param name="JudgeImages">Validation images that judged each episode.</param>
/// <param name="ValidationImages">Validation images that judged plan and baselines.</param>
/// <param name="TestImages">Test images that judged plan and baselines after the search; 0 for none.</param>
public sealed record ReportedData(string Spec, string Preprocessing, int CalibrationImages, int JudgeImages, int ValidationImages, int TestImages);

/// <summary>What one decider made of its episodes.</summary>
/// <param name="Decider">Name.</param>
/// <param name="Episodes">Episodes it took; fewer than given when it had nothing left to try.</param>
/// <param name="Cut">Cut of its best episode.</param>
/// <param name="Reward">Reward of its best episode.</param>
/// <param name="Accuracy">Accuracy of that episode on the judging images, 0 to 1.</param>
/// <param name="LatencyMs">Predicted latency of that episode.</param>
/// <param name="BestIsProbe">Whether its best episode was the uniform probe that every decider starts from.</param>
public sealed record DeciderResult(string Decider, int Episodes, string Cut, double Reward, double Accuracy, double LatencyMs, bool BestIsProbe);
