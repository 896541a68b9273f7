using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online;

/// <summary>The deciders by name.</summary>
public sealed class OnlineDeciders
{
    /// <summary>Prefix of the name of a decider that always takes one target.</summary>
    public const string StaticPrefix = "static:";

    /// <summary>Names, besides <c>static:TARGET</c>: the learners, AutoScale with bins derived from a recording, those as published, the oracle, and the best fixed choices by profile.</summary>
    public static readonly IReadOnlyList<string> Names =
        ["autoscale", "autoscale-bins", "autoscale-paper", "ans", "ans-energy", "ans-paper", "oracle", "device", "edge", "static"];

    private const long RecordingSeed = -1;

    private readonly TargetTable _table;
    private readonly IReadOnlyList<TargetProfile> _profiles;
    private readonly Func<TargetPlacement?, int> _best;
    private readonly Scenario _scenario;
    private readonly PacketTrace? _trace;

    /// <summary>Creates a list for one network on one device.</summary>
    /// <param name="table">Recorded times.</param>
    /// <param name="profiles">The targets.</param>
    /// <param name="scenario">Gives the link that fixed choices are made for: its mean signal or first rate.</param>
    /// <param name="constraints">What requests ask for.</param>
    /// <param name="trace">A recorded link, whose mean rate counts in place of the scenario's; null for none.</param>
    public OnlineDeciders(TargetTable table, IReadOnlyList<TargetProfile> profiles, Scenario scenario, RequestConstraints constraints, PacketTrace? trace)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        (_table, _profiles, _scenario, _trace) = (table, profiles, scenario, trace);
        double signal = scenario.Signal?.MeanDbm ?? double.NaN;
        double rate = trace?.BytesPerSecond ?? (scenario.LinkMbps is { } levels ? levels.Levels[0] * 1e6 / 8 : WifiRate.BytesPerSecond(signal));
        _best = placement => StaticDecider.Best(profiles, constraints, rate, scenario.RoundTripMs / 1000, signal, placement);
    }

    /// <summary>What makes a decider of a name, given the oracle's knowledge and a seed.</summary>
    /// <exception cref="ArgumentException">There is no such decider or target.</exception>
    public Func<IForesight, long, IOnlineDecider> Maker(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.StartsWith(StaticPrefix, StringComparison.Ordinal)) return Fixed(name, _profiles.ToList().FindIndex(profile => profile.Target.Name == name[StaticPrefix.Length..]));
        return name switch
        {
            "autoscale" => (_, seed) => new AutoScaleDecider(_profiles, _table.Size, options: new AutoScaleOptions { Seed = seed }),
            "autoscale-bins" => WithDerivedBins(),
            "autoscale-paper" => (_, seed) => new AutoScaleDecider(_profiles, _table.Size, options: AutoScaleOptions.Paper with { Seed = seed }),
            "ans" => (_, _) => new AnsDecider(_profiles),
            "ans-energy" => (_, _) => new AnsDecider(_profiles, new AnsOptions { Objective = AnsObjective.Energy }),
            "ans-paper" => (_, _) => new AnsDecider(_profiles, AnsOptions.Paper),
            "oracle" => (foresight, _) => new OracleDecider(foresight),
            "device" => Fixed(name, _best(TargetPlacement.Device)),
            "edge" => Fixed(name, _best(TargetPlacement.Edge)),
            "static" => Fixed(name, _best(null)),
            _ => throw new ArgumentException($"Decider '{name}' is unknown; expected {string.Join(", ", Names)} or {StaticPrefix}TARGET.", nameof(name)),
        };
    }

    /// <summary>AutoScale with bins by density clustering of what a device met in an earlier run of the scenario: one whose seed no experiment uses.</summary>
    private Func<IForesight, long, IOnlineDecider> WithDerivedBins()
    {
        StateSpace space = StateSpace.Derive(SimulatedWorld.Record(_table, _profiles, _scenario, RecordingSeed, _trace));
        return (_, seed) => new AutoScaleDecider(_profiles, _table.Size, space, new AutoScaleOptions { Seed = seed });
    }

    private Func<IForesight, long, IOnlineDecider> Fixed(string name, int target)
    {
        if (target < 0) throw new ArgumentException($"Decider '{name}' has no target; the targets are {string.Join(", ", _profiles.Select(profile => profile.Target.Name))}.", nameof(name));
        var decider = new StaticDecider(name, target);
        return (_, _) => decider;
    }
}
