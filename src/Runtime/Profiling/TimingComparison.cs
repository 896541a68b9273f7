using System.Diagnostics;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Profiling;

/// <summary>Two pieces of work timed turn by turn in one run, so that a change of clock or load meets both.</summary>
/// <param name="A">Times of the first.</param>
/// <param name="B">Times of the second.</param>
/// <param name="Ratio">Median of B over median of A: how many times faster A is.</param>
/// <param name="RatioLow">Lower end of the 95 % interval of the ratio.</param>
/// <param name="RatioHigh">Upper end of the 95 % interval of the ratio.</param>
public sealed record TimingComparison(Timing A, Timing B, double Ratio, double RatioLow, double RatioHigh)
{
    private const int Resamples = 1000, MinSamples = 5;
    private const ulong ResamplingSeed = 12345;

    /// <summary>Times both, one sample of each in turn; which goes first alternates.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    /// <param name="options">Null for the defaults; the limits hold for both together.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static TimingComparison Measure(Action a, Action b, TimingOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new TimingOptions();
        (int runsA, int warmA) = Timing.WarmUp(a, options, cancellation);
        (int runsB, int warmB) = Timing.WarmUp(b, options, cancellation);
        var samplesA = new List<double>();
        var samplesB = new List<double>();
        long started = Stopwatch.GetTimestamp();
        while (samplesA.Count < Math.Max(MinSamples, options.Samples))
        {
            cancellation.ThrowIfCancellationRequested();
            bool aFirst = samplesA.Count % 2 == 0;
            if (aFirst) samplesA.Add(Timing.Sample(a, runsA));
            samplesB.Add(Timing.Sample(b, runsB));
            if (!aFirst) samplesA.Add(Timing.Sample(a, runsA));
            if (samplesA.Count >= MinSamples && Stopwatch.GetElapsedTime(started).TotalMilliseconds > options.MaxMilliseconds) break;
        }

        return From(Timing.From(samplesA, runsA, warmA), Timing.From(samplesB, runsB, warmB));
    }

    /// <summary>
    /// Compares two timings. The interval is the percentile bootstrap (Efron and Tibshirani 1993); pairs of samples taken
    /// side by side are drawn together when there are equally many.
    /// </summary>
    public static TimingComparison From(Timing a, Timing b)
    {
        var random = new SplitMix64(ResamplingSeed);
        var ratios = new double[Resamples];
        double[] drawnA = new double[a.Count], drawnB = new double[b.Count];
        for (int r = 0; r < Resamples; r++)
        {
            for (int i = 0; i < drawnA.Length; i++)
            {
                int pick = random.Next(drawnA.Length);
                drawnA[i] = a.SamplesUs[pick];
                if (drawnA.Length == drawnB.Length) drawnB[i] = b.SamplesUs[pick];
            }

            for (int i = 0; i < drawnB.Length && drawnA.Length != drawnB.Length; i++) drawnB[i] = b.SamplesUs[random.Next(drawnB.Length)];
            Array.Sort(drawnA);
            Array.Sort(drawnB);
            ratios[r] = Timing.Quantile(drawnB, 0.5) / Timing.Quantile(drawnA, 0.5);
        }

        Array.Sort(ratios);
        return new TimingComparison(a, b, b.MedianUs / a.MedianUs, Timing.Quantile(ratios, 0.025), Timing.Quantile(ratios, 0.975));
    }
}
