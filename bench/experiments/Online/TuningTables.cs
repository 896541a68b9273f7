using System.Globalization;
using CoInference.Agent.Online.Replay;

namespace CoInference.Bench.Online;

/// <summary>The few figures by which the defaults of the learning deciders are chosen, on seeds that no reported figure comes from.</summary>
internal sealed class TuningTables(IReadOnlyList<Network> networks, Seeds seeds, int requests)
{
    private static readonly string[] Deciders = ["autoscale", "ans-energy", "causal-oracle", "oracle"];

    public void Print(TextWriter output)
    {
        output.WriteLine();
        output.WriteLine("| network | scenario | decider | over oracle % | late or lost % | mJ per answer in time | right % after 100 |");
        output.WriteLine("|---|---|---|---:|---:|---:|---:|");
        foreach (Network network in networks)
        {
            foreach (Scenario one in Scenario.All)
            {
                Scenario scenario = one with { Requests = requests };
                ReplayRun[] worlds = network.Worlds(scenario, seeds);
                foreach (string name in Deciders)
                {
                    ReplayedDecider row = ReplayReport.Summarize(name, Network.Run(worlds, seeds, network.Deciders(scenario).Maker(name)));
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"| {network.Name} | {scenario.Name} | {name} | {100 * row.OverOracle.Mean:F1} | {100 * row.Violations.Mean:F2} | {row.EnergyPerAnswerMj.Mean:F2} | {100 * row.RightAfter100.Mean:F1} |"));
                }
            }
        }
    }
}
