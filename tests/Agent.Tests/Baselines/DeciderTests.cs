using CoInference.Agent.Baselines;
using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;
using CoInference.Agent.Tests.Environments;

namespace CoInference.Agent.Tests.Baselines;

public class DeciderTests
{
    private static readonly DdpgOptions QuickDdpg = new() { WarmUpEpisodes = 20, FirstHidden = 64, SecondHidden = 64, ActorRate = 1e-3, UpdatesPerStep = 2 };

    public static TheoryData<string> Names => new("ddpg", "cem", "greedy", "uniform", "random");

    /// <summary>
    /// Mean of the best reward after 100 episodes over six seeds of a ten-layer problem. Random search is strong where the
    /// wall does much of the work, so the margin is what the agent must add to it, not a rounding.
    /// </summary>
    [Fact]
    public void Ddpg_beats_random_search_and_the_uniform_sparsity_at_equal_episodes()
    {
        double ddpg = 0, random = 0, uniform = 0;
        for (int seed = 1; seed <= 6; seed++)
        {
            var problem = new AllocationProblem(groups: 10, seed: 40 + seed);
            ddpg += Best(problem, "ddpg", seed, 100).Reward / 6;
            random += Best(problem, "random", seed, 100).Reward / 6;
            uniform += Best(problem, "uniform", seed, 100).Reward / 6;
        }

        Assert.True(ddpg > random + 0.01 && ddpg > uniform, $"ddpg {ddpg:0.0000}, random {random:0.0000}, uniform {uniform:0.0000}");
    }

    [Theory]
    [InlineData("cem")]
    [InlineData("greedy")]
    public void Searching_deciders_beat_the_uniform_sparsity(string name)
    {
        double found = 0, uniform = 0;
        for (int seed = 1; seed <= 4; seed++)
        {
            var problem = new AllocationProblem(groups: 10, seed: 60 + seed);
            found += Best(problem, name, seed, 80).Reward / 4;
            uniform += Best(problem, "uniform", seed, 80).Reward / 4;
        }

        Assert.True(found > uniform + 0.01, $"{name} {found:0.0000}, uniform {uniform:0.0000}");
    }

    /// <summary>Three groups of nine levels: 729 decisions, all tried. Greedy may end in a local optimum, so half a point is allowed.</summary>
    [Theory]
    [InlineData("greedy", 0.005)]
    [InlineData("cem", 0.02)]
    [InlineData("ddpg", 0.02)]
    public void Small_problems_are_solved_almost_to_the_optimum(string name, double tolerance)
    {
        var problem = new AllocationProblem(groups: 3, seed: 77, codec: false);
        double budget = problem.DenseMs * 0.5, optimum = 0;
        int levels = problem.Steps[0].Levels.Count;
        for (int code = 0; code < levels * levels * levels; code++)
        {
            int[] decision = [code % levels, code / levels % levels, code / levels / levels];
            if (problem.Price(decision).TotalMs <= budget) optimum = Math.Max(optimum, problem.Accuracy(decision));
        }

        Assert.InRange(Best(problem, name, 5, 120).Reward, optimum - tolerance, optimum);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Restored_decider_goes_on_as_if_never_stopped(string name)
    {
        var problem = new AllocationProblem(groups: 5, seed: 21);
        double budget = problem.DenseMs * 0.5;
        var environment = new SearchEnvironment(problem, new Reward(RewardKind.Budget), budget);
        IDecider whole = Create(name, problem, budget, 9), first = Create(name, problem, budget, 9);
        List<int[]> expected = Run(environment, whole, 40), actual = Run(environment, first, 23);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        first.Save(writer);
        stream.Position = 0;
        IDecider second = Create(name, problem, budget, 9);
        using var reader = new BinaryReader(stream);
        second.Restore(reader);
        Assert.Equal(stream.Length, stream.Position);
        actual.AddRange(Run(environment, second, 40 - actual.Count));
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Greedy_never_tries_a_decision_twice_and_ends()
    {
        var problem = new AllocationProblem(groups: 3, seed: 30, codec: false, levels: 3);
        double budget = problem.DenseMs * 0.6;
        var environment = new SearchEnvironment(problem, new Reward(RewardKind.Budget), budget);
        var greedy = new GreedyDecider(problem, budget);
        List<int[]> tried = Run(environment, greedy, 1000);
        Assert.True(greedy.Exhausted);
        Assert.InRange(tried.Count, 2, 26);
        Assert.Equal(tried.Count, tried.Select(levels => string.Join(',', levels)).Distinct().Count());
    }

    [Fact]
    public void Uniform_plans_need_no_more_sparsity_than_the_budget_asks()
    {
        var problem = new AllocationProblem(groups: 8, seed: 31);
        double budget = problem.DenseMs * 0.55;
        IReadOnlyList<int[]> grid = UniformPlans.Grid(problem, budget);
        Assert.NotEmpty(grid);
        foreach (int[] levels in grid)
        {
            Assert.Single(levels[..8].Distinct());
            Assert.True(problem.Price(levels).TotalMs <= budget);
            if (levels[0] > 0) Assert.True(problem.Price([.. levels[..8].Select(level => level - 1), .. levels[8..]]).TotalMs > budget);
        }
    }

    private static Episode Best(AllocationProblem problem, string name, long seed, int episodes)
    {
        double budget = problem.DenseMs * 0.5;
        var environment = new SearchEnvironment(problem, new Reward(RewardKind.Budget), budget);
        IDecider decider = Create(name, problem, budget, seed);
        Episode? best = null;
        for (int i = 0; i < episodes && !decider.Exhausted; i++)
        {
            Episode episode = environment.Run(decider, CancellationToken.None);
            if (best is null || episode.Reward > best.Reward) best = episode;
        }

        return best!;
    }

    private static List<int[]> Run(SearchEnvironment environment, IDecider decider, int episodes)
    {
        var levels = new List<int[]>();
        for (int i = 0; i < episodes && !decider.Exhausted; i++) levels.Add([.. environment.Run(decider, CancellationToken.None).Levels]);
        return levels;
    }

    private static IDecider Create(string name, AllocationProblem problem, double budget, long seed) => name switch
    {
        "ddpg" => new DdpgDecider(SearchEnvironment.StateWidth, problem.Steps.Count, QuickDdpg, seed),
        "cem" => new CrossEntropyDecider([.. problem.Steps.Select(_ => 0.5)], new CrossEntropyOptions(), seed),
        "greedy" => new GreedyDecider(problem, budget),
        "uniform" => new UniformDecider(problem, budget),
        _ => new RandomDecider(seed),
    };
}
