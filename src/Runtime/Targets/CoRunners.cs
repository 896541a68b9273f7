using System.Diagnostics;

namespace CoInference.Runtime.Targets;

/// <summary>
/// Programs that share the machine with an inference: threads that work for a share of every period and sleep for the rest.
/// For measuring how much they slow it down.
/// </summary>
public sealed class CoRunners : IDisposable
{
    private const int StreamBytes = 64 << 20, ChunkBytes = 1 << 20, SpinIterations = 2000;
    private const double PeriodMs = 10;

    private readonly Thread[] _threads;
    private volatile bool _stop;

    private CoRunners(int count, double level, Action<CoRunners, long> work)
    {
        _threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(() => Run(level, work)) { IsBackground = true, Name = "co-runner" })];
        foreach (Thread thread in _threads) thread.Start();
    }

    /// <summary>Starts one computing thread per processor.</summary>
    /// <param name="level">Share of the time that they compute, 0 to 1.</param>
    public static CoRunners Computing(double level) => new(Environment.ProcessorCount, level, Spin);

    /// <summary>Starts threads that copy through 64 MiB each: one fewer than processors, at least one.</summary>
    /// <param name="level">Share of the time that they copy, 0 to 1.</param>
    public static CoRunners Streaming(double level) => new(Math.Max(1, Environment.ProcessorCount - 1), level, Stream);

    /// <summary>Stops the threads and waits for them.</summary>
    public void Dispose()
    {
        _stop = true;
        foreach (Thread thread in _threads) thread.Join();
    }

    private void Run(double level, Action<CoRunners, long> work)
    {
        double busyMs = PeriodMs * level;
        if (busyMs <= 0) return;
        while (!_stop)
        {
            long started = Stopwatch.GetTimestamp();
            work(this, started + (long)(busyMs * Stopwatch.Frequency / 1000));
            double restMs = PeriodMs - Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            if (restMs >= 1) Thread.Sleep((int)restMs);
        }
    }

    private static void Spin(CoRunners owner, long until)
    {
        while (!owner._stop && Stopwatch.GetTimestamp() < until) Thread.SpinWait(SpinIterations);
    }

    [ThreadStatic]
    private static byte[]? _stream;

    private static void Stream(CoRunners owner, long until)
    {
        byte[] memory = _stream ??= new byte[StreamBytes];
        for (int at = 0; !owner._stop && Stopwatch.GetTimestamp() < until; at = (at + ChunkBytes) % (StreamBytes / 2))
            memory.AsSpan(at, ChunkBytes).CopyTo(memory.AsSpan((StreamBytes / 2) + at, ChunkBytes));
    }
}
