using System.Diagnostics;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>Answers a set of images with a runner and reports accuracy, time by part and payload.</summary>
public static class ImageSetRun
{
    /// <summary>Runs the images one after another.</summary>
    /// <param name="runner">Answers them.</param>
    /// <param name="images">The images.</param>
    /// <param name="description">What the report says about how the runner was set up.</param>
    /// <param name="progress">Receives the number of images answered.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <exception cref="InvalidDataException">The images do not have the bundle's shape or classes.</exception>
    /// <exception cref="EdgeException">The edge did not answer and nothing may stand in for it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static RunReport Execute(
        IInferenceRunner runner, ImageSet images, RunDescription? description = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(images);
        description ??= new RunDescription();
        Bundle bundle = runner.Bundle;
        CheckFit(bundle, images);
        var logits = new float[bundle.Classes];
        for (int i = 0; i < description.WarmUp; i++) runner.Run(images.Image(i % images.Count), logits);

        var timings = new InferenceTiming[images.Count];
        var predictions = new int[images.Count];
        int top1 = 0, top5 = 0;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < images.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            timings[i] = runner.Run(images.Image(i), logits);
            predictions[i] = Array.IndexOf(logits, logits.Max());
            int rank = Rank(logits, images.Labels[i]);
            if (rank == 0) top1++;
            if (rank < 5) top5++;
            progress?.Report(i + 1);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        RunSamples samples = Samples(timings, predictions, images.Labels);
        return new RunReport
        {
            Host = HostInfo.Capture(),
            BundleId = bundle.Id,
            Edge = description.Edge,
            EmulatedLink = description.EmulatedLink,
            Slowdown = description.Slowdown,
            Images = images.Count,
            WarmUp = description.WarmUp,
            Top1 = (double)top1 / images.Count,
            Top5 = (double)top5 / images.Count,
            Fallbacks = timings.Count(timing => timing.Source == AnswerSource.Fallback),
            Seconds = seconds,
            Total = Summarize(samples.TotalMs),
            Device = Summarize(samples.DeviceMs),
            Encode = Summarize(samples.EncodeMs),
            Wire = Summarize(samples.WireMs),
            Queue = Summarize(samples.QueueMs),
            Decode = Summarize(samples.DecodeMs),
            EdgeCompute = Summarize(samples.EdgeMs),
            Lost = Summarize(samples.LostMs),
            Payload = SummarizePayload(samples.PayloadBytes),
            Samples = samples,
        };
    }

    private static void CheckFit(Bundle bundle, ImageSet images)
    {
        if (images.Count == 0) throw new InvalidDataException("The image set is empty.");
        if (images.Channels != bundle.ImageShape[0] || images.Height != bundle.ImageShape[1] || images.Width != bundle.ImageShape[2])
            throw new InvalidDataException($"The images are {images.Channels}x{images.Height}x{images.Width}, the bundle expects {bundle.ImageShape}.");
        if (images.Classes > bundle.Classes)
            throw new InvalidDataException($"The images have {images.Classes} classes, the bundle tells {bundle.Classes} apart.");
    }

    /// <summary>Classes with a larger logit than the label's; NaN ranks last.</summary>
    private static int Rank(float[] logits, int label)
    {
        float own = logits[label];
        if (float.IsNaN(own)) return logits.Length;
        int larger = 0;
        for (int c = 0; c < logits.Length; c++)
        {
            // Equal logits: the first class wins, as it does for the prediction.
            if (logits[c] > own || (logits[c] == own && c < label)) larger++;
        }

        return larger;
    }

    private static RunSamples Samples(InferenceTiming[] timings, int[] predictions, int[] labels) => new()
    {
        Predictions = predictions,
        Labels = labels,
        Sources = Array.ConvertAll(timings, timing => timing.Source),
        PayloadBytes = Array.ConvertAll(timings, timing => timing.PayloadBytes),
        TotalMs = Array.ConvertAll(timings, timing => timing.TotalMs),
        DeviceMs = Array.ConvertAll(timings, timing => timing.DeviceMs),
        EncodeMs = Array.ConvertAll(timings, timing => timing.EncodeMs),
        WireMs = Array.ConvertAll(timings, timing => timing.WireMs),
        QueueMs = Array.ConvertAll(timings, timing => timing.QueueMs),
        DecodeMs = Array.ConvertAll(timings, timing => timing.DecodeMs),
        EdgeMs = Array.ConvertAll(timings, timing => timing.EdgeMs),
        LostMs = Array.ConvertAll(timings, timing => timing.LostMs),
    };

    private static TimeSummary Summarize(double[] milliseconds)
    {
        double[] sorted = [.. milliseconds.Order()];
        return new TimeSummary(milliseconds.Average(), Percentile(sorted, 0.5), Percentile(sorted, 0.9), Percentile(sorted, 0.99));
    }

    private static PayloadSummary SummarizePayload(int[] bytes)
    {
        double[] sorted = [.. bytes.Order().Select(count => (double)count)];
        return new PayloadSummary(bytes.Average(), Percentile(sorted, 0.95), sorted[^1]);
    }

    /// <summary>Linear interpolation between the closest ranks.</summary>
    private static double Percentile(double[] sorted, double share)
    {
        double position = share * (sorted.Length - 1);
        int below = (int)position;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((sorted[above] - sorted[below]) * (position - below));
    }
}

/// <summary>How a runner was set up, as its report says it.</summary>
public sealed record RunDescription
{
    /// <summary>Address of the edge; empty when one process does it all.</summary>
    public string Edge { get; init; } = "";

    /// <summary>The link that is emulated; null for the network as it is.</summary>
    public LinkSpec? EmulatedLink { get; init; }

    /// <summary>Factor by which the device is emulated slower.</summary>
    public double Slowdown { get; init; } = 1;

    /// <summary>Images to answer before the measured ones.</summary>
    public int WarmUp { get; init; } = 3;
}
