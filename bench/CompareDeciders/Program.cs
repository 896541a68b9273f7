// Every decider on sparsity allocation problems with known formulas, at equal episodes, over several seeds:
//   dotnet run -c Release --project bench/CompareDeciders -- [SEEDS [EPISODES [GROUPS]]]
// Each seed draws another problem. The table gives the accuracy of the best plan within half the dense time.
// 'ddpg alone' is the agent without its teacher's demonstrations.
using System.Globalization;
using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;
using CoInference.Agent.Search;
using CoInference.Agent.Tests.Environments;

const string Alone = "ddpg alone";
int seeds = Argument(0, 8), episodes = Argument(1, 150), groups = Argument(2, 28);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{groups} groups, {episodes} episodes, {seeds} seeds"));
Console.WriteLine("| decider | mean | standard error | min | max | seconds |");
Console.WriteLine("|---|---:|---:|---:|---:|---:|");
foreach (string decider in DeciderFactory.Names.Append(Alone))
{
    long started = TimeProvider.System.GetTimestamp();
    double[] best = [.. Enumerable.Range(1, seeds).AsParallel().AsOrdered().Select(seed => Best(decider, seed))];
    double mean = best.Average(), deviation = Math.Sqrt(best.Sum(value => (value - mean) * (value - mean)) / Math.Max(1, seeds - 1));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {decider} | {mean:F3} | {deviation / Math.Sqrt(seeds):F3} | {best.Min():F3} | {best.Max():F3} | {TimeProvider.System.GetElapsedTime(started).TotalSeconds / seeds:F1} |"));
}

double Best(string decider, int seed)
{
    var problem = new AllocationProblem(groups, seed);
    DdpgOptions? ddpg = decider == Alone ? new DdpgOptions { DemonstrationShare = 0, WarmUpEpisodes = SearchLoop.WarmUp(episodes) } : null;
    var loop = new SearchLoop([new CutCandidate("analytic", problem)], new Reward(RewardKind.Budget), 0.5 * problem.DenseMs, episodes, seed, SearchJournal.InMemory(), ddpg);
    return loop.Run(decider == Alone ? "ddpg" : decider, null, CancellationToken.None).Accuracy;
}

int Argument(int index, int fallback) => args.Length > index ? int.Parse(args[index], CultureInfo.InvariantCulture) : fallback;
