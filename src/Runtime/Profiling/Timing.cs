using System.Diagnostics;
using System.Text.Json.Serialization;

namespace CoInference.Runtime.Profiling;

/// <summary>How something is timed.</summary>
public sealed record TimingOptions
{
    /// <summary>Shortest sample in microseconds; the work is repeated within a sample until it is that long.</summary>
    public double MinSampleMicroseconds { get; init; } = 200;

    /// <summary>Number of samples.</summary>
    public int Samples { get; init; } = 50;

    /// <summary>Shortest warm-up in milliseconds; the work also runs at least twice before the first sample.</summary>
    public double WarmUpMilliseconds { get; init; } = 20;

    /// <summary>Sampling ends early after this many milliseconds, but never before five samples.</summary>
    public double MaxMilliseconds { get; init; } = 2000;
}

/// <summary>Samples of how long one run of something takes, in microseconds, and what follows from them.</summary>
public sealed record Timing
{
    /// <summary>Width of the middle 80 % of samples, as a share of the median, above which a figure is called noisy.</summary>
    public const double NoisySpread = 0.10;

    private const int MinSamples = 5;

    /// <summary>Median.</summary>
    public required double MedianUs { get; init; }

    /// <summary>10th percentile.</summary>
    public required double P10Us { get; init; }

    /// <summary>90th percentile.</summary>
    public required double P90Us { get; init; }

    /// <summary>99th percentile.</summary>
    public required double P99Us { get; init; }

    /// <summary>Fastest sample.</summary>
    public required double MinUs { get; init; }

    /// <summary>Runs in each sample.</summary>
    public required int RunsPerSample { get; init; }

    /// <summary>Runs before the first sample.</summary>
    public required int WarmUpRuns { get; init; }

    /// <summary>All samples in the order they were taken, each divided by its runs.</summary>
    public required IReadOnlyList<double> SamplesUs { get; init; }

    /// <summary>Number of samples.</summary>
    [JsonIgnore]
    public int Count => SamplesUs.Count;

    /// <summary>Whether the middle 80 % of samples lie close together; a figure that is not stable is no headline.</summary>
    [JsonIgnore]
    public bool IsStable => P90Us - P10Us <= NoisySpread * MedianUs;

    /// <summary><c>stable</c> or <c>noisy</c>.</summary>
    public string Verdict => IsStable ? "stable" : "noisy";

    /// <summary>The median in milliseconds.</summary>
    [JsonIgnore]
    public double MedianMs => MedianUs / 1000;

    /// <summary>Warms up, finds how many runs make a sample, and takes the samples.</summary>
    /// <param name="work">One run.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Timing Measure(Action work, TimingOptions? options = null, CancellationToken cancellation = default) =>
        Measure(runs => Sample(work, runs), options, cancellation);

    /// <summary>As above, for work with a clock of its own.</summary>
    /// <param name="sample">Runs the work a number of times and gives the microseconds of one run.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Timing Measure(Func<int, double> sample, TimingOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new TimingOptions();
        (int runs, int warmUpRuns) = WarmUp(sample, options, cancellation);
        var samples = new List<double>(options.Samples);
        long started = Stopwatch.GetTimestamp();
        while (samples.Count < Math.Max(MinSamples, options.Samples))
        {
            cancellation.ThrowIfCancellationRequested();
            samples.Add(sample(runs));
            if (samples.Count >= MinSamples && Stopwatch.GetElapsedTime(started).TotalMilliseconds > options.MaxMilliseconds) break;
        }

        return From(samples, runs, warmUpRuns);
    }

    /// <summary>Summarises samples that were taken elsewhere.</summary>
    /// <param name="samplesUs">Microseconds of one run each; at least one.</param>
    /// <param name="runsPerSample">Runs in each sample.</param>
    /// <param name="warmUpRuns">Runs before the first sample.</param>
    public static Timing From(IReadOnlyList<double> samplesUs, int runsPerSample = 1, int warmUpRuns = 0)
    {
        ArgumentOutOfRangeException.ThrowIfZero(samplesUs.Count, nameof(samplesUs));
        double[] sorted = [.. samplesUs.Order()];
        return new Timing
        {
            MedianUs = Quantile(sorted, 0.5),
            P10Us = Quantile(sorted, 0.1),
            P90Us = Quantile(sorted, 0.9),
            P99Us = Quantile(sorted, 0.99),
            MinUs = sorted[0],
            RunsPerSample = runsPerSample,
            WarmUpRuns = warmUpRuns,
            SamplesUs = [.. samplesUs],
        };
    }

    /// <summary>Runs the work until it is warm and returns the runs that make a sample long enough, and the runs done.</summary>
    internal static (int RunsPerSample, int WarmUpRuns) WarmUp(Action work, TimingOptions options, CancellationToken cancellation) =>
        WarmUp(runs => Sample(work, runs), options, cancellation);

    /// <summary>As above, for work with a clock of its own.</summary>
    internal static (int RunsPerSample, int WarmUpRuns) WarmUp(Func<int, double> sample, TimingOptions options, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        sample(1);
        int done = 1;
        for (int runs = 1; ; runs = Math.Max(runs + 1, runs * 2))
        {
            double each;
            do
            {
                cancellation.ThrowIfCancellationRequested();
                each = sample(runs);
                done += runs;
            }
            while (each * runs >= options.MinSampleMicroseconds && Stopwatch.GetElapsedTime(started).TotalMilliseconds < options.WarmUpMilliseconds);

            // A fifth more than needed, so that a sample stays long enough when the code gets a little faster.
            if (each * runs >= options.MinSampleMicroseconds) return (Math.Max(1, (int)Math.Ceiling(1.2 * options.MinSampleMicroseconds / each)), done);
        }
    }

    /// <summary>Microseconds of one run, averaged over a sample.</summary>
    internal static double Sample(Action work, int runs)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < runs; i++) work();
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / runs;
    }

    /// <summary>Quantile by linear interpolation between the two nearest of sorted samples.</summary>
    internal static double Quantile(double[] sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length ? sorted[below] + ((at - below) * (sorted[below + 1] - sorted[below])) : sorted[below];
    }
}
