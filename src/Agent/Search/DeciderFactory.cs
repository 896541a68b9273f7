using CoInference.Agent.Baselines;
using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;

namespace CoInference.Agent.Search;

/// <summary>The deciders by name.</summary>
public static class DeciderFactory
{
    /// <summary>All names, the default first.</summary>
    public static IReadOnlyList<string> Names { get; } = ["ddpg", "uniform", "random", "greedy", "cem"];

    /// <summary>Makes an untrained decider.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="problem">What it decides.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    /// <param name="ddpg">Constants of the DDPG agent.</param>
    /// <param name="seed">Seed.</param>
    /// <exception cref="ArgumentException">There is no decider of that name.</exception>
    public static IDecider Create(string name, IDecisionProblem problem, double budgetMs, DdpgOptions ddpg, long seed)
    {
        switch (name)
        {
            case "ddpg":
                return new DdpgDecider(
                    SearchEnvironment.StateWidth, problem.Steps.Count, ddpg, seed, Math.Clamp(UniformActions()[0], 0.05, 0.95), new GreedyDecider(problem, budgetMs));
            case "uniform":
                return new UniformDecider(problem, budgetMs);
            case "random":
                return new RandomDecider(seed);
            case "greedy":
                return new GreedyDecider(problem, budgetMs);
            case "cem":
                return new CrossEntropyDecider(UniformActions(), new CrossEntropyOptions(), seed);
            default:
                throw new ArgumentException($"There is no decider '{name}'; there are {string.Join(", ", Names)}.", nameof(name));
        }

        double[] UniformActions() => UniformPlans.Grid(problem, budgetMs) is [var first, ..]
            ? [.. first.Select((level, step) => problem.Steps[step].Levels[level])]
            : [.. problem.Steps.Select(_ => 0.5)];
    }
}
