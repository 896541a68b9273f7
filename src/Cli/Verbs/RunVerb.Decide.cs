using System.Globalization;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Live;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Data;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Cli.Verbs;

/// <content>Runs of a set of plans: <c>--decider</c>.</content>
internal sealed partial class RunVerb
{
    /// <summary>Lets a decider choose a target for every request.</summary>
    private async Task<int> DecideAsync(
        Terminal terminal, PlanSet plans, ImageSet images, EdgeAddress? address, EdgeClientOptions client, ProductPrecision precision, CancellationToken cancellation)
    {
        if (!Qos.EndsWith("ms", StringComparison.Ordinal) || !double.TryParse(Qos.AsSpan(0, Qos.Length - 2), NumberStyles.Float, CultureInfo.InvariantCulture, out double qos) || !(qos is > 0 and < 1e6))
            throw new UsageException($"--qos {Qos}: expected a time such as 50ms.");
        if (!(MinAccuracy is >= 0 and <= 1)) throw new UsageException($"--min-accuracy {MinAccuracy}: expected 0 to 1.");
        if (Requests is < 1 or > 10_000_000) throw new UsageException($"--requests {Requests}: expected 1 to 10000000.");
        if (!(Period is >= 0 and <= 1e6)) throw new UsageException($"--period {Period}: expected 0 to 1000000 milliseconds.");
        using ComputeDevice? device = OpenDevice();
        using SignalStrength? signal = Signal is null ? null : SignalStrength.Load(Signal);
        using PowercapMeter? meter = PowercapMeter.TryOpen();
        var setOptions = new TargetSetOptions
        {
            Threads = Threads > 1 ? [1, Threads] : new TargetSetOptions().Threads,
            Devices = device is null ? [] : [device],
            Edge = address,
            Client = client,
            Precise = Precise,
            Precision = precision,
            Slowdown = new Slowdown(Slowdown),
            Energy = Energy is null ? EnergyModel.Default : EnergyModel.Load(Energy),
            Meter = meter,
            Log = terminal.Message,
        };
        using TargetSet targets = TargetSet.Open(plans, setOptions, cancellation);
        using var monitor = new ConditionMonitor(targets.Link, signal);
        terminal.Message($"{targets.Targets.Count} targets, {targets.SharedLayers.Packed} layers packed and {targets.SharedLayers.Reused} shared; energy {(meter is null ? "modelled" : $"measured by {meter.Name}")}");
        var options = new LiveRunOptions
        {
            Requests = Requests ?? images.Count,
            QosMs = qos,
            MinAccuracy = MinAccuracy,
            DeadlineMs = Deadline ?? Math.Max(10 * qos, 1000),
            // Whoever asks for a decision wants an answer: the device gives it unless that is ruled out.
            Fallback = Fallback == "device" || targets.Fallback(MinAccuracy) >= 0,
            PeriodMs = Period,
            Edge = address?.ToString() ?? "",
            EmulatedLink = client.Recording?.Name ?? client.Link?.ToString() ?? "",
            Slowdown = Slowdown,
        };
        targets.Probe(images.Image(0), TimeSpan.FromMilliseconds(options.DeadlineMs));
        IOnlineDecider decider = LiveDeciders.Create(Decider!, targets, new RequestConstraints(qos / 1000, MinAccuracy, false), Seed, client.Recording ?? (client.Link is { } spec ? new ShapedLink(spec) : (IShapedLink?)null));
        LiveReport report = await terminal.ProgressAsync("requests", update => Task.Run(
            () => LiveRun.Execute(targets, monitor, decider, images, options, new ImmediateProgress<int>(done => update((double)done / options.Requests, $"{done} of {options.Requests}")), cancellation),
            cancellation)).ConfigureAwait(false);
        WriteJson(terminal, report.ToJson());
        if (Html is not null) AtomicFile.WriteText(Html, LivePage.Render(report));
        if (!JsonOnStdout) LivePage.Show(terminal, report);
        return Bar(terminal, report.Latency.MedianMs, MaxMs, report.Top1, MinTop1);
    }
}
