using CoInference.Runtime.Plans;

namespace CoInference.Agent.Online.Replay;

/// <summary>A mean over seeds with the half width of its 95 % interval.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="HalfWidth">Half width by Student's t; 0 for a single seed.</param>
public sealed record SeedMean(double Mean, double HalfWidth)
{
    private static readonly double[] StudentT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131];

    /// <summary>Mean and interval of one value per seed.</summary>
    public static SeedMean Of(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        double mean = values.Average();
        if (values.Count < 2) return new SeedMean(mean, 0);
        double variance = values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);
        double t = values.Count - 2 < StudentT.Length ? StudentT[values.Count - 2] : 1.96 + (2.5 / (values.Count - 1));
        return new SeedMean(mean, t * Math.Sqrt(variance / values.Count));
    }
}

/// <summary>One request of the first seed.</summary>
/// <param name="Target">Index of the chosen target.</param>
/// <param name="Best">Index of the oracle's.</param>
/// <param name="LatencyMs">Latency.</param>
/// <param name="EnergyMj">Energy of the device in millijoules, modelled.</param>
/// <param name="RegretMj">Energy above the oracle's, summed from the first request on.</param>
public sealed record ReplayPoint(int Target, int Best, double LatencyMs, double EnergyMj, double RegretMj);

/// <summary>How one decider did.</summary>
/// <param name="Decider">Its name.</param>
/// <param name="EnergyMj">Energy of the device per request in millijoules, modelled.</param>
/// <param name="OverOracle">Energy over the oracle's, in the same worlds, less 1.</param>
/// <param name="LatencyMs">Mean latency.</param>
/// <param name="Violations">Share of requests not answered in time.</param>
/// <param name="EnergyPerAnswerMj">Energy of all requests over the number of answers in time, in millijoules, modelled.</param>
/// <param name="Right">Share of right choices; see <see cref="ReplayRun.Tolerance"/>.</param>
/// <param name="RightAfter100">That share from the 101st request on; 0 in shorter runs.</param>
/// <param name="LatencyRegretMs">Latency above that of the fastest target, summed over all requests.</param>
/// <param name="Points">The requests of the first seed.</param>
public sealed record ReplayedDecider(
    string Decider, SeedMean EnergyMj, SeedMean OverOracle, SeedMean LatencyMs, SeedMean Violations, SeedMean EnergyPerAnswerMj, SeedMean Right, SeedMean RightAfter100, SeedMean LatencyRegretMs,
    IReadOnlyList<ReplayPoint> Points);

/// <summary>How deciders did in one scenario with one network, in simulated time.</summary>
public sealed record ReplayReport
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.replay/1";

    private const int Learning = 100;

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Name of the network.</summary>
    public required string Network { get; init; }

    /// <summary>The scenario.</summary>
    public required Scenario Scenario { get; init; }

    /// <summary>Recorded link that stood in for the scenario's; empty for none.</summary>
    public string Trace { get; init; } = "";

    /// <summary>Processor that the times were recorded on.</summary>
    public required string RecordedOn { get; init; }

    /// <summary>How many times slower than that the device is; its times are emulated when it is not 1.</summary>
    public required double Slowdown { get; init; }

    /// <summary>Device whose energy is modelled.</summary>
    public required string EnergyModel { get; init; }

    /// <summary>Latency that counts as in time.</summary>
    public required double QosMs { get; init; }

    /// <summary>Least accuracy.</summary>
    public required double MinAccuracy { get; init; }

    /// <summary>Seeds.</summary>
    public required IReadOnlyList<long> Seeds { get; init; }

    /// <summary>Names of the targets.</summary>
    public required IReadOnlyList<string> Targets { get; init; }

    /// <summary>The deciders.</summary>
    public required IReadOnlyList<ReplayedDecider> Deciders { get; init; }

    /// <summary>Reads a report.</summary>
    /// <exception cref="InvalidDataException">Not such a file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ReplayReport Read(string path) => SchemaFile.Read(path, SchemaName, OnlineJson.Default.ReplayReport);

    /// <summary>The document as JSON text.</summary>
    public byte[] Serialize() => SchemaFile.Serialize(this, OnlineJson.Default.ReplayReport);

    /// <summary>Sums up the runs of one decider.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="runs">One run per seed.</param>
    public static ReplayedDecider Summarize(string name, IReadOnlyList<ReplayedRequest[]> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        double regret = 0;
        var points = new List<ReplayPoint>(runs[0].Length);
        foreach (ReplayedRequest request in runs[0])
        {
            regret += 1000 * (request.Joules - request.BestOutcome.Joules);
            points.Add(new ReplayPoint(
                request.Target, request.Best, Math.Round(1000 * request.Outcome.LatencySeconds, 4), Math.Round(1000 * request.Joules, 4), Math.Round(regret, 3)));
        }

        return new ReplayedDecider(
            name,
            Each(run => 1000 * run.Average(request => request.Joules)),
            Each(run => (run.Sum(request => request.Joules) / run.Sum(request => request.BestOutcome.Joules)) - 1),
            Each(run => 1000 * run.Average(request => request.Outcome.LatencySeconds)),
            Each(run => run.Average(request => request.InTime ? 0.0 : 1)),
            Each(run => 1000 * run.Sum(request => request.Joules) / Math.Max(1, run.Count(request => request.InTime))),
            Each(run => run.Average(request => request.Right ? 1.0 : 0)),
            Each(run => run.Length > Learning ? run.Skip(Learning).Average(request => request.Right ? 1.0 : 0) : 0),
            Each(run => 1000 * run.Sum(request => request.Outcome.LatencySeconds - Math.Min(request.Outcome.LatencySeconds, request.ShortestSeconds))),
            points);

        SeedMean Each(Func<ReplayedRequest[], double> value) => SeedMean.Of([.. runs.Select(value)]);
    }
}
