using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Measures where the time of a network goes.</summary>
[Verb("profile", HelpText = "Per-layer and end-to-end times of a network; --sweep builds a latency table.")]
internal sealed class ProfileVerb : ComputeVerb
{
    /// <summary>ONNX file.</summary>
    [Value(0, MetaName = "MODEL", Required = true, HelpText = "ONNX file.")]
    public string Model { get; set; } = "";

    /// <summary>Images per run.</summary>
    [Option("batch", Default = 1, MetaValue = "N", HelpText = "Images per run.")]
    public int Batch { get; set; } = 1;

    /// <summary>Time for the end-to-end pass.</summary>
    [Option("seconds", Default = 5.0, MetaValue = "S", HelpText = "Longest time for the end-to-end pass.")]
    public double Seconds { get; set; } = 5;

    /// <summary>Number of samples.</summary>
    [Option("samples", Default = 100, MetaValue = "N", HelpText = "Samples of the end-to-end pass.")]
    public int Samples { get; set; } = 100;

    /// <summary>Runs with every layer timed.</summary>
    [Option("layer-runs", Default = 50, MetaValue = "N", HelpText = "Runs of the per-layer pass.")]
    public int LayerRuns { get; set; } = 50;

    /// <summary>Emulated slowdown.</summary>
    [Option("slowdown", Default = 1.0, MetaValue = "K", HelpText = "Emulate a device K times slower than this host.")]
    public double Slowdown { get; set; } = 1;

    /// <summary>Whether kernels are tuned first.</summary>
    [Option("tune", HelpText = "First time the candidate kernels of every layer and store the times; sessions pick by them from now on.")]
    public bool Tune { get; set; }

    /// <summary>Whether outputs are compared.</summary>
    [Option("verify", HelpText = "Also compare the outputs with those of the scalar reference, which takes seconds for a billion multiply-adds; exit with 1 when they differ by more than 1e-4 of the largest (5e-2 with --precision).")]
    public bool Verify { get; set; }

    /// <summary>Sparsities to try.</summary>
    [Option("sparsity", Separator = ',', MetaValue = "S,...", HelpText = "Also prune every group to this share (several: 0.5,0.7) and time the result against the dense network, turn by turn.")]
    public IEnumerable<double> Sparsity { get; set; } = [];

    /// <summary>How sparsity is realised.</summary>
    [Option("form", Default = "channel", MetaValue = "F", HelpText = "What --sparsity removes: channel, block or unstructured.")]
    public string Form { get; set; } = "channel";

    /// <summary>Latency table to build.</summary>
    [Option("sweep", MetaValue = "FILE", HelpText = "Build the latency table of every step a channel search may need, for 'search --device-table'.")]
    public string? Sweep { get; set; }

    /// <summary>Chrome trace.</summary>
    [Option("trace", MetaValue = "FILE", HelpText = "Write the layers in Chrome's trace-event format.")]
    public string? Trace { get; set; }

    /// <summary>CSV.</summary>
    [Option("csv", MetaValue = "FILE", HelpText = "Write the layers as CSV.")]
    public string? Csv { get; set; }

    /// <summary>Latency bar.</summary>
    [Option("max-ms", MetaValue = "MS", HelpText = "Exit with 3 when the median end-to-end time is above this.")]
    public double? MaxMs { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        ProductPrecision precision = CheckPrecision();
        if (Batch is < 1 or > 4096) throw new UsageException($"--batch {Batch}: expected 1 to 4096.");
        if (!(Seconds > 0 && Seconds <= 3600)) throw new UsageException($"--seconds {Seconds}: expected above 0, at most 3600.");
        if (Samples < 1 || LayerRuns < 1) throw new UsageException("--samples and --layer-runs: expected at least 1.");
        if (!(Slowdown >= 1 && Slowdown <= 1e6)) throw new UsageException($"--slowdown {Slowdown}: expected 1 to 1000000.");
        WeightForm form = ParseForm(Form);
        if (Sparsity.FirstOrDefault(sparsity => !(sparsity is > 0 and < 1)) is var wrong && wrong != 0) throw new UsageException($"--sparsity {wrong}: expected above 0, below 1.");
        using ComputeDevice? device = OpenDevice();
        Graph graph = OnnxModel.Load(Model);
        var session = new SessionOptions { BatchSize = Batch, Threads = Threads, Precise = Precise, Precision = precision, Device = device, Strict = Strict };
        if (Tune) session = session with { Chooser = await TuneAsync(terminal, graph, session, cancellation).ConfigureAwait(false) };
        if (Sweep is not null) await SweepAsync(terminal, graph, session, cancellation).ConfigureAwait(false);
        var options = new ProfileOptions
        {
            Session = session,
            Timing = new TimingOptions { Samples = Samples, WarmUpMilliseconds = 500, MaxMilliseconds = Seconds * 1000 },
            LayerRuns = LayerRuns,
            Verifies = Verify,
            Slowdown = new Slowdown(Slowdown),
        };
        ProfileReport report = Profiler.Profile(graph, Path.GetFileName(Model), options, cancellation);
        report = report with { Pruning = [.. Sparsity.Select(sparsity => PruningGain.Measure(graph, form, sparsity, options, cancellation))] };
        WriteJson(terminal, report.ToJson());
        if (Csv is not null) AtomicFile.WriteText(Csv, ProfileExport.ToCsv(report));
        if (Trace is not null) AtomicFile.WriteBytes(Trace, ProfileExport.ToChromeTrace(report));
        if (!JsonOnStdout) Show(terminal, report);
        if (report.EndToEnd.Verdict != "stable") terminal.Warn("the end-to-end time is noisy: p10 to p90 spread over 10 % of the median");
        if (report.Outputs is { Correct: false } off)
        {
            terminal.Error(string.Create(CultureInfo.InvariantCulture, $"the outputs of {report.Model} differ from those of the scalar reference by {off.MaxRelError:0.0e0} of the largest; expected at most {off.ErrorBound:0.0e0}"));
            return ExitCode.Failed;
        }

        return Bar(terminal, report.EndToEnd.MedianMs, MaxMs, 0, null);
    }

    /// <summary>Shows end-to-end and per-layer times.</summary>
    public static void Show(Terminal terminal, ProfileReport report)
    {
        EndToEndTime whole = report.EndToEnd;
        string emulated = report.Emulated ? string.Create(CultureInfo.InvariantCulture, $", emulated {report.Slowdown:0.##}x slower") : "";
        terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{report.Model}: end to end {whole.MedianMs:F3} ms median (p10 {whole.P10Ms:F3}, p90 {whole.P90Ms:F3}, min {whole.MinMs:F3}), {whole.Samples} samples x {whole.RunsPerSample} runs after {whole.WarmUpRuns} warm-up runs, {whole.Verdict}{emulated}"));
        terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"batch {report.BatchSize}, {report.Threads} thread(s), {report.Host.Cpu}; sum of layers {report.LayerSumMs:F3} ms, gap {report.Gap:P1}; compile {report.CompileMs:F0} ms, first run {report.FirstRunMs:F1} ms; activations {report.ArenaBytes / 1024.0:F0} KiB"));
        if (report.Device is { } device)
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{device.Id}: kernels {device.KernelMs:F3} ms, copies {device.CopyMs:F3} ms, on the CPU {device.CpuMs:F3} ms; queueing {device.Launches} kernels takes the host {device.LaunchMs:F3} ms, {1000 * device.LaunchMs / Math.Max(1, device.Launches):F2} us each"));
        }

        if (report.Outputs is { } outputs)
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"outputs differ from those of the scalar reference by {outputs.MaxRelError:0.0e0} of the largest, at most {outputs.ErrorBound:0.0e0} is expected"));

        var table = new ResultTable("layer", "op", "shape", "kernel", "device", ">median us", ">share", ">GFLOP/s", ">GB/s", "bound by", ">of peak");
        foreach (LayerProfile layer in report.Layers)
        {
            table.Add(layer.Name, layer.Op, layer.Shape, layer.Kernel, layer.Device, Text(layer.MedianUs, "F1"), Text(layer.Share, "P1"),
                Text(layer.Gflops, "F1"), Text(layer.Gbps, "F1"), layer.BoundBy, layer.BoundBy.Length == 0 ? "" : Text(layer.PeakFraction, "P0"));
        }

        terminal.Write(table);
        if (report.Pruning.Count > 0) ShowPruning(terminal, report.Pruning);
    }

    private static void ShowPruning(Terminal terminal, IReadOnlyList<PruningGain> gains)
    {
        var table = new ResultTable("form", ">sparsity", ">groups", ">multiply-adds left", ">dense ms", ">pruned ms", ">dense / pruned", "95 % interval");
        foreach (PruningGain gain in gains)
        {
            table.Add(gain.Form, Text(gain.Sparsity, "0.##"), Text(gain.Groups, "0"), Text(gain.MultiplyAddShare, "P1"), Text(gain.DenseMs, "F3"), Text(gain.SparseMs, "F3"),
                Text(gain.Speedup, "F2"), string.Create(CultureInfo.InvariantCulture, $"{gain.SpeedupLow:F2} .. {gain.SpeedupHigh:F2}"));
        }

        terminal.Write(table);
    }

    private static WeightForm ParseForm(string text) => text switch
    {
        "channel" => WeightForm.Dense,
        "block" => WeightForm.Block,
        "unstructured" => WeightForm.Unstructured,
        _ => throw new UsageException($"--form {text}: expected channel, block or unstructured."),
    };

    private static async Task<KernelChooser> TuneAsync(Terminal terminal, Graph graph, SessionOptions session, CancellationToken cancellation)
    {
        KernelChooser chooser = KernelCache.Load(KernelCache.DefaultPath);
        int layers = await terminal.ProgressAsync("tune", update => Task.Run(() => KernelTuner.Tune(graph, session, chooser,
            new ImmediateProgress<TuningProgress>(progress => update((double)progress.Done / progress.Total, progress.Layer)), cancellation), cancellation)).ConfigureAwait(false);
        KernelCache.Save(chooser, KernelCache.DefaultPath);
        terminal.Message($"timed the kernels of {layers} layers; stored in {KernelCache.DefaultPath}");
        return chooser;
    }

    private async Task SweepAsync(Terminal terminal, Graph graph, SessionOptions session, CancellationToken cancellation)
    {
        var table = LatencyTable.Create();
        var options = new LatencySweepOptions { Session = session };
        await terminal.ProgressAsync("sweep", update => Task.Run(() => LatencySweep.Run(graph, table, options, new ImmediateProgress<LatencySweepProgress>(progress =>
            update((double)progress.Variants / progress.TotalVariants, string.Create(CultureInfo.InvariantCulture, $"{progress.Measured} steps measured"))), cancellation), cancellation)).ConfigureAwait(false);
        table.Calibrate(Path.GetFileName(Model), graph, session, cancellation);
        table.Save(Sweep!);
        terminal.Message($"latency table with {table.Count} entries written to {Sweep}");
    }

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
