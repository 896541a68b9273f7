namespace CoInference.Agent.Search;

/// <summary>Which episodes no other episode beats in both latency and accuracy.</summary>
public static class ParetoFront
{
    /// <summary>Indices of the front, by rising latency and so by rising accuracy.</summary>
    public static IReadOnlyList<int> Of(IReadOnlyList<EpisodeRecord> episodes)
    {
        var front = new List<int>();
        double best = double.NegativeInfinity;
        foreach (int index in Enumerable.Range(0, episodes.Count).OrderBy(i => episodes[i].LatencyMs).ThenByDescending(i => episodes[i].Accuracy))
        {
            if (episodes[index].Accuracy <= best) continue;
            best = episodes[index].Accuracy;
            front.Add(index);
        }

        return front;
    }
}
