using System.Diagnostics;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A link to emulate on top of the real one: says when what one side sends has arrived at the other. Applied at the device, so that
/// two processes on one machine behave as if the link lay between them.
/// </summary>
/// <remarks>Any report that used one says "emulated".</remarks>
public interface IShapedLink
{
    /// <summary>When bytes have arrived at the edge.</summary>
    /// <param name="sent">When the first was sent; a timestamp of <see cref="Stopwatch"/>, as the result.</param>
    /// <param name="bytes">How many.</param>
    long ArrivalAtEdge(long sent, int bytes);

    /// <summary>When bytes have arrived at the device.</summary>
    /// <param name="sent">When the first was sent; a timestamp of <see cref="Stopwatch"/>, as the result.</param>
    /// <param name="bytes">How many.</param>
    long ArrivalAtDevice(long sent, int bytes);
}

/// <summary>A constant link: each direction costs its bytes at the link's rate plus half the round trip.</summary>
/// <param name="spec">The link.</param>
public sealed class ShapedLink(LinkSpec spec) : IShapedLink
{
    /// <summary>The link that is emulated.</summary>
    public LinkSpec Spec { get; } = spec ?? throw new ArgumentNullException(nameof(spec));

    /// <summary>Time for <paramref name="bytes"/> to cross in one direction, in <see cref="Stopwatch"/> ticks.</summary>
    public long OneWayTicks(int bytes)
    {
        double milliseconds = (Spec.RoundTripMs / 2) + (bytes * 8.0 / (Spec.MegabitsPerSecond * 1000.0));
        return (long)(milliseconds * Stopwatch.Frequency / 1000.0);
    }

    /// <inheritdoc/>
    public long ArrivalAtEdge(long sent, int bytes) => sent + OneWayTicks(bytes);

    /// <inheritdoc/>
    public long ArrivalAtDevice(long sent, int bytes) => sent + OneWayTicks(bytes);
}
