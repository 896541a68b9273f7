using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Replay;

/// <summary>A replay: one network in one scenario, several deciders, several seeds.</summary>
public sealed record ReplayRequest
{
    /// <summary>Recorded times of the network.</summary>
    public required TargetTable Table { get; init; }

    /// <summary>Powers of the device.</summary>
    public EnergyModel Energy { get; init; } = EnergyModel.Default;

    /// <summary>What happens.</summary>
    public required Scenario Scenario { get; init; }

    /// <summary>Names of deciders; see <see cref="OnlineDeciders"/>.</summary>
    public required IReadOnlyList<string> Deciders { get; init; }

    /// <summary>Latency that counts as in time.</summary>
    public required double QosMs { get; init; }

    /// <summary>Least accuracy, 0 to 1.</summary>
    public double MinAccuracy { get; init; }

    /// <summary>Seeds.</summary>
    public IReadOnlyList<long> Seeds { get; init; } = [0];

    /// <summary>How many times slower than the recording host the device is.</summary>
    public double Slowdown { get; init; } = 1;

    /// <summary>Recorded link towards the edge, in place of the scenario's; null for none.</summary>
    public PacketTrace? Up { get; init; }

    /// <summary>Recorded link back; null for <see cref="Up"/>.</summary>
    public PacketTrace? Down { get; init; }

    /// <summary>What reports call the recorded link.</summary>
    public string TraceName { get; init; } = "";

    /// <summary>Runs the replay.</summary>
    /// <param name="progress">Receives the share done; may be null.</param>
    /// <param name="cancellation">Stops between two requests.</param>
    /// <exception cref="ArgumentException">A decider is unknown, or the scenario, constraints or traces do not fit together.</exception>
    /// <exception cref="InvalidDataException">The energy model has no row for a target.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ReplayReport Run(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        IReadOnlyList<TargetProfile> profiles = TargetProfile.FromTable(Table, Energy, Slowdown);
        var deciders = new OnlineDeciders(Table, profiles, Scenario, new RequestConstraints(QosMs / 1000, MinAccuracy, false), Up);
        var makers = Deciders.Select(name => (Name: name, Make: deciders.Maker(name))).ToList();
        var runs = makers.Select(_ => new List<ReplayedRequest[]>()).ToList();
        int done = 0;
        foreach (long seed in Seeds)
        {
            var run = new ReplayRun(new SimulatedWorld(Table, profiles, Scenario, seed, Up, Down), QosMs / 1000, MinAccuracy);
            for (int i = 0; i < makers.Count; i++)
            {
                Func<IForesight, long, IOnlineDecider> make = makers[i].Make;
                runs[i].Add(run.Run(foresight => make(foresight, seed), cancellation));
                progress?.Report((double)++done / (Seeds.Count * makers.Count));
            }
        }

        return new ReplayReport
        {
            Network = Table.Network,
            Scenario = Scenario,
            Trace = TraceName,
            RecordedOn = Table.Host.Cpu,
            Slowdown = Slowdown,
            EnergyModel = Energy.Device,
            QosMs = QosMs,
            MinAccuracy = MinAccuracy,
            Seeds = Seeds,
            Targets = [.. profiles.Select(profile => profile.Target.Name)],
            Deciders = [.. makers.Select((maker, i) => ReplayReport.Summarize(maker.Name, runs[i]))],
        };
    }
}
