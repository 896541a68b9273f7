namespace CoInference.Runtime.Profiling;

/// <summary>Measured time of one step.</summary>
/// <param name="Key">Everything that determines the time: operator, kernel, shapes, layouts, epilogue, form, density, threads.</param>
/// <param name="Timing">Samples and what follows from them.</param>
public sealed record LatencyEntry(string Key, Timing Timing);

/// <summary>How a whole network's time relates to the sum of its steps timed alone.</summary>
/// <param name="Network">Name of the network.</param>
/// <param name="Steps">Number of its steps.</param>
/// <param name="StepSumMs">Sum of the steps, each timed alone, in milliseconds.</param>
/// <param name="EndToEndMs">Time of the whole network in milliseconds, sampled in turn with the steps.</param>
/// <param name="Factor">Time of the whole network over the sum of its steps.</param>
/// <remarks>
/// Alone, a step finds its weights and inputs in the cache where its own last run left them; in a network other steps
/// have been there meanwhile. The factor carries this difference from the sum to a prediction.
/// </remarks>
public sealed record NetworkCalibration(string Network, int Steps, double StepSumMs, double EndToEndMs, double Factor);

/// <summary>How far a measurement of many steps is.</summary>
/// <param name="Done">Steps measured.</param>
/// <param name="Total">Steps to measure.</param>
/// <param name="Key">The step measured last.</param>
public readonly record struct LatencyProgress(int Done, int Total, string Key);
