using System.Diagnostics;

namespace CoInference.Runtime.Transport;

/// <summary>Measures what batching is worth on this host and decides which batch sizes a server uses.</summary>
internal static class BatchTable
{
    /// <summary>A size is used when a request in it takes at most this share of the time in any smaller one.</summary>
    private const double Gain = 0.95;

    private const int MinRuns = 7;

    private static readonly TimeSpan TimePerSize = TimeSpan.FromMilliseconds(60);

    /// <summary>The powers of two up to a limit, from 1 on.</summary>
    public static int[] Sizes(int maxBatch)
    {
        var sizes = new List<int>();
        for (int size = 1; size <= maxBatch; size *= 2) sizes.Add(size);
        return [.. sizes];
    }

    /// <summary>Times each batch size of an edge half, and compares its outputs with those of single runs.</summary>
    /// <param name="half">The half, with its sizes compiled.</param>
    /// <param name="onlyWhereFaster">Whether sizes that do not win are left out.</param>
    public static BatchTime[] Measure(EdgeHalf half, bool onlyWhereFaster)
    {
        half.FillWithNoise(seed: 1);
        var table = new List<BatchTime>();
        float[] expected = new float[half.MaxBatch * half.Classes], outputs = new float[expected.Length];
        for (int i = 0; i < half.MaxBatch; i++) half.ComputeBatch(0, i, expected.AsSpan(i * half.Classes, half.Classes));
        double best = double.PositiveInfinity;
        for (int index = 0; index < half.BatchSizes.Length; index++)
        {
            int size = half.BatchSizes[index];
            Span<float> part = outputs.AsSpan(0, size * half.Classes);
            half.ComputeBatch(index, 0, part);
            bool same = part.SequenceEqual(expected.AsSpan(0, part.Length));
            double median = Median(half, index, part), each = median / size;
            bool used = size == 1 || (same && (!onlyWhereFaster || each <= Gain * best));
            if (used) best = Math.Min(best, each);
            table.Add(new BatchTime(size, median, same, used));
        }

        return [.. table];
    }

    private static double Median(EdgeHalf half, int index, Span<float> outputs)
    {
        var samples = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (samples.Count < MinRuns || Stopwatch.GetElapsedTime(start) < TimePerSize)
        {
            long before = Stopwatch.GetTimestamp();
            half.ComputeBatch(index, 0, outputs);
            samples.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
        }

        samples.Sort();
        return samples[samples.Count / 2];
    }
}
