using System.Diagnostics;
using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Conditions;

/// <summary>
/// Reads a device's surroundings for each request, cheaply: files of the kernel are kept open and read at most once an interval, on the
/// caller's thread and without allocating; between two readings the last one stands. One caller at a time.
/// </summary>
public sealed class ConditionMonitor : IDisposable
{
    private const double MilliPerUnit = 1000;

    private readonly LinkEstimator _link;
    private readonly SignalStrength _signal;
    private readonly ProcessorLoad _processor = new();
    private readonly MemoryLoad _memory = new();
    private readonly PolledFile? _temperature = FirstOf("/sys/class/thermal/thermal_zone0/temp", "/sys/class/hwmon/hwmon0/temp1_input");
    private readonly PolledFile? _clock = FirstOf("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    private readonly long _interval;
    private OperatingConditions _last;
    private long _next;

    /// <summary>Opens what this machine offers.</summary>
    /// <param name="link">Estimates the link.</param>
    /// <param name="signal">Strength of the signal; the caller keeps ownership. Null for this machine's first wireless interface.</param>
    /// <param name="interval">Least time between two readings of the kernel's files; null for 100 ms.</param>
    public ConditionMonitor(LinkEstimator link, SignalStrength? signal = null, TimeSpan? interval = null)
    {
        ArgumentNullException.ThrowIfNull(link);
        _link = link;
        _signal = signal ?? SignalStrength.OfInterface();
        _interval = (long)((interval ?? TimeSpan.FromMilliseconds(100)).TotalSeconds * Stopwatch.Frequency);
    }

    /// <summary>The surroundings now. What cannot be had is NaN.</summary>
    public OperatingConditions Read()
    {
        long now = Stopwatch.GetTimestamp();
        if (now >= _next)
        {
            _next = now + _interval;
            _last = new OperatingConditions(
                _processor.Read(), _memory.Read(), 0, 0, _signal.Read(), (_temperature?.ReadNumber() ?? double.NaN) / MilliPerUnit, (_clock?.ReadNumber() ?? double.NaN) * MilliPerUnit);
        }

        return _last with { BytesPerSecond = _link.BytesPerSecond, RoundTripSeconds = _link.RoundTripSeconds };
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        _processor.Dispose();
        _memory.Dispose();
        _temperature?.Dispose();
        _clock?.Dispose();
    }

    private static PolledFile? FirstOf(params ReadOnlySpan<string> paths)
    {
        foreach (string path in paths)
        {
            if (PolledFile.TryOpen(path, 64) is { } file) return file;
        }

        return null;
    }
}
