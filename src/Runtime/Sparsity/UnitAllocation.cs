using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Sparsity;

/// <summary>Divides a sparsity of the whole network among layers, once it is known what each block or weight costs.</summary>
internal static class UnitAllocation
{
    /// <summary>Refuses what is no sparsity of all weights.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The sparsity is below 0, or not below 1.</exception>
    public static void Check(double sparsity)
    {
        if (!(sparsity is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(sparsity), sparsity, "A sparsity of all weights lies between 0 and below 1.");
    }

    /// <summary>Decisions that together remove a share of the groups' weights: the cheapest units of all.</summary>
    /// <param name="groups">Groups of single weights or blocks, each of one layer.</param>
    /// <param name="costs">Cost of every unit of every group, in any order; sorted.</param>
    /// <param name="sparsity">Share of all weights to remove.</param>
    public static IReadOnlyList<GroupDecision> Divide(IReadOnlyList<PrunableGroup> groups, List<(double Cost, int Group)> costs, double sparsity)
    {
        costs.Sort();
        double left = sparsity * groups.Sum(group => (double)group.Layers[0].Shape.WeightCount);
        var removed = new int[groups.Count];
        foreach ((_, int group) in costs)
        {
            double weights = (double)groups[group].Layers[0].Shape.WeightCount / groups[group].Units;
            if (left < weights / 2) break;
            left -= weights;
            removed[group]++;
        }

        return [.. groups.Select((group, index) => group.Decide((double)removed[index] / group.Units))];
    }
}
