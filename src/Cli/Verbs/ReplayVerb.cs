using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Lets online deciders answer requests in simulated time.</summary>
[Verb("replay", HelpText = "Let online deciders (autoscale, ans, ...) choose targets in simulated time: load, signal, link traces.")]
internal sealed class ReplayVerb : Verb
{
    /// <summary>Recorded targets.</summary>
    [Value(0, MetaName = "TARGETS", Required = true, HelpText = "Table of a network's targets, from 'coinference record'.")]
    public string Targets { get; set; } = "";

    /// <summary>Scenario.</summary>
    [Option("scenario", Default = "mixed", MetaValue = "NAME|FILE", HelpText = "What happens: steady, processor, memory, weak-signal, mixed, or a JSON file.")]
    public string Scenario { get; set; } = "mixed";

    /// <summary>Deciders.</summary>
    [Option("decider", Separator = ',', Default = new[] { "autoscale", "ans", "ans-energy", "device", "edge", "static", "oracle" }, MetaValue = "NAME,...", HelpText = "Deciders: autoscale, autoscale-bins, autoscale-paper, ans, ans-energy, ans-paper, oracle, causal-oracle, device, edge, static, static:TARGET.")]
    public IEnumerable<string> Deciders { get; set; } = [];

    /// <summary>Latency that counts as in time.</summary>
    [Option("qos", Default = "50ms", MetaValue = "MS", HelpText = "Latency that counts as in time, e.g. 50ms.")]
    public string Qos { get; set; } = "50ms";

    /// <summary>Least accuracy.</summary>
    [Option("min-accuracy", Default = 0.0, MetaValue = "SHARE", HelpText = "Least accuracy of a target, 0 to 1.")]
    public double MinAccuracy { get; set; }

    /// <summary>Link trace.</summary>
    [Option("trace", Separator = ',', MetaValue = "UP[,DOWN]", HelpText = "Recorded link in place of the scenario's: mahimahi traces, gzip or not.")]
    public IEnumerable<string> Trace { get; set; } = [];

    /// <summary>Seeds.</summary>
    [Option("seeds", Default = 8, MetaValue = "N", HelpText = "Number of seeds, from --seed on.")]
    public int Seeds { get; set; } = 8;

    /// <summary>First seed.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "First seed.")]
    public int Seed { get; set; }

    /// <summary>Number of requests.</summary>
    [Option("requests", MetaValue = "N", HelpText = "Requests, in place of the scenario's number.")]
    public int? Requests { get; set; }

    /// <summary>Slower device.</summary>
    [Option("slowdown", Default = 10.0, MetaValue = "K", HelpText = "Emulate a device K times slower than the recording host.")]
    public double Slowdown { get; set; } = 10;

    /// <summary>Energy model.</summary>
    [Option("energy", MetaValue = "FILE", HelpText = "Energy model of the device (JSON); by default a board of the Raspberry Pi 4 class.")]
    public string? Energy { get; set; }

    /// <summary>Where the energy model goes.</summary>
    [Option("write-energy", MetaValue = "FILE", HelpText = "Also write the energy model in use, to edit.")]
    public string? WriteEnergy { get; set; }

    /// <summary>HTML page.</summary>
    [Option("html", MetaValue = "FILE", HelpText = "Also write a page with decisions over time, energy, latency against QoS, and regret.")]
    public string? Html { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        ReplayRequest request = Request();
        if (WriteEnergy is not null) request.Energy.Save(WriteEnergy);
        ReplayReport report = await terminal.ProgressAsync("replay", update => Task.Run(() => request.Run(new ImmediateProgress<double>(share => update(share, "")), cancellation), cancellation)).ConfigureAwait(false);
        WriteJson(terminal, report.Serialize());
        if (Html is not null) AtomicFile.WriteText(Html, ReplayPage.Render(report));
        if (JsonOnStdout) return ExitCode.Done;
        foreach ((string name, string value) in ReplayRows.Facts(report)) terminal.Line($"{name,-11}{value}");
        var table = new ResultTable([.. ReplayRows.Columns]);
        foreach (ReplayedDecider decider in report.Deciders) table.Add(ReplayRows.Cells(decider));
        terminal.Write(table);
        return ExitCode.Done;
    }

    private ReplayRequest Request()
    {
        if (!Qos.EndsWith("ms", StringComparison.Ordinal) || !double.TryParse(Qos.AsSpan(0, Qos.Length - 2), NumberStyles.Float, CultureInfo.InvariantCulture, out double qos) || !(qos is > 0 and < 1e6))
            throw new UsageException($"--qos {Qos}: expected a time such as 50ms.");
        if (!(MinAccuracy is >= 0 and <= 1)) throw new UsageException($"--min-accuracy {MinAccuracy}: expected 0 to 1.");
        if (Seeds is < 1 or > 1000) throw new UsageException($"--seeds {Seeds}: expected 1 to 1000.");
        if (Requests is < 1 or > 1_000_000) throw new UsageException($"--requests {Requests}: expected 1 to 1000000.");
        if (!(Slowdown is >= 1 and <= 10_000)) throw new UsageException($"--slowdown {Slowdown}: expected 1 to 10000.");
        string[] deciders = [.. Deciders];
        if (deciders.Length == 0) throw new UsageException("--decider: expected at least one name.");
        if (deciders.FirstOrDefault(name => !OnlineDeciders.Names.Contains(name) && !name.StartsWith(OnlineDeciders.StaticPrefix, StringComparison.Ordinal)) is { } unknown)
            throw new UsageException($"--decider {unknown}: expected {string.Join(", ", OnlineDeciders.Names)} or {OnlineDeciders.StaticPrefix}TARGET.");
        string[] traces = [.. Trace];
        if (traces.Length > 2) throw new UsageException($"--trace {string.Join(',', traces)}: expected one trace towards the edge and at most one back.");
        Scenario scenario = Agent.Online.Replay.Scenario.Find(Scenario);
        return new ReplayRequest
        {
            Table = TargetTable.Load(Targets),
            Energy = Energy is null ? EnergyModel.Default : EnergyModel.Load(Energy),
            Scenario = scenario with { Requests = Requests ?? scenario.Requests },
            Deciders = deciders,
            QosMs = qos,
            MinAccuracy = MinAccuracy,
            Seeds = [.. Enumerable.Range(Seed, Seeds).Select(seed => (long)seed)],
            Slowdown = Slowdown,
            Up = traces.Length > 0 ? PacketTrace.Load(traces[0]) : null,
            Down = traces.Length > 1 ? PacketTrace.Load(traces[1]) : null,
            TraceName = string.Join(", ", traces.Select(Path.GetFileName)),
        };
    }
}
