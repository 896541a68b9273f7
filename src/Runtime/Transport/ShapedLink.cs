using System.Diagnostics;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// Makes one connection take the time that a link would: each direction costs its bytes at the link's rate plus half the
/// round trip. Applied at the device, so that two processes on one machine behave as if the link lay between them.
/// </summary>
/// <remarks>Any report that used one says "emulated".</remarks>
/// <param name="spec">The link.</param>
public sealed class ShapedLink(LinkSpec spec)
{
    /// <summary>The link that is emulated.</summary>
    public LinkSpec Spec { get; } = spec ?? throw new ArgumentNullException(nameof(spec));

    /// <summary>Time for <paramref name="bytes"/> to cross in one direction, in <see cref="Stopwatch"/> ticks.</summary>
    public long OneWayTicks(int bytes)
    {
        double milliseconds = (Spec.RoundTripMs / 2) + (bytes * 8.0 / (Spec.MegabitsPerSecond * 1000.0));
        return (long)(milliseconds * Stopwatch.Frequency / 1000.0);
    }
}
