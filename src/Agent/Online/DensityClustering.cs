namespace CoInference.Agent.Online;

/// <summary>Density clustering of single numbers: DBSCAN (Ester et al., 1996), and bins that keep its clusters apart.</summary>
public static class DensityClustering
{
    /// <summary>Label of a value that belongs to no cluster.</summary>
    public const int Noise = -1;

    /// <summary>Labels values by cluster, lowest cluster first.</summary>
    /// <param name="values">The values; NaN belongs to no cluster.</param>
    /// <param name="radius">Values at most so far apart are neighbours.</param>
    /// <param name="minNeighbours">A value with at least so many neighbours, itself included, is the core of a cluster.</param>
    /// <returns>One label per value: a cluster from 0 on, or <see cref="Noise"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The radius is negative or not a number, or the number of neighbours is below 1.</exception>
    /// <remarks>
    /// On a line, neighbours are a range of the sorted values, so one pass does: consecutive cores no further apart than the radius
    /// share a cluster. A border value within reach of two clusters goes to the nearer core, the lower one when equally near.
    /// </remarks>
    public static int[] Label(IReadOnlyList<double> values, double radius, int minNeighbours)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (!(radius >= 0)) throw new ArgumentOutOfRangeException(nameof(radius), radius, "A radius is 0 or more.");
        ArgumentOutOfRangeException.ThrowIfLessThan(minNeighbours, 1);
        int[] order = [.. Enumerable.Range(0, values.Count).Where(index => !double.IsNaN(values[index])).OrderBy(index => values[index])];
        double[] sorted = [.. order.Select(index => values[index])];
        var labels = new int[values.Count];
        Array.Fill(labels, Noise);

        var cores = new List<(double Value, int Cluster)>();
        int below = 0, above = 0, cluster = -1;
        for (int i = 0; i < sorted.Length; i++)
        {
            while (sorted[i] - sorted[below] > radius) below++;
            while (above < sorted.Length && sorted[above] - sorted[i] <= radius) above++;
            if (above - below < minNeighbours) continue;
            if (cores.Count == 0 || sorted[i] - cores[^1].Value > radius) cluster++;
            cores.Add((sorted[i], cluster));
            labels[order[i]] = cluster;
        }

        int next = 0;
        for (int i = 0; i < sorted.Length; i++)
        {
            while (next < cores.Count && cores[next].Value < sorted[i]) next++;
            if (labels[order[i]] != Noise) continue;
            double toLower = next > 0 ? sorted[i] - cores[next - 1].Value : double.PositiveInfinity;
            double toUpper = next < cores.Count ? cores[next].Value - sorted[i] : double.PositiveInfinity;
            if (Math.Min(toLower, toUpper) <= radius) labels[order[i]] = toLower <= toUpper ? cores[next - 1].Cluster : cores[next].Cluster;
        }

        return labels;
    }

    /// <summary>Edges of bins halfway between neighbouring clusters: one cluster to a bin.</summary>
    /// <inheritdoc cref="Label" path="/param|/exception"/>
    /// <returns>Rising edges, one fewer than clusters; none when there are fewer than two clusters.</returns>
    public static IReadOnlyList<double> Edges(IReadOnlyList<double> values, double radius, int minNeighbours)
    {
        int[] labels = Label(values, radius, minNeighbours);
        int clusters = labels.Length == 0 ? 0 : labels.Max() + 1;
        if (clusters < 2) return [];
        var (lowest, highest) = (new double[clusters], new double[clusters]);
        Array.Fill(lowest, double.PositiveInfinity);
        Array.Fill(highest, double.NegativeInfinity);
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == Noise) continue;
            lowest[labels[i]] = Math.Min(lowest[labels[i]], values[i]);
            highest[labels[i]] = Math.Max(highest[labels[i]], values[i]);
        }

        return [.. Enumerable.Range(0, clusters - 1).Select(cluster => (highest[cluster] + lowest[cluster + 1]) / 2)];
    }
}
