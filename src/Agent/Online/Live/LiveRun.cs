using System.Diagnostics;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Live;

/// <summary>What requests of a live run ask for.</summary>
public sealed record LiveRunOptions
{
    /// <summary>Requests; images are taken in turn.</summary>
    public required int Requests { get; init; }

    /// <summary>Latency that counts as in time.</summary>
    public required double QosMs { get; init; }

    /// <summary>Least accuracy of a target, 0 to 1.</summary>
    public double MinAccuracy { get; init; }

    /// <summary>Time after which a request is given up: what was chosen has then failed.</summary>
    public required double DeadlineMs { get; init; }

    /// <summary>Whether a target on the device answers what the chosen one did not.</summary>
    public bool Fallback { get; init; } = true;

    /// <summary>Every so many requests one is a key frame; 0 for none.</summary>
    public int KeyEvery { get; init; }

    /// <summary>Time from one request to the next; 0 to send the next when the one before is answered.</summary>
    public double PeriodMs { get; init; }

    /// <summary>What the report says about the link that is emulated; empty for none.</summary>
    public string EmulatedLink { get; init; } = "";

    /// <summary>Address of the edge, for the report.</summary>
    public string Edge { get; init; } = "";

    /// <summary>Factor by which the device is emulated slower, for the report.</summary>
    public double Slowdown { get; init; } = 1;
}

/// <summary>Lets a decider answer images with the targets of a device, one after the other, in real time.</summary>
public static class LiveRun
{
    /// <summary>Runs.</summary>
    /// <param name="targets">The targets.</param>
    /// <param name="monitor">Reads the surroundings before each decision.</param>
    /// <param name="decider">Chooses and learns.</param>
    /// <param name="images">The images, of the plans' shape.</param>
    /// <param name="options">What requests ask for.</param>
    /// <param name="progress">Receives the number of requests done; may be null.</param>
    /// <param name="cancellation">Stops between two requests.</param>
    /// <exception cref="InvalidDataException">The images do not fit the plans, or a fallback is asked for and no target runs on the device alone.</exception>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static LiveReport Execute(
        TargetSet targets, ConditionMonitor monitor, IOnlineDecider decider, ImageSet images, LiveRunOptions options, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(monitor);
        ArgumentNullException.ThrowIfNull(decider);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(options);
        PlanSet plans = targets.Plans;
        if (images.Count == 0 || images.ImageBytes != plans.ImageShape.Count)
            throw new InvalidDataException($"The images are {images.Channels}x{images.Height}x{images.Width}, the plans expect {plans.ImageShape}.");
        int fallback = options.Fallback ? targets.Fallback(options.MinAccuracy) : -1;
        if (options.Fallback && fallback < 0) throw new InvalidDataException("No plan of the set runs on the device alone, so nothing can answer when the edge does not.");

        var requests = new LiveRequest[options.Requests];
        var logits = new float[plans.Classes];
        TimeSpan limit = TimeSpan.FromMilliseconds(options.DeadlineMs);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < requests.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (options.PeriodMs > 0) Slowdown.WaitUntil(start + (long)(i * options.PeriodMs * Stopwatch.Frequency / 1000));
            ReadOnlySpan<byte> image = images.Image(i % images.Count);
            var constraints = new RequestConstraints(options.QosMs / 1000, options.MinAccuracy, options.KeyEvery > 0 && i % options.KeyEvery == 0);

            long began = Stopwatch.GetTimestamp();
            OperatingConditions conditions = monitor.Read();
            long read = Stopwatch.GetTimestamp();
            int target = decider.Choose(conditions, constraints);
            long chosen = Stopwatch.GetTimestamp();
            TargetOutcome outcome = targets.Run(target, image, logits, limit, conditions.SignalDbm);
            long ran = Stopwatch.GetTimestamp();
            decider.Learn(target, conditions, constraints, Lesson(outcome, limit));
            double decision = Seconds(read, chosen) + Seconds(ran, Stopwatch.GetTimestamp());
            TargetOutcome? instead = outcome.Answered || fallback < 0 ? null : targets.Run(fallback, image, logits, limit, conditions.SignalDbm);
            bool answered = outcome.Answered || instead is not null;

            // The answer is there: what follows takes from the pause.
            double probeJoules = ProbeIfDue(targets, decider, conditions);
            monitor.Rest();
            requests[i] = new LiveRequest(
                Seconds(start, began), target, conditions, outcome, instead, probeJoules, answered ? Array.IndexOf(logits, logits.Max()) : -1, images.Labels[i % images.Count], Seconds(began, read), decision);
            progress?.Report(i + 1);
        }

        return LiveReport.Create(targets, decider.Name, options, requests, Seconds(start, Stopwatch.GetTimestamp()));
    }

    /// <summary>
    /// What a decider learns from an outcome. A target that failed at once, because its connection is gone, must not look fast: a failure
    /// counts as having taken all the time that it was given.
    /// </summary>
    /// <param name="outcome">The outcome.</param>
    /// <param name="limit">Time that the target was given.</param>
    public static TargetOutcome Lesson(in TargetOutcome outcome, TimeSpan limit) => outcome.Answered || outcome.LatencySeconds >= limit.TotalSeconds
        ? outcome
        : outcome with { WireSeconds = outcome.WireSeconds + limit.TotalSeconds - outcome.LatencySeconds };

    /// <summary>Probes the edge when a decider asks for it, and lets it learn from that; to be called when a request has been answered.</summary>
    /// <param name="targets">The targets.</param>
    /// <param name="decider">The decider.</param>
    /// <param name="conditions">The surroundings of the request.</param>
    /// <returns>Energy of the probe in joules, modelled; 0 without one.</returns>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public static double ProbeIfDue(TargetSet targets, IOnlineDecider decider, in OperatingConditions conditions)
    {
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(decider);
        int target = decider.Probe();
        if (target < 0) return 0;
        TargetOutcome outcome = targets.Probe(target, conditions.SignalDbm);
        decider.LearnProbe(target, conditions, outcome);
        return outcome.Joules;
    }

    private static double Seconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds;
}

/// <summary>What became of one request.</summary>
/// <param name="Seconds">When it came, from the start of the run.</param>
/// <param name="Target">The target that was chosen.</param>
/// <param name="Conditions">The surroundings that it was chosen in.</param>
/// <param name="Outcome">What the chosen target took.</param>
/// <param name="Instead">What the device took that answered instead; null when the chosen target answered, or nothing did.</param>
/// <param name="ProbeJoules">Energy of a probe of the edge after it; 0 without one.</param>
/// <param name="Prediction">Class with the largest logit; -1 without an answer.</param>
/// <param name="Label">Class of the image.</param>
/// <param name="ReadSeconds">Reading the surroundings.</param>
/// <param name="DecisionSeconds">Choosing and learning.</param>
internal readonly record struct LiveRequest(
    double Seconds, int Target, OperatingConditions Conditions, TargetOutcome Outcome, TargetOutcome? Instead, double ProbeJoules, int Prediction, int Label, double ReadSeconds, double DecisionSeconds)
{
    public double LatencyMs => 1000 * (Outcome.LatencySeconds + (Instead?.LatencySeconds ?? 0));

    public double Millijoules => 1000 * (Outcome.Joules + (Instead?.Joules ?? 0) + ProbeJoules);

    public bool IsMeasured => Outcome.EnergyIsMeasured && (Instead?.EnergyIsMeasured ?? true);
}
