using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Replay;

/// <summary>When bytes that are sent over a link have arrived.</summary>
internal interface ILinkCapacity
{
    /// <summary>Seconds at which the last of some bytes has crossed; infinity when it never does.</summary>
    double Finish(double start, double bytes);
}

/// <summary>A link whose rate is constant within slots of time; after the last slot it keeps that one's rate.</summary>
internal sealed class SlottedLink : ILinkCapacity
{
    private readonly double[] _bytesPerSecond;
    private readonly double _slotSeconds;

    public SlottedLink(double[] bytesPerSecond, double slotSeconds) => (_bytesPerSecond, _slotSeconds) = (bytesPerSecond, slotSeconds);

    public double Finish(double start, double bytes)
    {
        int slot = (int)Math.Min(start / _slotSeconds, _bytesPerSecond.Length - 1);
        double now = start;
        while (true)
        {
            double rate = _bytesPerSecond[slot], end = slot == _bytesPerSecond.Length - 1 ? double.PositiveInfinity : (slot + 1) * _slotSeconds;
            if (rate > 0 && now + (bytes / rate) <= end) return now + (bytes / rate);
            if (double.IsPositiveInfinity(end)) return end;
            bytes -= rate * (end - now);
            now = end;
            slot++;
        }
    }
}

/// <summary>A recorded link with outages: what would have crossed during one is sent again after it.</summary>
internal sealed class TracedLink : ILinkCapacity
{
    private readonly PacketTrace _trace;
    private readonly IReadOnlyList<(double Start, double End)> _outages;
    private readonly double _offset;

    public TracedLink(PacketTrace trace, double offset, IReadOnlyList<(double Start, double End)> outages) =>
        (_trace, _offset, _outages) = (trace, offset, outages);

    public double Finish(double start, double bytes)
    {
        double finish = _trace.Finish(start + _offset, bytes) - _offset;
        foreach ((double from, double to) in _outages)
        {
            if (from >= finish) break;
            if (to > start) finish = _trace.Finish(to + _offset, bytes) - _offset;
        }

        return finish;
    }
}
