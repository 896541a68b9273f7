using System.Diagnostics;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Times several pieces of work against each other: every round runs each of them once, so that a change of clock or a
/// busy neighbour hits all alike, and a sample repeats the work until it is long enough to trust. Slow work gets fewer
/// samples, so that a scalar kernel among fast ones does not take all the time.
/// </summary>
/// <remarks>
/// Before a sample the work runs once untimed: the candidates before it have filled the caches with data of theirs, while in
/// a session the layer before leaves the input of this one.
/// </remarks>
internal static class InterleavedTimer
{
    private const double SampleMicroseconds = 200;
    private const double BudgetMicroseconds = 500_000;
    private const int MinimumSamples = 3;

    /// <summary>Measures.</summary>
    /// <param name="work">The candidates: each runs a number of times and gives the microseconds of one run.</param>
    /// <param name="rounds">Most samples per candidate.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <returns>Sorted samples per candidate, in microseconds of one run.</returns>
    /// <exception cref="OperationCanceledException">The measurement was cancelled.</exception>
    public static double[][] Measure(IReadOnlyList<Func<int, double>> work, int rounds, CancellationToken cancellation)
    {
        var repeats = new int[work.Count];
        var samples = new List<double>[work.Count];
        var spent = new double[work.Count];
        for (int i = 0; i < work.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            repeats[i] = Repeats(work[i]);
            samples[i] = new List<double>(rounds);
        }

        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < work.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (round >= MinimumSamples && spent[i] > BudgetMicroseconds) continue;
                work[i](1);
                double time = work[i](repeats[i]);
                spent[i] += time * repeats[i];
                samples[i].Add(time);
            }
        }

        foreach (List<double> sample in samples) sample.Sort();
        return [.. samples.Select(sample => sample.ToArray())];
    }

    /// <summary>The value below which a share of sorted samples lies, between neighbours linearly.</summary>
    public static double Quantile(double[] sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + ((at - below) * (sorted[below + 1] - sorted[below])) : sorted[below];
    }

    // Doubling also warms caches and lets the compiler reach its last tier.
    private static int Repeats(Func<int, double> work)
    {
        work(1);
        for (int repeats = 1; ; repeats *= 2)
        {
            double time = work(repeats) * repeats;
            if (time >= SampleMicroseconds) return Math.Max(1, (int)Math.Ceiling(repeats * SampleMicroseconds / time));
        }
    }

    /// <summary>Work of the host, timed by its clock.</summary>
    public static Func<int, double> OnHost(Action work) => repeats =>
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeats; i++) work();
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / repeats;
    };
}
