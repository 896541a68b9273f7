using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;

namespace CoInference.Bench.Online;

/// <summary>A recorded network with what is asked of it.</summary>
internal sealed class Network
{
    // A device is emulated so many times slower than the machine that recorded the times, or that many times that.
    private const double Step = 10;

    /// <summary>AutoScale's limit for a single image. It was set for networks that its devices can run in time.</summary>
    private const double PaperQosMs = 50;

    /// <summary>A network that the undisturbed device cannot run in the paper's time gets its own time and a quarter.</summary>
    private const double OwnTimeFactor = 1.25;

    /// <summary>An answer may be so much less accurate than the network in f32.</summary>
    private const double AccuracyLoss = 0.01;

    private Network(TargetTable table, double slowdown)
    {
        (Table, Slowdown) = (table, slowdown);
        Profiles = TargetProfile.FromTable(table, EnergyModel.Default, slowdown);
        QosMs = Math.Max(PaperQosMs, Math.Ceiling(OwnTimeFactor * 1000 * Profiles[0].DeviceSeconds));
        MinAccuracy = table.Targets[0].Target.Accuracy - AccuracyLoss;
    }

    public TargetTable Table { get; }

    /// <summary>The device is so many times slower than the machine that recorded the times; emulated.</summary>
    public double Slowdown { get; }

    /// <summary>Name in tables.</summary>
    public string Name => Slowdown == Step ? Table.Network : string.Create(CultureInfo.InvariantCulture, $"{Table.Network} {Slowdown}x");

    public IReadOnlyList<TargetProfile> Profiles { get; }

    /// <summary>Latency that counts as in time.</summary>
    public double QosMs { get; }

    public double MinAccuracy { get; }

    /// <summary>
    /// The networks on a device ten times slower than the recording machine; and where by the profile no target that needs the edge is the cheapest there, on one
    /// slower by the next power of ten at which one is.
    /// </summary>
    public static IReadOnlyList<Network> LoadAll(string folder)
    {
        var networks = new List<Network>();
        foreach (string name in (string[])["resnet56", "resnet20", "mobilenetv2"])
        {
            var table = TargetTable.Load(Path.Combine(folder, name + ".json"));
            var network = new Network(table, Step);
            networks.Add(network);
            if (network.NeedsEdge()) continue;
            while (!network.NeedsEdge()) network = new Network(table, Step * network.Slowdown);
            networks.Add(network);
        }

        return networks;
    }

    /// <summary>Worlds of a scenario, one per seed, with the oracle's answers.</summary>
    public ReplayRun[] Worlds(Scenario scenario, Seeds seeds)
    {
        var worlds = new ReplayRun[seeds.Count];
        Parallel.For(0, seeds.Count, i => worlds[i] = new ReplayRun(new SimulatedWorld(Table, Profiles, scenario, seeds.First + i), QosMs / 1000, MinAccuracy));
        return worlds;
    }

    /// <summary>Lets a decider of its own answer each world.</summary>
    public static ReplayedRequest[][] Run(ReplayRun[] worlds, Seeds seeds, Func<IForesight, long, IOnlineDecider> make)
    {
        var runs = new ReplayedRequest[worlds.Length][];
        Parallel.For(0, worlds.Length, i => runs[i] = worlds[i].Run(foresight => make(foresight, seeds.First + i)));
        return runs;
    }

    /// <summary>The deciders for a scenario.</summary>
    public OnlineDeciders Deciders(Scenario scenario) => new(Table, Profiles, scenario, new RequestConstraints(QosMs / 1000, MinAccuracy, false), null);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Name}: {Profiles.Count} targets, {Table.Size.ConvolutionLayers} convolutions, {Table.Size.MultiplyAdds / 1e6:F0} M multiply-adds, accuracy is {Table.AccuracyOf}; at least {100 * MinAccuracy:F2} %, at most {QosMs} ms; device emulated {Slowdown}x slower than {Table.Host.Cpu}; energy modelled");

    private bool NeedsEdge()
    {
        Scenario steady = Scenario.All[0];
        double signal = steady.Signal!.MeanDbm;
        int best = StaticDecider.Best(Profiles, new RequestConstraints(QosMs / 1000, MinAccuracy, false), WifiRate.BytesPerSecond(signal), steady.RoundTripMs / 1000, signal);
        return Profiles[best].Target.Placement != TargetPlacement.Device;
    }
}

/// <summary>Seeds that follow each other.</summary>
/// <param name="First">The first.</param>
/// <param name="Count">How many.</param>
internal readonly record struct Seeds(long First, int Count);
