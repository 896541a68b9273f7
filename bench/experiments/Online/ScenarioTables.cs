using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;

namespace CoInference.Bench.Online;

/// <summary>Five scenarios times three networks, and how the figures stand beside the paper's.</summary>
internal sealed class ScenarioTables(IReadOnlyList<Network> networks, Seeds seeds, int requests)
{
    private const string WorstProcessor = "static:cpu.1.f32";
    private const int ConvergedWindow = 50;
    private const double ConvergedShare = 0.95;

    private static readonly string[] Deciders = ["autoscale", "autoscale-bins", "autoscale-paper", "ans", "ans-energy", "ans-paper", WorstProcessor, "device", "edge", "static", "causal-oracle", "oracle"];

    private readonly List<(string Scenario, Dictionary<string, double> EnergyMj)> _energies = [];
    private readonly Dictionary<string, List<int>> _converged = [];
    private readonly List<Outcome> _outcomes = [];

    /// <summary>Prints all tables, and what comes of them beside the bars.</summary>
    /// <param name="tables">Receives the tables.</param>
    /// <param name="summary">Receives the rest.</param>
    public void Print(TextWriter tables, TextWriter summary)
    {
        foreach (Network network in networks)
        {
            foreach (Scenario scenario in Scenario.All) Print(network, scenario with { Requests = requests }, tables);
        }

        PrintBars(summary);
        PrintComparison(summary);
    }

    private void Print(Network network, Scenario scenario, TextWriter output)
    {
        ReplayRun[] worlds = network.Worlds(scenario, seeds);
        OnlineDeciders deciders = network.Deciders(scenario);
        output.WriteLine();
        output.WriteLine($"### {network.Name}, {scenario.Name}");
        output.WriteLine();
        output.WriteLine("| decider | energy mJ | over oracle % | late or lost % | mJ per answer in time | right % | right % after 100 | latency ms |");
        output.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|");
        var energies = new Dictionary<string, double>();
        var rows = new Dictionary<string, ReplayedDecider>();
        foreach (string name in Deciders)
        {
            ReplayedRequest[][] runs = Run(worlds, deciders.Maker(name));
            ReplayedDecider row = ReplayReport.Summarize(name, runs);
            energies[name] = row.EnergyMj.Mean;
            rows[name] = row;
            output.WriteLine($"| {name} | {Cell(row.EnergyMj, 1, 2)} | {Cell(row.OverOracle, 100, 1)} | {Cell(row.Violations, 100, 2)} | {Cell(row.EnergyPerAnswerMj, 1, 2)} | {Cell(row.Right, 100, 1)} | {Cell(row.RightAfter100, 100, 1)} | {Cell(row.LatencyMs, 1, 2)} |");
            if (scenario.Name == "steady" && name.StartsWith("autoscale", StringComparison.Ordinal)) Converged(name).AddRange(runs.Select(InferencesToConverge));
        }

        _energies.Add((scenario.Name, energies));
        ReplayedDecider best = PrintFixed(network, worlds, deciders, rows["autoscale"].EnergyPerAnswerMj.Mean, output);
        _outcomes.Add(new Outcome(network.Name, scenario.Name, rows, best));
    }

    /// <summary>Every target as a fixed choice, summed up: the best of them in hindsight, and how many beat AutoScale.</summary>
    private ReplayedDecider PrintFixed(Network network, ReplayRun[] worlds, OnlineDeciders deciders, double learned, TextWriter output)
    {
        ReplayedDecider[] rows = [.. network.Profiles.Where(profile => profile.Target.Accuracy >= network.MinAccuracy)
            .Select(profile => ReplayReport.Summarize(profile.Target.Name, Run(worlds, deciders.Maker(OnlineDeciders.StaticPrefix + profile.Target.Name))))];
        ReplayedDecider best = rows.MinBy(row => row.EnergyPerAnswerMj.Mean)!;
        output.WriteLine($"| best fixed in hindsight: {best.Decider} | {Cell(best.EnergyMj, 1, 2)} | {Cell(best.OverOracle, 100, 1)} | {Cell(best.Violations, 100, 2)} | {Cell(best.EnergyPerAnswerMj, 1, 2)} | {Cell(best.Right, 100, 1)} | {Cell(best.RightAfter100, 100, 1)} | {Cell(best.LatencyMs, 1, 2)} |");
        output.WriteLine();
        int better = rows.Count(row => row.EnergyPerAnswerMj.Mean < learned);
        output.WriteLine($"{better} of the {rows.Length} targets that are accurate enough would, as a fixed choice, have cost less per answer in time than AutoScale.");
        return best;
    }

    /// <summary>What was asked of AutoScale, network by network; the oracle knows what chance will do, the causal one only the state of the world.</summary>
    private void PrintBars(TextWriter output)
    {
        output.WriteLine();
        output.WriteLine("### AutoScale beside the oracles and the fixed choices");
        output.WriteLine();
        output.WriteLine("| network | scenario | over oracle % | causal oracle over oracle % | right % after 100 | late or lost %: autoscale, causal oracle, oracle | points above the oracle | above the causal oracle | mJ per answer in time: autoscale, best fixed in hindsight |");
        output.WriteLine("|---|---|---:|---:|---:|---:|---:|---:|---:|");
        foreach (Outcome one in _outcomes)
        {
            ReplayedDecider learned = one.Rows["autoscale"], causal = one.Rows["causal-oracle"], oracle = one.Rows["oracle"];
            output.WriteLine($"| {one.Network} | {one.Scenario} | {Cell(learned.OverOracle, 100, 1)} | {Text(100 * causal.OverOracle.Mean, 1)} | {Cell(learned.RightAfter100, 100, 1)} "
                + $"| {Text(100 * learned.Violations.Mean, 2)}, {Text(100 * causal.Violations.Mean, 2)}, {Text(100 * oracle.Violations.Mean, 2)} "
                + $"| {Text(100 * (learned.Violations.Mean - oracle.Violations.Mean), 2)} | {Text(100 * (learned.Violations.Mean - causal.Violations.Mean), 2)} "
                + $"| {Text(learned.EnergyPerAnswerMj.Mean, 2)}, {Text(one.BestFixed.EnergyPerAnswerMj.Mean, 2)} ({one.BestFixed.Decider}) |");
        }
    }

    private void PrintComparison(TextWriter output)
    {
        output.WriteLine();
        output.WriteLine("### Beside the paper");
        output.WriteLine();
        output.WriteLine("| figure | paper, measured on phones | here, modelled, in simulated time |");
        output.WriteLine("|---|---:|---:|");
        output.WriteLine($"| energy of the CPU in f32 over AutoScale's | 9.8 | {Ratios(WorstProcessor)} |");
        output.WriteLine($"| energy of whole offload over AutoScale's | 1.6 (cloud) | {Ratios("edge")} |");
        output.WriteLine($"| energy of the best fixed choice by profile over AutoScale's | 2.3 (best local) | {Ratios("static")} |");
        foreach ((string name, string what) in (ReadOnlySpan<(string, string)>)[("autoscale", "inferences to converge"), ("autoscale-paper", "inferences to converge, paper's constants")])
        {
            int[] counts = [.. Converged(name).Order()];
            output.WriteLine($"| {what} (steady, median) | 40 to 50 | {(counts[counts.Length / 2] == int.MaxValue ? "never" : Text(counts[counts.Length / 2], 0))} |");
        }
    }

    private string Ratios(string decider)
    {
        double[] ratios = [.. _energies.Select(entry => entry.EnergyMj[decider] / entry.EnergyMj["autoscale"]).Order()];
        return $"{Text(Math.Exp(ratios.Average(Math.Log)), 2)} ({Text(ratios[0], 2)} to {Text(ratios[^1], 2)})";
    }

    /// <summary>Requests before the first of a window of which at least a share is right.</summary>
    private static int InferencesToConverge(ReplayedRequest[] run)
    {
        for (int start = 0; start + ConvergedWindow <= run.Length; start++)
        {
            if (run.Skip(start).Take(ConvergedWindow).Count(request => request.Right) >= ConvergedShare * ConvergedWindow) return start;
        }

        return int.MaxValue;
    }

    private ReplayedRequest[][] Run(ReplayRun[] worlds, Func<IForesight, long, IOnlineDecider> make) => Network.Run(worlds, seeds, make);

    private List<int> Converged(string name) => _converged.TryGetValue(name, out List<int>? counts) ? counts : _converged[name] = [];

    private static string Cell(SeedMean value, double scale, int digits) =>
        value.HalfWidth == 0 ? Text(scale * value.Mean, digits) : $"{Text(scale * value.Mean, digits)} ± {Text(scale * value.HalfWidth, digits)}";

    private static string Text(double value, int digits) => value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private sealed record Outcome(string Network, string Scenario, Dictionary<string, ReplayedDecider> Rows, ReplayedDecider BestFixed);
}
