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
        ["autoscale", "autoscale-bins", "autoscale-paper", "ans", "ans-energy", "ans-paper", "oracle", "causal-oracle", "device", "edge", "static"];

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
        switch (name)
        {
            case "autoscale-bins":
                return WithDerivedBins();
            case "oracle":
                return (foresight, _) => new OracleDecider(foresight);
            case "causal-oracle":
                return (foresight, _) => new OracleDecider(foresight, knowsChance: false);
        }

        if (CreateFixed(name, _profiles, _best) is { } chosen) return (_, _) => chosen;
        if (CreateLearner(name, _profiles, _table.Size, 0) is null) throw Unknown(name, Names);
        return (_, seed) => CreateLearner(name, _profiles, _table.Size, seed)!;
    }

    /// <summary>Makes a decider that learns and needs to know of no world; null when the name is that of no such decider.</summary>
    internal static IOnlineDecider? CreateLearner(string name, IReadOnlyList<TargetProfile> profiles, NetworkSize network, long seed) => name switch
    {
        "autoscale" => new AutoScaleDecider(profiles, network, options: new AutoScaleOptions { Seed = seed }),
        "autoscale-paper" => new AutoScaleDecider(profiles, network, options: AutoScaleOptions.Paper with { Seed = seed }),
        "ans" => new AnsDecider(profiles),
        "ans-energy" => new AnsDecider(profiles, new AnsOptions { Objective = AnsObjective.Energy }),
        "ans-paper" => new AnsDecider(profiles, AnsOptions.Paper),
        _ => null,
    };

    /// <summary>Makes a decider that always takes one target; null when the name is that of no such decider.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="profiles">The targets.</param>
    /// <param name="best">The best target of a placement, or of all; -1 when there is none.</param>
    /// <exception cref="ArgumentException">There is no such target.</exception>
    internal static StaticDecider? CreateFixed(string name, IReadOnlyList<TargetProfile> profiles, Func<TargetPlacement?, int> best)
    {
        int target;
        if (name.StartsWith(StaticPrefix, StringComparison.Ordinal)) target = profiles.ToList().FindIndex(profile => profile.Target.Name == name[StaticPrefix.Length..]);
        else if (name is "device" or "edge" or "static") target = best(name switch { "device" => TargetPlacement.Device, "edge" => TargetPlacement.Edge, _ => null });
        else return null;
        return target >= 0
            ? new StaticDecider(name, target)
            : throw new ArgumentException($"Decider '{name}' has no target; the targets are {string.Join(", ", profiles.Select(profile => profile.Target.Name))}.", nameof(name));
    }

    /// <summary>What to say of a name that no decider has.</summary>
    internal static ArgumentException Unknown(string name, IEnumerable<string> names) =>
        new($"Decider '{name}' is unknown; expected {string.Join(", ", names)} or {StaticPrefix}TARGET.", nameof(name));

    /// <summary>AutoScale with bins by density clustering of what a device met in an earlier run of the scenario: one whose seed no experiment uses.</summary>
    private Func<IForesight, long, IOnlineDecider> WithDerivedBins()
    {
        StateSpace space = StateSpace.Derive(SimulatedWorld.Record(_table, _profiles, _scenario, RecordingSeed, _trace));
        return (_, seed) => new AutoScaleDecider(_profiles, _table.Size, space, new AutoScaleOptions { Seed = seed });
    }
}
