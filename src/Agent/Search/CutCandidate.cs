using CoInference.Agent.Environments;

namespace CoInference.Agent.Search;

/// <summary>A place to cut, with the decisions that are open there.</summary>
/// <param name="Cut">Name of the value that crosses.</param>
/// <param name="Problem">What is decided at this cut.</param>
public sealed record CutCandidate(string Cut, IDecisionProblem Problem);
