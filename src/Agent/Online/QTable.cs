using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>Requirements that a part of a table was learned under.</summary>
/// <param name="LatencyMs">Latency that counts as in time, in milliseconds.</param>
/// <param name="Accuracy">Least accuracy, 0 to 1.</param>
public sealed record QTableConstraints(double LatencyMs, double Accuracy);

/// <summary>The values of one state.</summary>
/// <param name="Constraints">Index of the requirements.</param>
/// <param name="State">Number of the state; see <see cref="StateSpace.State"/>.</param>
/// <param name="Values">One value per target.</param>
/// <param name="Visits">How often each target was chosen there.</param>
public sealed record QTableRow(int Constraints, int State, IReadOnlyList<double> Values, IReadOnlyList<int> Visits);

/// <summary>What AutoScale has learned, to go on from or to give to another device. States that were never met have no row.</summary>
public sealed record QTable
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.q-table/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Features of the states.</summary>
    public required IReadOnlyList<StateFeature> Features { get; init; }

    /// <summary>Bins of the network among them.</summary>
    public required IReadOnlyList<int> NetworkBins { get; init; }

    /// <summary>Names of the targets, in the order of the values.</summary>
    public required IReadOnlyList<string> Targets { get; init; }

    /// <summary>Requirements, in the order that rows refer to.</summary>
    public required IReadOnlyList<QTableConstraints> Constraints { get; init; }

    /// <summary>States that were met.</summary>
    public required IReadOnlyList<QTableRow> Rows { get; init; }

    /// <summary>Reads a table.</summary>
    /// <exception cref="InvalidDataException">Not such a file, or rows that do not fit; the message names file and field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static QTable Load(string path)
    {
        QTable table = SchemaFile.Read(path, SchemaName, OnlineJson.Default.QTable);
        if (table.Problem() is { } problem) throw new InvalidDataException($"{path}: {problem}");
        return table;
    }

    /// <summary>Writes the table.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => SchemaFile.Write(path, this, OnlineJson.Default.QTable);

    /// <exception cref="InvalidDataException">The table does not fit.</exception>
    internal void Require(StateSpace space, NetworkSize network, int constraintClasses)
    {
        bool same = Features.Count == space.Features.Count && Features.Zip(space.Features)
            .All(pair => pair.First.Name == pair.Second.Name && pair.First.UnknownBin == pair.Second.UnknownBin && pair.First.Edges.SequenceEqual(pair.Second.Edges));
        if (!same) throw new InvalidDataException("The table's field 'features' differs from the state features in use; a table only fits the bins that it was learned with.");
        IReadOnlyList<int> bins = space.NetworkBins(network);
        if (!NetworkBins.SequenceEqual(bins))
            throw new InvalidDataException($"The table was learned with a network in bins {string.Join('/', NetworkBins)}, this one is in {string.Join('/', bins)}.");
        if (Constraints.Count > constraintClasses)
            throw new InvalidDataException($"The table tells {Constraints.Count} kinds of requirements apart, this decider at most {constraintClasses}.");
        if (Rows.FirstOrDefault(row => row.State >= space.Count) is { } row) throw new InvalidDataException($"The table's state {row.State} does not exist; there are {space.Count}.");
    }

    private string? Problem()
    {
        if (Targets.Count == 0 || Targets.Distinct().Count() != Targets.Count) return "field 'targets': expected at least one name, none twice.";
        if (Constraints.Any(one => !(one.LatencyMs > 0) || !(one.Accuracy is >= 0 and <= 1))) return "field 'constraints': expected positive latencies and accuracies from 0 to 1.";
        foreach (QTableRow row in Rows)
        {
            bool fits = row.State >= 0 && row.Constraints >= 0 && row.Constraints < Constraints.Count && row.Values.Count == Targets.Count && row.Visits.Count == Targets.Count;
            if (!fits || !row.Values.All(double.IsFinite) || row.Visits.Any(count => count < 0))
                return $"field 'rows', state {row.State}: expected one finite value and one count for each of {Targets.Count} targets, and requirements that exist.";
        }

        return null;
    }
}
