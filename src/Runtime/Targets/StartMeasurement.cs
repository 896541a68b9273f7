using System.Diagnostics;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Targets;

/// <summary>Measures the device's share of every target, run again and again and right after another target.</summary>
internal static class StartMeasurement
{
    private const int Runs = 15, Encodings = 9;

    // A slow network does not need as many runs to be told from noise.
    private static readonly TimeSpan LongEnough = TimeSpan.FromMilliseconds(150);

    /// <summary>Measures all targets.</summary>
    /// <param name="executors">The targets.</param>
    /// <param name="imageBytes">Bytes of an image.</param>
    /// <param name="slowdown">Emulates a slower device: times are stretched by its factor.</param>
    /// <param name="cancellation">Stops between two runs.</param>
    public static TargetStart[] Measure(IReadOnlyList<ITargetExecutor> executors, int imageBytes, Slowdown slowdown, CancellationToken cancellation)
    {
        var image = new byte[imageBytes];
        new Random(1).NextBytes(image);
        foreach (ITargetExecutor executor in executors) Time(() => executor.RunDevicePart(image));
        var starts = new TargetStart[executors.Count];
        for (int i = 0; i < starts.Length; i++)
        {
            ITargetExecutor executor = executors[i];
            double steady = Median(() => Time(() => executor.RunDevicePart(image)), Runs, cancellation);
            double encode = Median(() => Time(() => executor.Encode(image)), Encodings, cancellation);
            int next = i;
            double changed = Median(
                () =>
                {
                    // Each of the others in turn, as a decider might have chosen it.
                    next = (next + 1) % executors.Count;
                    if (next == i) next = (next + 1) % executors.Count;
                    executors[next].RunDevicePart(image);
                    return Time(() => executor.RunDevicePart(image));
                },
                Runs, cancellation);
            starts[i] = new TargetStart(slowdown.Factor * steady, slowdown.Factor * encode, slowdown.Factor * Math.Max(0, changed - steady));
        }

        return starts;
    }

    private static double Time(Action run)
    {
        long started = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static double Median(Func<double> sample, int count, CancellationToken cancellation)
    {
        var samples = new List<double>(count);
        long started = Stopwatch.GetTimestamp();
        while (samples.Count < count && (samples.Count < 3 || Stopwatch.GetElapsedTime(started) < LongEnough))
        {
            cancellation.ThrowIfCancellationRequested();
            samples.Add(sample());
        }

        samples.Sort();
        return samples[samples.Count / 2];
    }
}
