using System.Diagnostics;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Profiling;

/// <summary>How a network is profiled.</summary>
public sealed record ProfileOptions
{
    /// <summary>How the network is compiled.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>How whole runs are timed.</summary>
    public TimingOptions Timing { get; init; } = new() { Samples = 100, WarmUpMilliseconds = 500, MaxMilliseconds = 10_000 };

    /// <summary>Runs in which every layer is timed.</summary>
    public int LayerRuns { get; init; } = 100;

    /// <summary>Whether the outputs are compared with those of the scalar reference, which takes seconds for a billion multiply-adds.</summary>
    public bool Verifies { get; init; }

    /// <summary>Emulation of a slower device: every time is stretched by its factor.</summary>
    public Slowdown Slowdown { get; init; } = Slowdown.None;
}

/// <summary>Measures where the time of a network goes.</summary>
public static class Profiler
{
    private const double MaxLayerSeconds = 10;

    /// <summary>Profiles a model file.</summary>
    /// <exception cref="InvalidDataException">The file is no valid model.</exception>
    /// <exception cref="NotSupportedException">The network uses an operator that this build does not have.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ProfileReport Profile(string modelPath, ProfileOptions? options = null, CancellationToken cancellation = default) =>
        Profile(OnnxModel.Load(modelPath), Path.GetFileName(modelPath), options, cancellation);

    /// <summary>Profiles a network.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="name">Name in the report.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops between two runs.</param>
    /// <exception cref="NotSupportedException">The network uses an operator that this build does not have.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ProfileReport Profile(Graph graph, string name, ProfileOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new ProfileOptions();
        double factor = options.Slowdown.Factor;
        long started = Stopwatch.GetTimestamp();
        using Session session = Session.Create(graph, options.Session);
        double compileMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        var run = new SessionRun(session);
        started = Stopwatch.GetTimestamp();
        run.Run();
        double firstRunMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;

        OutputCheck? check = options.Verifies ? OutputCheck.Of(run.MaxRelativeError(graph), options.Session.Precision) : null;

        Timing whole = Timing.Measure(run.Run, options.Timing, cancellation);
        Roofline roofline = Roofline.Measure(cancellation);
        DevicePeaks? peaks = options.Session.Device is { } measured ? PeaksOf(measured, cancellation) : null;
        int threads = options.Session.Workers?.Threads ?? options.Session.Threads;
        IReadOnlyList<Timing> layers = run.CanTimeSteps ? TimeLayers(session, run, options.LayerRuns, cancellation) : [];
        double sum = layers.Sum(layer => layer.MedianUs);
        using var process = Process.GetCurrentProcess();
        return new ProfileReport
        {
            Model = name,
            Host = HostInfo.Capture(),
            BatchSize = options.Session.BatchSize,
            Threads = threads,
            Slowdown = factor,
            CompileMs = compileMs * factor,
            FirstRunMs = firstRunMs * factor,
            EndToEnd = EndToEndTime.From(whole, factor),
            Layers = [.. layers.Select((timing, i) => Describe(session.Steps[i], timing, sum, roofline, peaks, threads, factor))],
            Device = options.Session.Device is { } device ? Share(device.Description.Id, session, layers, factor) : null,
            Outputs = check,
            Roofline = roofline,
            DevicePeaks = peaks,
            ArenaBytes = session.ArenaBytes,
            PeakWorkingSetBytes = process.PeakWorkingSet64,
        };
    }

    private static Timing[] TimeLayers(Session session, SessionRun run, int runs, CancellationToken cancellation)
    {
        var ticks = new long[session.Steps.Count];
        var samples = new List<double>[ticks.Length];
        for (int i = 0; i < samples.Length; i++) samples[i] = [];
        long started = Stopwatch.GetTimestamp();
        run.RunTimed(ticks);
        for (int r = 0; r < Math.Max(1, runs); r++)
        {
            cancellation.ThrowIfCancellationRequested();
            run.RunTimed(ticks);
            for (int i = 0; i < ticks.Length; i++) samples[i].Add(ticks[i] * 1e6 / Stopwatch.Frequency);
            if (Stopwatch.GetElapsedTime(started).TotalSeconds > MaxLayerSeconds) break;
        }

        return Array.ConvertAll(samples, sample => Timing.From(sample, runsPerSample: 1, warmUpRuns: 1));
    }

    private static LayerProfile Describe(StepSpec step, Timing timing, double sum, Roofline roofline, DevicePeaks? peaks, int threads, double factor)
    {
        // A clock has a resolution: the smallest layers must not divide by zero.
        double time = Math.Max(timing.MedianUs, 1e-3), flops = 2.0 * step.MultiplyAdds;
        (string bound, double floor) = Floor(step, flops, roofline, peaks, threads);
        return new LayerProfile(
            step.Node, step.Op, step.Kernel, step.Device, step.Conv?.ToString() ?? "", step.Form.ToString().ToLowerInvariant(), step.Density,
            timing.MedianUs * factor, timing.P10Us * factor, timing.P90Us * factor, timing.MedianUs / sum,
            flops / (time * factor * 1e3), step.Bytes / (time * factor * 1e3),
            bound, floor / time);
    }

    // A copy between host and device has the bus for a floor, which is not measured.
    private static (string BoundBy, double Microseconds) Floor(StepSpec step, double flops, Roofline roofline, DevicePeaks? peaks, int threads) =>
        step.Op == DeviceCopyOperation.OpName ? ("", 0)
        : step.Device == "cpu" ? (roofline.BoundBy(flops / threads, step.Bytes), roofline.TimeAtPeakUs(flops / threads, step.Bytes))
        : (peaks!.BoundBy(flops, step.Bytes), peaks.TimeAtPeakUs(flops, step.Bytes));

    private static DevicePeaks PeaksOf(ComputeDevice device, CancellationToken cancellation)
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        return DevicePeaks.Measure(device, cancellation);
    }

    private static DeviceShare Share(string device, Session session, IReadOnlyList<Timing> layers, double factor)
    {
        const int Samples = 21;
        double Sum(Func<StepSpec, bool> selects) => factor / 1000 * layers.Where((_, i) => selects(session.Steps[i])).Sum(layer => layer.MedianUs);
        var queueing = new double[Samples];
        int launches = 0;
        for (int i = 0; i < Samples; i++) (queueing[i], launches) = session.TimeLaunches();
        return new DeviceShare(
            device, Sum(step => step.Device == device && step.Op != DeviceCopyOperation.OpName), Sum(step => step.Op == DeviceCopyOperation.OpName), Sum(step => step.Device != device),
            Timing.From(queueing).MedianMs * factor, launches);
    }
}
