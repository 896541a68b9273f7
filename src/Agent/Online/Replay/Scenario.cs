using CoInference.Runtime.Plans;

namespace CoInference.Agent.Online.Replay;

/// <summary>A quantity that jumps between levels.</summary>
/// <param name="Levels">The levels, each as likely as the others.</param>
/// <param name="MeanSeconds">Mean time at a level, exponentially distributed; 0 keeps the first level for ever.</param>
/// <param name="ChangeAt">When given, chance has no part: the levels follow each other at these seconds, one fewer than levels.</param>
public sealed record LevelProcess(IReadOnlyList<double> Levels, double MeanSeconds = 0, IReadOnlyList<double>? ChangeAt = null)
{
    /// <summary>One level for ever.</summary>
    public static LevelProcess Constant(double level) => new([level]);
}

/// <summary>Strength of a radio signal: an Ornstein-Uhlenbeck process, as shadowing behaves for somebody who moves (Gudmundson, 1991).</summary>
/// <param name="MeanDbm">Mean in dBm.</param>
/// <param name="DeviationDb">Standard deviation in dB.</param>
/// <param name="CorrelationSeconds">Time after which the correlation has fallen to 1/e.</param>
public sealed record SignalProcess(double MeanDbm, double DeviationDb, double CorrelationSeconds);

/// <summary>Times at which nothing crosses the link.</summary>
/// <param name="MeanSecondsBetween">Mean time from one to the next, exponentially distributed; 0 for none.</param>
/// <param name="MeanSeconds">Mean length, exponentially distributed.</param>
public sealed record OutageProcess(double MeanSecondsBetween, double MeanSeconds);

/// <summary>What happens around a device while it answers requests.</summary>
public sealed record Scenario
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.scenario/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Name in reports.</summary>
    public required string Name { get; init; }

    /// <summary>Number of requests.</summary>
    public int Requests { get; init; } = 1000;

    /// <summary>Time between two requests.</summary>
    public double PeriodMs { get; init; } = 100;

    /// <summary>Every so many requests one is a key request; 0 for none.</summary>
    public int KeyEvery { get; init; } = 10;

    /// <summary>Share of the device's processors that other programs use.</summary>
    public LevelProcess ProcessorLoad { get; init; } = LevelProcess.Constant(0);

    /// <summary>Share of the time that other programs stream through the device's memory.</summary>
    public LevelProcess MemoryLoad { get; init; } = LevelProcess.Constant(0);

    /// <summary>Factor on the edge's times.</summary>
    public LevelProcess EdgeSlowdown { get; init; } = LevelProcess.Constant(1);

    /// <summary>Share of the edge's time that other clients take, below 1: requests wait as in an M/M/1 queue whose service is the whole network.</summary>
    public double EdgeUtilization { get; init; }

    /// <summary>The radio signal, from which the rate of the link follows (<see cref="WifiRate"/>); null for a link without one.</summary>
    public SignalProcess? Signal { get; init; } = new(-55, 1, 10);

    /// <summary>Rate of the link in Mbit/s, whatever the signal; null to take it from the signal or from a trace.</summary>
    public LevelProcess? LinkMbps { get; init; }

    /// <summary>Round-trip time of the link.</summary>
    public double RoundTripMs { get; init; } = 5;

    /// <summary>Failures of the link.</summary>
    public OutageProcess Outages { get; init; } = new(0, 0);

    /// <summary>A request without an answer is given up after so long.</summary>
    public double TimeoutMs { get; init; } = 500;

    /// <summary>The scenarios by name.</summary>
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new() { Name = "steady" },
        new() { Name = "processor", ProcessorLoad = new([0, 0.25, 0.5, 0.75, 1], 5) },
        new() { Name = "memory", MemoryLoad = new([0, 0.25, 0.5, 0.75, 1], 5) },
        new() { Name = "weak-signal", Signal = new(-80, 7, 10) },
        new()
        {
            Name = "mixed",
            ProcessorLoad = new([0, 0.25, 0.5, 0.75, 1], 8),
            MemoryLoad = new([0, 0.25, 0.5, 0.75, 1], 8),
            Signal = new(-72, 9, 10),
            EdgeSlowdown = new([1, 2, 4], 10),
            EdgeUtilization = 0.3,
            Outages = new(60, 2),
        },
    ];

    /// <summary>A scenario by name, or read from a file.</summary>
    /// <param name="nameOrPath">One of the names in <see cref="All"/>, or a JSON file.</param>
    /// <exception cref="InvalidDataException">The file is no scenario; the message names the field.</exception>
    /// <exception cref="FileNotFoundException">There is neither such a name nor such a file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Scenario Find(string nameOrPath)
    {
        if (All.FirstOrDefault(scenario => scenario.Name == nameOrPath) is { } known) return known;
        if (!File.Exists(nameOrPath)) throw new FileNotFoundException($"Scenario '{nameOrPath}' is neither a file nor one of {string.Join(", ", All.Select(scenario => scenario.Name))}.", nameOrPath);
        Scenario scenario = SchemaFile.Read(nameOrPath, SchemaName, OnlineJson.Default.Scenario);
        if (scenario.Problem() is { } problem) throw new InvalidDataException($"{nameOrPath}: {problem}");
        return scenario;
    }

    /// <summary>Writes the scenario, for a user to edit.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => SchemaFile.Write(path, this, OnlineJson.Default.Scenario);

    /// <summary>What is wrong with the scenario; null when nothing is.</summary>
    internal string? Problem()
    {
        if (Requests is < 1 or > 1_000_000) return $"field 'requests' is {Requests}, expected 1 to 1000000.";
        if (!(PeriodMs is > 0 and <= 1e6)) return $"field 'periodMs' is {PeriodMs}, expected above 0, at most 1e6.";
        if (KeyEvery < 0) return $"field 'keyEvery' is {KeyEvery}, expected 0 or more.";
        if (!(RoundTripMs is >= 0 and <= 1e5)) return $"field 'roundTripMs' is {RoundTripMs}, expected 0 to 1e5.";
        if (!(TimeoutMs is > 0 and <= 1e6)) return $"field 'timeoutMs' is {TimeoutMs}, expected above 0, at most 1e6.";
        if (!(EdgeUtilization is >= 0 and < 1)) return $"field 'edgeUtilization' is {EdgeUtilization}, expected 0 to below 1.";
        if (!(Outages.MeanSecondsBetween >= 0) || !(Outages.MeanSeconds >= 0)) return "field 'outages': expected times of 0 or more.";
        if (Signal is { } signal && !(signal.MeanDbm is >= -150 and <= 50 && signal.DeviationDb is >= 0 and <= 50 && signal.CorrelationSeconds > 0))
            return "field 'signal': expected a mean from -150 to 50 dBm, a deviation from 0 to 50 dB and a positive correlation time.";
        return Problem("processorLoad", ProcessorLoad, 0, 1) ?? Problem("memoryLoad", MemoryLoad, 0, 1) ?? Problem("edgeSlowdown", EdgeSlowdown, 0.01, 1e4)
            ?? (LinkMbps is null ? null : Problem("linkMbps", LinkMbps, 0.001, 1e6));
    }

    private static string? Problem(string field, LevelProcess process, double low, double high)
    {
        if (process.Levels.Count == 0 || process.Levels.Any(level => !(level >= low && level <= high))) return $"field '{field}.levels': expected at least one level, each from {low} to {high}.";
        if (!(process.MeanSeconds >= 0)) return $"field '{field}.meanSeconds' is {process.MeanSeconds}, expected 0 or more.";
        bool rises = process.ChangeAt is not { } times || (times.Count == process.Levels.Count - 1 && times.All(time => time >= 0) && times.Zip(times.Skip(1)).All(pair => pair.First < pair.Second));
        return rises ? null : $"field '{field}.changeAt': expected rising seconds, one fewer than levels.";
    }
}
