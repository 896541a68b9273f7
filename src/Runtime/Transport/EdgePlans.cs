using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The edge halves of a set of plans. Plans with one network behind their cut share its sessions and memory, and all halves share
/// the packed weights of the layers that they have in common. Used by one caller at a time.
/// </summary>
internal sealed class EdgePlans : IDisposable
{
    private readonly EdgeHalf[] _halves;
    private readonly Dictionary<ulong, int> _halfOf;

    /// <summary>Compiles the halves.</summary>
    /// <param name="set">The plans; those without an edge half are left out.</param>
    /// <param name="options">How sessions are compiled.</param>
    /// <param name="batchSizes">Batch sizes to compile, ascending, the first of them 1.</param>
    /// <exception cref="InvalidDataException">No plan has an edge half.</exception>
    public EdgePlans(PlanSet set, SessionOptions options, int[] batchSizes)
    {
        _halfOf = [];
        var halves = new List<EdgeHalf>();
        foreach (IGrouping<string, PlannedBundle> network in set.Plans.Where(plan => plan.Bundle.Edge is not null).GroupBy(plan => plan.Precision))
        {
            SessionOptions sharing = options with { SharedWeights = new SharedWeights() };
            foreach (IGrouping<object, PlannedBundle> half in network.GroupBy<PlannedBundle, object>(plan => plan.Bundle.Edge!))
            {
                foreach (PlannedBundle plan in half) _halfOf.Add(plan.Bundle.WireId, halves.Count);
                halves.Add(new EdgeHalf([.. half.Select(plan => plan.Bundle)], sharing, batchSizes));
            }
        }

        if (halves.Count == 0) throw new InvalidDataException("The bundle runs the whole network on the device: it has no edge half.");
        _halves = [.. halves];
    }

    private EdgePlans(EdgeHalf[] halves, Dictionary<ulong, int> halfOf) => (_halves, _halfOf) = (halves, halfOf);

    /// <summary>The halves.</summary>
    public IReadOnlyList<EdgeHalf> Halves => _halves;

    /// <summary>Length of the logits.</summary>
    public int Classes => _halves[0].Classes;

    /// <summary>Index of the half that serves a plan; -1 when none does.</summary>
    public int HalfOf(ulong planId) => _halfOf.GetValueOrDefault(planId, -1);

    /// <summary>Halves with memory of their own that share the packed weights.</summary>
    /// <param name="batchSizes">For each half some of the compiled batch sizes, ascending, the first of them 1.</param>
    /// <param name="places">Requests of one half that may be decoded at the same time.</param>
    public EdgePlans Fork(IReadOnlyList<int[]> batchSizes, int places) => new([.. _halves.Select((half, i) => half.Fork(batchSizes[i], places))], _halfOf);

    public void Dispose()
    {
        foreach (EdgeHalf half in _halves) half.Dispose();
    }
}
