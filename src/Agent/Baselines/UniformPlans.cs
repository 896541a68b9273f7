using CoInference.Agent.Environments;

namespace CoInference.Agent.Baselines;

/// <summary>Decisions with one sparsity for all groups.</summary>
public static class UniformPlans
{
    /// <summary>
    /// The least sparsity that, given to every sparsity step (rounded down to a level of each), meets the budget.
    /// </summary>
    /// <param name="problem">What is decided.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    /// <param name="codec">Levels of the bottleneck and bits steps; zero elsewhere.</param>
    /// <returns>The complete decision and its sparsity; null when no sparsity meets the budget with this codec.</returns>
    public static (int[] Levels, double Sparsity)? Fit(IDecisionProblem problem, double budgetMs, IReadOnlyList<int> codec)
    {
        double[] sparsities = [.. problem.Steps.Where(step => step.Kind == StepKind.Sparsity).SelectMany(step => step.Levels).Append(0).Distinct().Order()];
        if (!Meets(sparsities.Length - 1)) return null;
        int low = 0, fits = sparsities.Length - 1;
        while (low < fits)
        {
            int middle = (low + fits) / 2;
            if (Meets(middle)) fits = middle;
            else low = middle + 1;
        }

        return (With(problem, codec, sparsities[fits]), sparsities[fits]);

        bool Meets(int index) => problem.Price(With(problem, codec, sparsities[index])).TotalMs <= budgetMs;
    }

    /// <summary>The decision with one sparsity for all groups, rounded down to a level of each, and the given codec levels.</summary>
    public static int[] With(IDecisionProblem problem, IReadOnlyList<int> codec, double sparsity) =>
        [.. problem.Steps.Select((step, index) => step.Kind == StepKind.Sparsity ? step.AtMost(sparsity) : codec[index])];

    /// <summary>
    /// For every setting of bottleneck and bits the decision with the least uniform sparsity that meets the budget, the
    /// one of least <see cref="Harm"/> first; settings that cannot meet it are left out.
    /// </summary>
    public static IReadOnlyList<int[]> Grid(IDecisionProblem problem, double budgetMs)
    {
        var plans = new List<int[]>();
        int bottleneck = IndexOf(problem, StepKind.Bottleneck), bits = IndexOf(problem, StepKind.Bits);
        for (int b = 0; b < (bottleneck < 0 ? 1 : problem.Steps[bottleneck].Levels.Count); b++)
        {
            for (int q = 0; q < (bits < 0 ? 1 : problem.Steps[bits].Levels.Count); q++)
            {
                var codec = new int[problem.Steps.Count];
                if (bottleneck >= 0) codec[bottleneck] = b;
                if (bits >= 0) codec[bits] = q;
                if (Fit(problem, budgetMs, codec) is var (levels, _)) plans.Add(levels);
            }
        }

        return [.. plans.OrderBy(levels => Harm(problem, levels))];
    }

    /// <summary>
    /// A rough estimate of how much a decision costs in accuracy, for putting decisions in an order before any is judged:
    /// mean sparsity, plus half the bottleneck's action, plus the fourth power of the bits' action (the first bits saved
    /// cost next to nothing, the last ones nearly everything).
    /// </summary>
    public static double Harm(IDecisionProblem problem, IReadOnlyList<int> levels)
    {
        double sparsity = 0, codec = 0;
        int groups = 0;
        for (int step = 0; step < levels.Count; step++)
        {
            double action = problem.Steps[step].Levels[levels[step]];
            switch (problem.Steps[step].Kind)
            {
                case StepKind.Sparsity:
                    sparsity += action;
                    groups++;
                    break;
                case StepKind.Bottleneck:
                    codec += action / 2;
                    break;
                default:
                    codec += Math.Pow(action, 4);
                    break;
            }
        }

        return (groups == 0 ? 0 : sparsity / groups) + codec;
    }

    private static int IndexOf(IDecisionProblem problem, StepKind kind)
    {
        for (int step = 0; step < problem.Steps.Count; step++)
        {
            if (problem.Steps[step].Kind == kind) return step;
        }

        return -1;
    }
}
