using System.Text.Json.Serialization;
using CoInference.Agent.Environments;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Search;

/// <summary>One episode of a search, as checkpoint and report keep it.</summary>
public sealed record EpisodeRecord
{
    /// <summary>Decider to whose share the episode counts, e.g. <c>ddpg</c>.</summary>
    public required string Decider { get; init; }

    /// <summary>Whether the episode was a probe: the likely best uniform decision at its cut, shown to the decider.</summary>
    public bool Probe { get; init; }

    /// <summary>Name of the value that crosses.</summary>
    public required string Cut { get; init; }

    /// <summary>Realised level of each step.</summary>
    public required IReadOnlyList<int> Levels { get; init; }

    /// <summary>Realised action of each step, 0 to 1.</summary>
    public required IReadOnlyList<double> Actions { get; init; }

    /// <summary>Predicted latency by part.</summary>
    public required LatencyBreakdown Predicted { get; init; }

    /// <summary>Predicted payload in bytes, header included.</summary>
    public required double PayloadBytes { get; init; }

    /// <summary>Accuracy on the images the search judges by, 0 to 1.</summary>
    public required double Accuracy { get; init; }

    /// <summary>Reward.</summary>
    public required double Reward { get; init; }

    /// <summary>Time the episode took, in seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>Total predicted latency in milliseconds.</summary>
    [JsonIgnore]
    public double LatencyMs => Predicted.TotalMs;

    /// <summary>Whether this episode is the better plan: more reward, or as much in less time.</summary>
    public bool Beats(EpisodeRecord? other) =>
        other is null || Reward > other.Reward || (Reward == other.Reward && LatencyMs < other.LatencyMs);

    internal static EpisodeRecord Of(Episode episode, string decider, bool probe, string cut, double seconds) => new()
    {
        Decider = decider,
        Probe = probe,
        Cut = cut,
        Levels = episode.Levels,
        Actions = episode.Actions,
        Predicted = episode.Latency,
        PayloadBytes = episode.PayloadBytes,
        Accuracy = episode.Accuracy,
        Reward = episode.Reward,
        Seconds = Math.Round(seconds, 3),
    };
}
