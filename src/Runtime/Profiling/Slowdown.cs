using System.Diagnostics;

namespace CoInference.Runtime.Profiling;

/// <summary>
/// Emulates a device that is a number of times slower: after computing for a time t, it waits for (factor - 1) t. Every
/// result made under it must say "emulated".
/// </summary>
/// <remarks>
/// The wait sleeps while it is long and spins at its end, so that it ends within microseconds of its time and yet leaves
/// the processor to others meanwhile.
/// </remarks>
public sealed class Slowdown
{
    /// <summary>Sleeping ends this long before the deadline: a sleep may last about a millisecond longer than asked.</summary>
    private const double SpinMs = 2;

    /// <summary>Creates an emulation.</summary>
    /// <param name="factor">How many times slower; 1 for this host's own speed.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is below 1, above 10,000 or not a number.</exception>
    public Slowdown(double factor)
    {
        if (!(factor is >= 1 and <= 10_000)) throw new ArgumentOutOfRangeException(nameof(factor), factor, "A slowdown is a factor from 1 to 10000.");
        Factor = factor;
    }

    /// <summary>This host's own speed.</summary>
    public static Slowdown None { get; } = new(1);

    /// <summary>How many times slower.</summary>
    public double Factor { get; }

    /// <summary>Whether times are emulated.</summary>
    public bool IsEmulated => Factor > 1;

    /// <summary>Waits for what is missing of a slow device's time since <paramref name="started"/>.</summary>
    /// <param name="started">Timestamp of <see cref="Stopwatch"/> at which the computation began.</param>
    /// <returns>Milliseconds since the start, the wait included.</returns>
    public double Finish(long started)
    {
        long now = Stopwatch.GetTimestamp();
        if (!IsEmulated) return Stopwatch.GetElapsedTime(started, now).TotalMilliseconds;
        long deadline = started + (long)((now - started) * Factor);
        WaitUntil(deadline);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>Returns at a time, or at once when it has passed.</summary>
    /// <param name="deadline">Timestamp of <see cref="Stopwatch"/>.</param>
    public static void WaitUntil(long deadline)
    {
        double remaining;
        while ((remaining = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline).TotalMilliseconds) > SpinMs)
            Thread.Sleep(Math.Max(1, (int)(remaining - SpinMs)));
        while (Stopwatch.GetTimestamp() < deadline) Thread.SpinWait(20);
    }
}
