using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Conditions;

/// <summary>
/// Knows a device's surroundings for each request at almost no cost: a thread of its own reads the kernel's files, which are kept open, and probes the memory,
/// once an interval and without allocating; a request takes what it found last. One caller at a time.
/// </summary>
public sealed class ConditionMonitor : IDisposable
{
    private const double MilliPerUnit = 1000;

    // The memory is probed in the pauses between requests, so that a device does not take its own work for that of others; but no less often than this.
    private const int LongestWithoutMemory = 10;

    private readonly LinkEstimator _link;
    private readonly SignalStrength _signal;
    private readonly bool _ownsSignal;
    private readonly ProcessorLoad _processor = new();
    private readonly MemoryLoad _memory = new();
    private readonly PolledFile? _temperature = FirstOf("/sys/class/thermal/thermal_zone0/temp", "/sys/class/hwmon/hwmon0/temp1_input");
    private readonly PolledFile? _clock = FirstOf("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly TimeSpan _interval;
    private readonly Thread _thread;
    private OperatingConditions _last;
    private double _memoryLoad;
    private int _withoutMemory;
    private volatile bool _isBusy;

    /// <summary>Opens what this machine offers, reads it, and starts the thread that goes on reading.</summary>
    /// <param name="link">Estimates the link.</param>
    /// <param name="signal">Strength of the signal; the caller keeps ownership. Null for this machine's first wireless interface.</param>
    /// <param name="interval">Time between two readings; null for 100 ms.</param>
    public ConditionMonitor(LinkEstimator link, SignalStrength? signal = null, TimeSpan? interval = null)
    {
        ArgumentNullException.ThrowIfNull(link);
        (_link, _signal, _ownsSignal) = (link, signal ?? SignalStrength.OfInterface(), signal is null);
        _interval = interval ?? TimeSpan.FromMilliseconds(100);
        Sample();
        _thread = new Thread(Run) { IsBackground = true, Name = "conditions" };
        _thread.Start();
    }

    /// <summary>The surroundings as they were last read; a request begins. What cannot be had is NaN.</summary>
    public OperatingConditions Read()
    {
        _isBusy = true;
        lock (_gate) return _last with { BytesPerSecond = _link.BytesPerSecond, RoundTripSeconds = _link.RoundTripSeconds };
    }

    /// <summary>The request has been answered: the device is idle until the next <see cref="Read"/>. To be called, or the memory's load is measured while the device itself uses it.</summary>
    public void Rest() => _isBusy = false;

    /// <summary>Stops the thread and closes the files.</summary>
    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
        _processor.Dispose();
        _memory.Dispose();
        _temperature?.Dispose();
        _clock?.Dispose();
        if (_ownsSignal) _signal.Dispose();
    }

    /// <summary>Reads everything once.</summary>
    internal void Sample()
    {
        if (!_isBusy || ++_withoutMemory > LongestWithoutMemory) (_memoryLoad, _withoutMemory) = (_memory.Read(), 0);
        var now = new OperatingConditions(
            _processor.Read(), _memoryLoad, 0, 0, _signal.Read(), (_temperature?.ReadNumber() ?? double.NaN) / MilliPerUnit, (_clock?.ReadNumber() ?? double.NaN) * MilliPerUnit);
        lock (_gate) _last = now;
    }

    private void Run()
    {
        while (!_stop.Wait(_interval)) Sample();
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
