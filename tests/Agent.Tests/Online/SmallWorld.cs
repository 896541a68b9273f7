using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Tests.Online;

/// <summary>A made-up network of a device target with two thread counts, whole offload and three cuts.</summary>
internal static class SmallWorld
{
    public static TargetTable Table { get; } = new()
    {
        Network = "small",
        Host = HostInfo.Capture(),
        Size = new NetworkSize(20, 1, 0, 4e7),
        AccuracyOf = "labels",
        Images = 100,
        ReplyBytes = 96,
        Targets =
        [
            Row("cpu.1.f32", TargetPlacement.Device, 1, 0, 0.9, 12, 0, 0, 0),
            Row("cpu.2.f32", TargetPlacement.Device, 2, 0, 0.9, 7, 0, 0, 0),
            Row("edge.raw", TargetPlacement.Edge, 0, 30_000, 0.9, 0, 0, 1.5, 3e7),
            Row("cut.a.8bit", TargetPlacement.Split, 1, 12_000, 0.9, 3, 0.1, 1.2, 2.4e7),
            Row("cut.b.8bit", TargetPlacement.Split, 1, 4_000, 0.89, 7, 0.05, 0.6, 1.2e7),
            Row("cut.b.2bit", TargetPlacement.Split, 1, 900, 0.5, 7, 0.05, 0.6, 1.2e7),
        ],
        Interferences =
        [
            new Interference(1, "f32", Interference.Processor, [0, 0.5, 1], [1, 1.5, 3]),
            new Interference(2, "f32", Interference.Processor, [0, 0.5, 1], [1, 3, 6]),
            new Interference(1, "f32", Interference.Memory, [0, 1], [1, 2]),
            new Interference(2, "f32", Interference.Memory, [0, 1], [1, 2.5]),
        ],
        Scatter = [0.98, 0.99, 1, 1, 1.01, 1.02, 1.1],
    };

    public static IReadOnlyList<TargetProfile> Profiles { get; } = TargetProfile.FromTable(Table, EnergyModel.Default, 1);

    public static RequestConstraints Constraints { get; } = new(0.05, 0.85, false);

    public static ReplayRun Run(Scenario scenario, long seed, double latencySeconds = 0.05) => new(new SimulatedWorld(Table, Profiles, scenario, seed), latencySeconds, 0.85);

    public static OperatingConditions Conditions(double processor = 0, double memory = 0, double signal = -55) =>
        new(processor, memory, double.NaN, double.NaN, signal, double.NaN, double.NaN);

    public static TargetOutcome Outcome(double device, double joules, bool answered = true, double wire = 0, double edge = 0) =>
        new(device, 0, wire, 0, edge, 0, joules, false, answered);

    private static TargetTimes Row(string name, TargetPlacement placement, int threads, double bytes, double accuracy, double deviceMs, double codingMs, double edgeMs, double work) => new(
        new ExecutionTarget(name, placement, threads == 0 ? "" : "cpu", threads, "f32", placement == TargetPlacement.Split ? name : "", "", bytes, accuracy),
        deviceMs, codingMs, codingMs, edgeMs, new EdgeWork(work, (int)(work / 2e6), work > 0 ? 640 : 0, work > 0 ? 1 : 0, work / 300, (int)(work / 2e6)));
}
