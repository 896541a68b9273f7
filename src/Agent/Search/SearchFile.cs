using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;

namespace CoInference.Agent.Search;

/// <summary>The document <c>search.json</c>.</summary>
public sealed record SearchFile
{
    /// <summary>Schema name of the document.</summary>
    public const string SchemaName = "coinference.search/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Everything that must be equal for the search to be resumed, by name.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>Budget in milliseconds; null until a relative one was resolved.</summary>
    public required double? BudgetMs { get; init; }

    /// <summary>Seconds spent so far, over all runs.</summary>
    public required double Seconds { get; init; }

    /// <summary>Baselines measured at the start.</summary>
    public required IReadOnlyList<BaselineResult> Baselines { get; init; }

    /// <summary>Measured times of encoder and decoder by what determines them.</summary>
    public required IReadOnlyDictionary<string, CodecTiming> CodecTimings { get; init; }

    /// <summary>File that holds the state of each decider at each cut.</summary>
    public required IReadOnlyDictionary<string, string> States { get; init; }

    /// <summary>All finished episodes, oldest first.</summary>
    public required IReadOnlyList<EpisodeRecord> Episodes { get; init; }
}
