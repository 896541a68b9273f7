namespace CoInference.Agent.Search;

/// <summary>Where a search stands.</summary>
/// <param name="Stage">What is being done, e.g. <c>baselines</c>, <c>search ddpg</c>, <c>re-measuring</c>.</param>
/// <param name="Episode">Finished episodes of this stage.</param>
/// <param name="Episodes">Episodes of this stage; 0 for a stage without episodes.</param>
/// <param name="Last">The episode that has just finished; null for other stages.</param>
/// <param name="Best">The best episode of this decider so far.</param>
/// <param name="Elapsed">Time since the start, earlier runs of a resumed search included.</param>
/// <param name="Remaining">Estimated time left in this stage; null when nothing is known yet.</param>
public sealed record SearchProgress(
    string Stage, int Episode, int Episodes, EpisodeRecord? Last, EpisodeRecord? Best, TimeSpan Elapsed, TimeSpan? Remaining);
