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
    private const double EnoughSeconds = 1;

    private readonly ImageSet _images;
    private readonly LinkSpec _link;
    private readonly double _slowdown;
    private readonly SessionOptions _sessions;

    /// <summary>Creates a measurer.</summary>
    /// <param name="images">Images to run, in turn.</param>
    /// <param name="link">Link from which the wire's time is computed.</param>
    /// <param name="slowdown">Factor on the device's parts.</param>
    /// <param name="sessions">How the sessions are compiled.</param>
    public PlanMeasurer(ImageSet images, LinkSpec link, double slowdown, SessionOptions sessions) =>
        (_images, _link, _slowdown, _sessions) = (images, link, slowdown, sessions);

    /// <summary>Medians by part, and the mean payload.</summary>
    /// <remarks>
    /// A second of runs, at least 30. The device's parts are measured at full speed and multiplied: the same emulation as in
    /// the prediction, without the pauses.
    /// </remarks>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public (LatencyBreakdown Latency, double PayloadBytes) Measure(Bundle bundle, CancellationToken cancellation)
    {
        using var runner = new LocalRunner(bundle, _sessions);
        var logits = new float[bundle.Classes];
        for (int i = 0; i < WarmUpRuns; i++) runner.Run(_images.Image(i % _images.Count), logits);
        var timings = new List<InferenceTiming>();
        var clock = Stopwatch.StartNew();
        while (timings.Count < MinimumRuns || (timings.Count < MaximumRuns && clock.Elapsed.TotalSeconds < EnoughSeconds))
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
