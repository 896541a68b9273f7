using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;

namespace CoInference.Bench.Online;

/// <summary>A recorded network with what is asked of it.</summary>
internal sealed class Network
{
    /// <summary>The device is so many times slower than the machine that recorded the times; emulated.</summary>
    public const double Slowdown = 10;

    /// <summary>Latency that counts as in time: AutoScale's for a single image.</summary>
    public const double QosMs = 50;

    /// <summary>An answer may be so much less accurate than the network in f32.</summary>
    private const double AccuracyLoss = 0.01;

    private Network(TargetTable table)
    {
        Table = table;
        Profiles = TargetProfile.FromTable(table, EnergyModel.Default, Slowdown);
        MinAccuracy = table.Targets[0].Target.Accuracy - AccuracyLoss;
    }

    public TargetTable Table { get; }

    public IReadOnlyList<TargetProfile> Profiles { get; }

    public double MinAccuracy { get; }

    public static IReadOnlyList<Network> LoadAll(string folder) =>
        [.. ((string[])["resnet56", "resnet20", "mobilenetv2"]).Select(name => new Network(TargetTable.Load(Path.Combine(folder, name + ".json"))))];

    /// <summary>Worlds of a scenario, one per seed, with the oracle's answers.</summary>
    public ReplayRun[] Worlds(Scenario scenario, int seeds)
    {
        var worlds = new ReplayRun[seeds];
        Parallel.For(0, seeds, seed => worlds[seed] = new ReplayRun(new SimulatedWorld(Table, Profiles, scenario, seed), QosMs / 1000, MinAccuracy));
        return worlds;
    }

    /// <summary>The deciders for a scenario.</summary>
    public OnlineDeciders Deciders(Scenario scenario) => new(Table, Profiles, scenario, new RequestConstraints(QosMs / 1000, MinAccuracy, false), null);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Table.Network}: {Profiles.Count} targets, {Table.Size.ConvolutionLayers} convolutions, {Table.Size.MultiplyAdds / 1e6:F0} M multiply-adds, accuracy is {Table.AccuracyOf}; at least {100 * MinAccuracy:F2} %, at most {QosMs} ms; device emulated {Slowdown}x slower than {Table.Host.Cpu}; energy modelled");
}
