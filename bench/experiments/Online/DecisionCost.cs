using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;

namespace CoInference.Bench.Online;

/// <summary>Time and memory of one decision with its update.</summary>
internal static class DecisionCost
{
    private const int Requests = 1000, AnsCuts = 30;

    public static void Print(IReadOnlyList<Network> networks, TextWriter output)
    {
        output.WriteLine();
        output.WriteLine("### One decision with its update");
        output.WriteLine();
        output.WriteLine("| decider | network | targets | median ns | p90 ns | bytes allocated |");
        output.WriteLine("|---|---|---:|---:|---:|---:|");
        foreach (Network network in networks)
        {
            Print("autoscale", network, network.Profiles, new AutoScaleDecider(network.Profiles, network.Table.Size), output);
            Print("autoscale-paper", network, network.Profiles, new AutoScaleDecider(network.Profiles, network.Table.Size, options: AutoScaleOptions.Paper), output);
            TargetProfile[] cuts = [.. network.Profiles.Where(profile => profile.Target.Placement == TargetPlacement.Split).Take(AnsCuts - 1)];
            IReadOnlyList<TargetProfile> arms = [network.Profiles[0], .. cuts];
            Print("ans", network, arms, new AnsDecider(arms), output);
        }

        PrintConditions(output);
    }

    /// <summary>What a live request pays before its decision.</summary>
    private static void PrintConditions(TextWriter output)
    {
        using var monitor = new ConditionMonitor(new LinkEstimator());
        Timing timing = Timing.Measure(ReadAll, new TimingOptions { Samples = 200, WarmUpMilliseconds = 300, MaxMilliseconds = 2000 });
        long before = GC.GetAllocatedBytesForCurrentThread();
        ReadAll();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| reading the conditions | | | {timing.MedianUs:F0} | {timing.P90Us:F0} | {(double)allocated / Requests:0.###} |"));

        void ReadAll()
        {
            for (int request = 0; request < Requests; request++)
            {
                monitor.Read();
                monitor.Rest();
            }
        }
    }

    private static void Print(string name, Network network, IReadOnlyList<TargetProfile> profiles, IOnlineDecider decider, TextWriter output)
    {
        Scenario scenario = Scenario.All.First(one => one.Name == "mixed") with { Requests = Requests };
        var world = new SimulatedWorld(network.Table, profiles, scenario, seed: 1);
        OperatingConditions[] conditions = [.. Enumerable.Range(0, Requests).Select(world.Conditions)];
        RequestConstraints[] constraints = [.. Enumerable.Range(0, Requests).Select(request => world.Constraints(request, network.QosMs / 1000, network.MinAccuracy))];
        TargetOutcome[,] outcomes = new TargetOutcome[Requests, profiles.Count];
        for (int request = 0; request < Requests; request++)
        {
            for (int target = 0; target < profiles.Count; target++) outcomes[request, target] = world.Outcome(request, target);
        }

        Timing timing = Timing.Measure(AnswerAll, new TimingOptions { Samples = 200, WarmUpMilliseconds = 300, MaxMilliseconds = 2000 });
        long before = GC.GetAllocatedBytesForCurrentThread();
        AnswerAll();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {name} | {network.Name} | {profiles.Count} | {timing.MedianUs:F0} | {timing.P90Us:F0} | {(double)allocated / Requests:0.###} |"));

        void AnswerAll()
        {
            for (int request = 0; request < Requests; request++)
            {
                int target = decider.Choose(conditions[request], constraints[request]);
                decider.Learn(target, conditions[request], constraints[request], outcomes[request, target]);
            }
        }
    }
}
