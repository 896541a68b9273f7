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
    /// All codec settings of a problem as (bottleneck, bits) levels with the sparsity each needs to meet the budget, those
    /// that need least compression first; settings that cannot meet it are left out.
    /// </summary>
    /// <remarks>
    /// Ordered by needed sparsity plus half of bottleneck and bits actions: an estimate of harm, by which an exhaustive
    /// search visits the likely best settings first.
    /// </remarks>
    public static IReadOnlyList<int[]> Grid(IDecisionProblem problem, double budgetMs)
    {
        var plans = new List<(double Harm, int[] Levels)>();
        int count = problem.Steps.Count;
        int bottleneck = IndexOf(problem, StepKind.Bottleneck), bits = IndexOf(problem, StepKind.Bits);
        for (int b = 0; b < (bottleneck < 0 ? 1 : problem.Steps[bottleneck].Levels.Count); b++)
        {
            for (int q = 0; q < (bits < 0 ? 1 : problem.Steps[bits].Levels.Count); q++)
            {
                var codec = new int[count];
                double harm = 0;
                if (bottleneck >= 0) (codec[bottleneck], harm) = (b, problem.Steps[bottleneck].Levels[b] / 2);
                if (bits >= 0) (codec[bits], harm) = (q, harm + (problem.Steps[bits].Levels[q] / 2));
                if (Fit(problem, budgetMs, codec) is var (levels, sparsity)) plans.Add((harm + sparsity, levels));
            }
        }

        return [.. plans.OrderBy(plan => plan.Harm).Select(plan => plan.Levels)];
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
