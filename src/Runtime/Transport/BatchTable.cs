using System.Diagnostics;

namespace CoInference.Runtime.Transport;

/// <summary>Measures what batching is worth on this host and decides which batch sizes a server uses.</summary>
internal static class BatchTable
{
    /// <summary>A size is used when a request in it takes at most this share of the time in any smaller one.</summary>
    private const double Gain = 0.95;

    private const int Samples = 9;

    // Shorter samples say more about the clock and the scheduler than about the work.
    private static readonly TimeSpan SampleTime = TimeSpan.FromMilliseconds(1);

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
        double[] medians = Medians(half, outputs);
        double best = double.PositiveInfinity;
        for (int index = 0; index < half.BatchSizes.Length; index++)
        {
            int size = half.BatchSizes[index];
            Span<float> part = outputs.AsSpan(0, size * half.Classes);
            half.ComputeBatch(index, 0, part);
            bool same = part.SequenceEqual(expected.AsSpan(0, part.Length));
            double each = medians[index] / size;
            bool used = size == 1 || (same && (!onlyWhereFaster || each <= Gain * best));
            if (used) best = Math.Min(best, each);
            table.Add(new BatchTime(half.Value, size, medians[index], same, used));
        }

        return [.. table];
    }

    /// <summary>Median milliseconds of a run of each size; samples are taken in turn, so that a busy moment falls on all of them.</summary>
    private static double[] Medians(EdgeHalf half, float[] outputs)
    {
        int sizes = half.BatchSizes.Length;
        var runs = new int[sizes];
        var samples = new double[sizes][];
        for (int index = 0; index < sizes; index++)
        {
            Sample(half, index, outputs, 1);
            runs[index] = 1;
            while (Sample(half, index, outputs, runs[index]) * runs[index] < SampleTime.TotalMilliseconds) runs[index] *= 2;
            samples[index] = new double[Samples];
        }

        for (int round = 0; round < Samples; round++)
        {
            for (int index = 0; index < sizes; index++) samples[index][round] = Sample(half, index, outputs, runs[index]);
        }

        return Array.ConvertAll(samples, times => times.Order().ElementAt(Samples / 2));
    }

    /// <returns>Milliseconds per run.</returns>
    private static double Sample(EdgeHalf half, int index, float[] outputs, int runs)
    {
        Span<float> part = outputs.AsSpan(0, half.BatchSizes[index] * half.Classes);
        long before = Stopwatch.GetTimestamp();
        for (int run = 0; run < runs; run++) half.ComputeBatch(index, 0, part);
        return Stopwatch.GetElapsedTime(before).TotalMilliseconds / runs;
    }
}
