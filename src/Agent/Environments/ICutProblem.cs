using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Agent.Environments;

/// <summary>The decisions open at one cut of a network.</summary>
public interface ICutProblem : IDecisionProblem
{
    /// <summary>Name of the cut in journals and reports.</summary>
    string Name { get; }

    /// <summary>What a complete decision means for the network.</summary>
    CutDecision Decide(ReadOnlySpan<int> levels);
}

/// <summary>A complete decision.</summary>
/// <param name="Cut">Where the network, or that of the bottleneck, is cut.</param>
/// <param name="Groups">Sparsity decisions.</param>
/// <param name="Codec">How the feature is compressed; null when nothing crosses.</param>
/// <param name="Bottleneck">The learned bottleneck; null for none.</param>
public sealed record CutDecision(Cut Cut, IReadOnlyList<GroupDecision> Groups, CodecDecision? Codec, BottleneckNetwork? Bottleneck = null);
