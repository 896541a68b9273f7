using CoInference.Agent.Environments;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Agent.Baselines;

/// <summary>Decisions with a name, to be judged and measured.</summary>
/// <param name="Name">Name in reports.</param>
/// <param name="Cut">Where the network is cut.</param>
/// <param name="Groups">Sparsity decisions; empty for none.</param>
/// <param name="Codec">How the feature is compressed; null when nothing crosses, or the image itself.</param>
/// <param name="Predicted">Predicted latency; null for an edge-only plan, whose image coding is only known from a run.</param>
/// <param name="InputCoding">How the image crosses, for an edge-only plan.</param>
/// <param name="JpegQuality">Quality of JPEG images.</param>
/// <param name="Note">What to know about it.</param>
/// <param name="Bottleneck">The learned bottleneck, whose network the cut is one of; null for none.</param>
public sealed record NamedPlan(
    string Name, Cut Cut, IReadOnlyList<GroupDecision> Groups, CodecDecision? Codec, LatencyBreakdown? Predicted,
    InputCoding InputCoding = InputCoding.Pixels, int JpegQuality = 75, string Note = "",
    BottleneckNetwork? Bottleneck = null)
{
    /// <summary>Where the network is cut, for reports.</summary>
    public string Place => Bottleneck?.Name ?? Cut.Value;

    /// <summary>A plan of decisions at a cut.</summary>
    public static NamedPlan Of(string name, CutDecision decision, LatencyBreakdown predicted, string note = "") =>
        new(name, decision.Cut, decision.Groups, decision.Codec, predicted, Note: note, Bottleneck: decision.Bottleneck);
}

/// <summary>The plans that need no search.</summary>
public static class BaselinePlans
{
    /// <summary>Name of the fastest cut with features of eight bits and nothing pruned.</summary>
    public const string EightBitCutName = "best 8-bit cut";

    /// <summary>How the names of plans that send the image as JPEG begin. The image itself suffers, so they set no relative budget.</summary>
    public const string JpegName = "edge only, JPEG";

    private const int PlainBits = 32;
    private const int HandBits = 4;
    private const double HandFirstSparsity = 0.25, HandLastSparsity = 0.5;

    private static readonly int[] JpegQualities = [90, 75, 50];

    /// <summary>
    /// Those that prune nothing: the device alone; the edge alone with raw pixels, with PNG and, where libjpeg-turbo is installed, with JPEG of three qualities; the fastest cut with plain
    /// floats, which is what Neurosurgeon (Kang et al., 2017) chooses; the fastest cut with eight bits. All but JPEG set a relative budget.
    /// </summary>
    /// <param name="cuts">All cuts of the network, input and output included.</param>
    /// <param name="pricer">Prices decisions.</param>
    /// <param name="images">Images of the network, for whether they can be PNG files.</param>
    public static IReadOnlyList<NamedPlan> Unpruned(IReadOnlyList<Cut> cuts, PlanPricer pricer, ImageSet images)
    {
        Cut input = cuts.First(cut => cut.Kind == CutKind.Input), output = cuts.First(cut => cut.Kind == CutKind.Output);
        HalfPrices whole = pricer.Halves(output, []);
        var plans = new List<NamedPlan>
        {
            new("device only", output, [], null, pricer.Price(output, whole, null)),
            new("edge only, raw", input, [], null, null),
        };
        if (images.Channels is 1 or 3)
        {
            string note = JpegCodec.IsAvailable ? "" : "JPEG is left out: libjpeg-turbo is not installed";
            plans.Add(new NamedPlan("edge only, PNG", input, [], null, null, InputCoding.Png, Note: note));
            if (JpegCodec.IsAvailable)
                plans.AddRange(JpegQualities.Select(quality => new NamedPlan($"{JpegName} {quality}", input, [], null, null, InputCoding.Jpeg, quality)));
        }

        (Cut Cut, HalfPrices Halves)[] interior = [.. cuts.Where(cut => cut.Kind == CutKind.Interior).Select(cut => (cut, pricer.Halves(cut, [])))];
        if (interior.Length == 0) return plans;
        plans.Add(Fastest("best plain cut", PlainBits, entropyCoded: false));
        plans.Add(Fastest(EightBitCutName, 8, entropyCoded: true));
        return plans;

        NamedPlan Fastest(string name, int bits, bool entropyCoded) => interior
            .Select(entry =>
            {
                int channels = entry.Halves.Feature[1];
                var codec = new CodecDecision(channels, channels, bits, entropyCoded);
                return new NamedPlan(name, entry.Cut, [], codec, pricer.Price(entry.Cut, entry.Halves, codec));
            })
            .MinBy(plan => plan.Predicted!.TotalMs)!;
    }

    /// <summary>
    /// Ratios as the hand-made three-step framework (Shao and Zhang, 2020) uses them: sparsity rising with depth from 0.25
    /// to 0.5, half of the feature's channels, four bits; at the cut where this is fastest, whether or not within the budget.
    /// </summary>
    public static NamedPlan Hand(IReadOnlyList<CutProblem> problems)
    {
        (CutProblem problem, int[] levels) = problems.Select(problem => (problem, HandLevels(problem))).MinBy(pair => pair.problem.Price(pair.Item2).TotalMs);
        return NamedPlan.Of("hand ratios", problem.Decide(levels), problem.Price(levels), "sparsity 0.25 to 0.5 by depth, half the channels, 4 bits");
    }

    private static int[] HandLevels(CutProblem problem)
    {
        int groups = problem.Steps.Count(step => step.Kind == StepKind.Sparsity);
        return [.. problem.Steps.Select((step, index) => step.Kind switch
        {
            StepKind.Sparsity => step.Nearest(HandFirstSparsity + ((HandLastSparsity - HandFirstSparsity) * index / Math.Max(1, groups - 1))),
            StepKind.Bottleneck => step.Nearest(0.5),
            _ => Math.Min(8 - HandBits, step.Levels.Count - 1),
        })];
    }
}
