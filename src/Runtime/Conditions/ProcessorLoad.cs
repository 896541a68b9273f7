using System.Buffers.Text;

namespace CoInference.Runtime.Conditions;

/// <summary>
/// Share of the processors that others used since the reading before: all time that <c>/proc/stat</c> does not count as idle, less
/// what <c>/proc/self/stat</c> counts for this process. On a virtual machine the time that the host took away counts too. Both
/// are kept in ticks of usually 10 ms, so readings closer than about 100 ms are coarse.
/// </summary>
internal sealed class ProcessorLoad : IDisposable
{
    // Fields of the line "cpu": user, nice, system, idle, iowait, irq, softirq, steal. Guest time is part of user time.
    private const int IdleField = 3, WaitField = 4, Fields = 8;

    // Of /proc/self/stat, counted from the field after the name in parentheses.
    private const int UserField = 11, SystemField = 12;

    private readonly PolledFile? _all;
    private readonly PolledFile? _own;
    private long _total, _busy, _used;
    private double _load = double.NaN;

    /// <param name="root">Where the process file system is mounted.</param>
    public ProcessorLoad(string root = "/proc")
    {
        _all = PolledFile.TryOpen(Path.Combine(root, "stat"), 256);
        _own = PolledFile.TryOpen(Path.Combine(root, "self", "stat"), 1024);
        Read();
    }

    /// <summary>The load since the last reading, 0 to 1; that of the last one when no tick has passed; NaN where it cannot be read.</summary>
    public double Read()
    {
        if (_all is null || _own is null || !TryReadAll(out long total, out long busy) || !TryReadOwn(out long used)) return double.NaN;
        long passed = total - _total;
        if (passed <= 0) return _load;
        bool isFirst = _total == 0;
        // Two files are not read at the same moment, so a difference may be a tick below zero.
        double load = Math.Clamp((double)(busy - _busy - (used - _used)) / passed, 0, 1);
        (_total, _busy, _used) = (total, busy, used);
        return _load = isFirst ? double.NaN : load;
    }

    public void Dispose()
    {
        _all?.Dispose();
        _own?.Dispose();
    }

    private bool TryReadAll(out long total, out long busy)
    {
        ReadOnlySpan<byte> text = _all!.Read();
        (total, busy) = (0, 0);
        if (!text.StartsWith("cpu "u8)) return false;
        text = text[4..];
        for (int field = 0; field < Fields; field++)
        {
            if (!TryTakeNumber(ref text, out long ticks)) return false;
            total += ticks;
            if (field is not (IdleField or WaitField)) busy += ticks;
        }

        return true;
    }

    private bool TryReadOwn(out long used)
    {
        ReadOnlySpan<byte> text = _own!.Read();
        used = 0;
        // The name may hold spaces and parentheses of its own; none comes after it.
        int end = text.LastIndexOf((byte)')');
        if (end < 0) return false;
        text = text[(end + 1)..];
        for (int field = 0; field <= SystemField; field++)
        {
            if (field is UserField or SystemField)
            {
                if (!TryTakeNumber(ref text, out long ticks)) return false;
                used += ticks;
            }
            else if (!TrySkipWord(ref text))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<byte> text, out long number)
    {
        text = text.TrimStart((byte)' ');
        bool read = Utf8Parser.TryParse(text, out number, out int consumed);
        text = text[consumed..];
        return read;
    }

    private static bool TrySkipWord(ref ReadOnlySpan<byte> text)
    {
        text = text.TrimStart((byte)' ');
        int space = text.IndexOf((byte)' ');
        if (space <= 0) return false;
        text = text[space..];
        return true;
    }
}
