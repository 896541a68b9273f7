using System.Globalization;
using CoInference.Agent.Online.Replay;

namespace CoInference.Bench.Online;

/// <summary>The regret of ANS while nothing changes, and the frames it needs when something does.</summary>
internal sealed class RecoveryTables(IReadOnlyList<Network> networks, Seeds seeds)
{
    private const int Frames = 2000, StepFrame = 300, AfterStep = 200, Window = 20, WindowHits = 18;
    private const double Near = 1.1, SlowLinkMbps = 4, FastLinkMbps = 100, SlowEdge = 20;

    private static readonly int[] Marks = [100, 200, 500, 1000, 1500, 2000];

    public void Print(TextWriter output)
    {
        output.WriteLine();
        output.WriteLine("### Cumulative latency regret of ANS in the steady scenario, ms");
        output.WriteLine();
        output.WriteLine($"| network | decider | {string.Join(" | ", Marks.Select(mark => $"{mark} frames"))} | per frame in the first 100 | in the last 500 |");
        output.WriteLine("|---|---|" + string.Concat(Enumerable.Repeat("---:|", Marks.Length + 2)));
        foreach (Network network in networks)
        {
            foreach (string name in (string[])["ans", "ans-paper"]) PrintRegret(network, name, output);
        }

        output.WriteLine();
        output.WriteLine($"### Frames from a step to within {100 * (Near - 1):F0} % of the fastest target");
        output.WriteLine();
        output.WriteLine($"The first frame from which at least {WindowHits} of {Window} frames go to a target whose mean latency after the step is within {100 * (Near - 1):F0} % of the least; median and most over {seeds.Count} seeds; at most {AfterStep - Window} are looked at. The last column asks for more than can be known: that the frame itself, with its noise, is within {100 * (Near - 1):F0} % of the fastest of all targets in that frame.");
        output.WriteLine();
        output.WriteLine("| network | step | fastest before | fastest after | ans | ans-paper | ans, frame by frame |");
        output.WriteLine("|---|---|---|---|---:|---:|---:|");
        foreach (Network network in networks)
        {
            PrintStep(network, $"link {FastLinkMbps} to {SlowLinkMbps} Mbit/s", new Scenario { Name = "step", Signal = null, LinkMbps = Step(FastLinkMbps, SlowLinkMbps) }, output);
            PrintStep(network, $"link {SlowLinkMbps} to {FastLinkMbps} Mbit/s", new Scenario { Name = "step", Signal = null, LinkMbps = Step(SlowLinkMbps, FastLinkMbps) }, output);
            PrintStep(network, $"edge {SlowEdge} times slower", new Scenario { Name = "step", EdgeSlowdown = Step(1, SlowEdge) }, output);
            PrintStep(network, $"edge {SlowEdge} times faster", new Scenario { Name = "step", EdgeSlowdown = Step(SlowEdge, 1) }, output);
        }
    }

    private void PrintRegret(Network network, string name, TextWriter output)
    {
        ReplayedRequest[][] runs = Run(network, Scenario.All[0] with { Requests = Frames }, name);
        double Until(int frame) => runs.Average(run => run.Take(frame).Sum(Regret));
        string cells = string.Join(" | ", Marks.Select(mark => Text(Until(mark), 1)));
        output.WriteLine($"| {network.Name} | {name} | {cells} | {Text(Until(100) / 100, 3)} | {Text((Until(Frames) - Until(Frames - 500)) / 500, 3)} |");
    }

    private void PrintStep(Network network, string what, Scenario scenario, TextWriter output)
    {
        scenario = scenario with { Requests = StepFrame + AfterStep };
        int[] eligible = [.. Enumerable.Range(0, network.Profiles.Count).Where(target => network.Profiles[target].Target.Accuracy >= network.MinAccuracy)];
        double[][] before = [.. Means(0, StepFrame)], after = [.. Means(StepFrame, AfterStep)];
        ReplayedRequest[][] ans = Run(network, scenario, "ans"), paper = Run(network, scenario, "ans-paper");
        string cells = string.Join(" | ", MedianAndMost(ans, ByMean), MedianAndMost(paper, ByMean), MedianAndMost(ans, (request, _) => request.Outcome.LatencySeconds <= Near * request.ShortestSeconds));
        output.WriteLine($"| {network.Name} | {what} | {Fastest(before)} | {Fastest(after)} | {cells} |");

        // By seed, the mean latency of each target over some frames; infinite for a target that is not accurate enough.
        IEnumerable<double[]> Means(int first, int count) => Enumerable.Range(0, seeds.Count).Select(seed =>
        {
            var world = new SimulatedWorld(network.Table, network.Profiles, scenario, seeds.First + seed);
            double[] means = [.. Enumerable.Repeat(double.PositiveInfinity, network.Profiles.Count)];
            foreach (int target in eligible) means[target] = Enumerable.Range(first, count).Average(frame => world.Outcome(frame, target).LatencySeconds);
            return means;
        });

        string Fastest(double[][] means) => network.Profiles[eligible.MinBy(target => means.Sum(ofSeed => ofSeed[target]))].Target.Name;

        bool ByMean(ReplayedRequest request, int seed) => after[seed][request.Target] <= Near * after[seed].Min();
    }

    private ReplayedRequest[][] Run(Network network, Scenario scenario, string name)
    {
        return Network.Run(network.Worlds(scenario, seeds), seeds, network.Deciders(scenario).Maker(name));
    }

    private static LevelProcess Step(double before, double after) => new([before, after], 0, [StepFrame * 0.1]);

    private static string MedianAndMost(ReplayedRequest[][] runs, Func<ReplayedRequest, int, bool> isNear)
    {
        int[] frames = [.. runs.Select((run, seed) => FramesToRecover([.. run.Skip(StepFrame).Select(request => isNear(request, seed))])).Order()];
        return $"{frames[frames.Length / 2]} ({frames[^1]})";
    }

    private static int FramesToRecover(bool[] near)
    {
        int first = 0;
        while (first < AfterStep - Window && near.AsSpan(first, Window).Count(true) < WindowHits) first++;
        return first;
    }

    private static double Regret(ReplayedRequest request) => 1000 * Math.Max(0, request.Outcome.LatencySeconds - request.ShortestSeconds);

    private static string Text(double value, int digits) => value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
