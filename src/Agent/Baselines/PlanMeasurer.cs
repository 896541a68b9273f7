using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Baselines;

/// <summary>Runs a compiled plan image after image and reports where the time goes.</summary>
public sealed class PlanMeasurer
{
    private const int WarmUpRuns = 10;
    private const int MinimumRuns = 30;
    private const int MaximumRuns = 400;

    private readonly ImageSet _images;
    private readonly LinkSpec _link;
    private readonly double _slowdown;
    private readonly (SessionOptions Device, SessionOptions Edge) _sessions;
    private readonly double _seconds;

    /// <summary>Creates a measurer.</summary>
    /// <param name="images">Images to run, in turn.</param>
    /// <param name="link">Link from which the wire's time is computed.</param>
    /// <param name="slowdown">Factor on the device's parts.</param>
    /// <param name="sessions">How the sessions of device and edge are compiled.</param>
    /// <param name="seconds">How long a plan is run, within 30 to 400 images.</param>
    public PlanMeasurer(ImageSet images, LinkSpec link, double slowdown, (SessionOptions Device, SessionOptions Edge) sessions, double seconds) =>
        (_images, _link, _slowdown, _sessions, _seconds) = (images, link, slowdown, sessions, seconds);

    /// <summary>Medians by part, and the mean payload.</summary>
    /// <remarks>
    /// The device's parts are measured at full speed and multiplied: the same emulation as in the prediction, without the pauses.
    /// </remarks>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public (LatencyBreakdown Latency, double PayloadBytes) Measure(Bundle bundle, CancellationToken cancellation)
    {
        using var runner = new LocalRunner(bundle, _sessions.Device, edge: _sessions.Edge);
        var logits = new float[bundle.Classes];
        for (int i = 0; i < WarmUpRuns; i++) runner.Run(_images.Image(i % _images.Count), logits);
        var timings = new List<InferenceTiming>();
        var clock = Stopwatch.StartNew();
        while (timings.Count < MinimumRuns || (timings.Count < MaximumRuns && clock.Elapsed.TotalSeconds < _seconds))
        {
            cancellation.ThrowIfCancellationRequested();
            timings.Add(runner.Run(_images.Image(timings.Count % _images.Count), logits));
        }

        double payload = timings.Average(timing => timing.PayloadBytes);
        double wire = bundle.Edge is null ? 0 : _link.TransferMs(payload, FeatureFrame.ReplyBytes(bundle.Classes, default));
        return (new LatencyBreakdown(
            _slowdown * Median(timing => timing.DeviceMs), _slowdown * Median(timing => timing.EncodeMs), wire,
            Median(timing => timing.DecodeMs), Median(timing => timing.EdgeMs)), payload);

        double Median(Func<InferenceTiming, double> part)
        {
            double[] sorted = [.. timings.Select(part).Order()];
            return sorted[sorted.Length / 2];
        }
    }
}
