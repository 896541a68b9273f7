using CoInference.Runtime.Plans;

namespace CoInference.Agent.Search;

/// <summary>What a search ends with; all of it has been written to the output folder.</summary>
/// <param name="Plan">The plan, <c>plan.json</c>.</param>
/// <param name="Bundle">The plan compiled, the folder <c>bundle</c>.</param>
/// <param name="Report">The report, <c>report.json</c>.</param>
public sealed record SearchOutcome(Plan Plan, Bundle Bundle, SearchReport Report);
