using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Runs the device half of a bundle against an edge.</summary>
[Verb("run", HelpText = "Answer images with a bundle: the device half here, the edge half behind --edge.")]
internal sealed partial class RunVerb : ComputeVerb
{
    /// <summary>Bundle folder.</summary>
    [Value(0, MetaName = "BUNDLE", Required = true, HelpText = "Folder of the bundle, or with --decider of a set of plans.")]
    public string Folder { get; set; } = "";

    /// <summary>Address of the edge.</summary>
    [Option("edge", MetaValue = "HOST:PORT", HelpText = "Address of 'coinference serve'; without it both halves run in this process.")]
    public string? Edge { get; set; }

    /// <summary>Images.</summary>
    [Option("data", Required = true, MetaValue = "SPEC", HelpText = DataOptions.SpecHelp)]
    public string Data { get; set; } = "";

    /// <summary>Number of images.</summary>
    [Option("limit", MetaValue = "N", HelpText = "Run on the first N test images only.")]
    public int? Limit { get; set; }

    /// <summary>Emulated link.</summary>
    [Option("link", MetaValue = "LINK", HelpText = "Emulate a link on top of the real one, e.g. 5.85mbps,rtt=10ms.")]
    public string? Link { get; set; }

    /// <summary>Emulated slowdown.</summary>
    [Option("slowdown", Default = 1.0, MetaValue = "K", HelpText = "Emulate a device K times slower than this host.")]
    public double Slowdown { get; set; } = 1;

    /// <summary>What answers when the edge does not.</summary>
    [Option("fallback", Default = "none", MetaValue = "MODE", HelpText = "What to do when the edge is gone: none (fail) or device (answer alone).")]
    public string Fallback { get; set; } = "none";

    /// <summary>Timeout of one request.</summary>
    [Option("timeout", Default = 10.0, MetaValue = "SECONDS", HelpText = "Time the edge has to answer one request.")]
    public double Timeout { get; set; } = 10;

    /// <summary>Deadline of one inference.</summary>
    [Option("deadline", MetaValue = "MS", HelpText = "Time from the start of an inference after which the edge's answer is of no use; the edge drops what waits longer.")]
    public double? Deadline { get; set; }

    /// <summary>Time to wait for a lost edge.</summary>
    [Option("retry", Default = 10.0, MetaValue = "SECONDS", HelpText = "Without --fallback device: time for which an image is tried again when the edge is gone or busy.")]
    public double Retry { get; set; } = 10;

    /// <summary>TLS.</summary>
    [Option("tls", HelpText = "Connect over TLS and trust what the system trusts; the other --tls options imply it.")]
    public bool Tls { get; set; }

    /// <summary>Whom to trust.</summary>
    [Option("tls-ca", MetaValue = "FILE", HelpText = "Trust only an edge with a certificate from this authority (PEM), or with this very certificate.")]
    public string? TlsCa { get; set; }

    /// <summary>Expected name.</summary>
    [Option("tls-name", MetaValue = "NAME", HelpText = "Name that the edge's certificate must carry, when it is not the host of --edge.")]
    public string? TlsName { get; set; }

    /// <summary>Certificate.</summary>
    [Option("tls-cert", MetaValue = "FILE", HelpText = "Certificate of this device, for edges that ask for one: PEM, or PKCS #12 (.pfx, .p12).")]
    public string? TlsCert { get; set; }

    /// <summary>Key.</summary>
    [Option("tls-key", MetaValue = "FILE", HelpText = TlsOptions.KeyHelp)]
    public string? TlsKey { get; set; }

    /// <summary>Password of the key.</summary>
    [Option("tls-password-file", MetaValue = "FILE", HelpText = TlsOptions.PasswordHelp)]
    public string? TlsPasswordFile { get; set; }

    /// <summary>Token in a file.</summary>
    [Option("token-file", MetaValue = "FILE", HelpText = TlsOptions.TokenFileHelp)]
    public string? TokenFile { get; set; }

    /// <summary>Token in the environment.</summary>
    [Option("token-env", MetaValue = "NAME", HelpText = TlsOptions.TokenEnvHelp)]
    public string? TokenEnv { get; set; }

    /// <summary>Who decides per request.</summary>
    [Option("decider", MetaValue = "NAME", HelpText = "Of a set of plans, choose one per request: autoscale, ans, ans-energy, device, edge, static, static:TARGET, or with --trace or --link oracle.")]
    public string? Decider { get; set; }

    /// <summary>Latency that counts as in time.</summary>
    [Option("qos", Default = "50ms", MetaValue = "MS", HelpText = "With --decider: latency that counts as in time, e.g. 50ms.")]
    public string Qos { get; set; } = "50ms";

    /// <summary>Least accuracy of a target.</summary>
    [Option("min-accuracy", Default = 0.0, MetaValue = "SHARE", HelpText = "With --decider: least accuracy of a target, 0 to 1.")]
    public double MinAccuracy { get; set; }

    /// <summary>Recorded link.</summary>
    [Option("trace", MetaValue = "FILE", HelpText = "Emulate a recorded link (mahimahi, gzip or not): FILE[,rtt=20ms][,start=0s]; NAME.up and NAME.down belong together.")]
    public string? Trace { get; set; }

    /// <summary>Recorded signal.</summary>
    [Option("signal", MetaValue = "FILE", HelpText = "With --decider: recorded strength of the radio signal, lines of seconds and dBm; else that of the first wireless interface.")]
    public string? Signal { get; set; }

    /// <summary>Energy model.</summary>
    [Option("energy", MetaValue = "FILE", HelpText = "With --decider: energy model, where no meter tells.")]
    public string? Energy { get; set; }

    /// <summary>Number of requests.</summary>
    [Option("requests", MetaValue = "N", HelpText = "With --decider: requests to answer; images are taken in turn.")]
    public int? Requests { get; set; }

    /// <summary>Time between requests.</summary>
    [Option("period", Default = 0.0, MetaValue = "MS", HelpText = "With --decider: time from one request to the next; 0 sends the next when one is answered.")]
    public double Period { get; set; }

    /// <summary>HTML page.</summary>
    [Option("html", MetaValue = "FILE", HelpText = "With --decider: also write a page with decisions over time, latency against QoS and energy.")]
    public string? Html { get; set; }

    /// <summary>Latency bar.</summary>
    [Option("max-ms", MetaValue = "MS", HelpText = "Exit with 3 when the median latency is above this.")]
    public double? MaxMs { get; set; }

    /// <summary>Accuracy bar.</summary>
    [Option("min-top1", MetaValue = "SHARE", HelpText = "Exit with 3 when top-1 accuracy (0 to 1) is below this.")]
    public double? MinTop1 { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        ProductPrecision precision = CheckPrecision();
        if (Fallback is not ("none" or "device")) throw new UsageException($"--fallback {Fallback}: expected none or device.");
        if (!(Slowdown >= 1 && Slowdown <= 1e6)) throw new UsageException($"--slowdown {Slowdown}: expected 1 to 1000000.");
        if (!(Timeout > 0 && Timeout <= 86400)) throw new UsageException($"--timeout {Timeout}: expected seconds above 0.");
        if (!(Retry >= 0 && Retry <= 86400)) throw new UsageException($"--retry {Retry}: expected seconds from 0 on.");
        if (Deadline is { } limit && !(limit > 0 && limit <= 86400e3)) throw new UsageException($"--deadline {limit}: expected milliseconds above 0.");
        if (TlsCert is null && (TlsKey ?? TlsPasswordFile) is not null) throw new UsageException("--tls-key and --tls-password-file need --tls-cert.");
        if (Limit is < 1) throw new UsageException($"--limit {Limit}: expected at least 1.");
        if (Edge is null && Link is not null) throw new UsageException("--link shapes the way to an edge; it needs --edge.");
        EdgeAddress? address = Edge is null ? null : EdgeAddress.Parse(Edge);
        LinkSpec? link = Link is null ? null : LinkSpec.Parse(Link);
        if (Trace is not null && (Edge is null || Link is not null)) throw new UsageException("--trace shapes the way to an edge, in place of --link; it needs --edge.");
        RecordedLink? recording = Trace is null ? null : RecordedLink.Load(Trace);
        if (Decider is null && PlanSet.IsSet(Folder)) throw new UsageException($"'{Folder}' is a set of plans; name a --decider, such as autoscale or static:TARGET.");
        Bundle? bundle = Decider is null ? Bundle.Load(Folder) : null;
        PlanSet? plans = Decider is null ? null : PlanSet.Load(Folder);
        TensorShape shape = bundle?.ImageShape ?? plans!.ImageShape;
        var size = new ImageSize(shape[0], shape[1], shape[2]);
        ImageSet images = DataSpec.Parse(Data, size).Load(Split.Test, Limit);

        bool secured = Tls || (TlsCa ?? TlsName ?? TlsCert) is not null;
        using ClientTls? tls = secured ? ClientTls.Load(TlsCa, TlsName, TlsCert, TlsKey, TlsOptions.Password(TlsPasswordFile)) : null;
        var client = new EdgeClientOptions
        {
            Tls = tls,
            Token = TlsOptions.Token(TokenFile, TokenEnv),
            Link = link,
            Recording = recording,
            RequestTimeout = TimeSpan.FromSeconds(Timeout),
        };
        if (plans is not null) return await DecideAsync(terminal, plans, images, address, client, precision, cancellation).ConfigureAwait(false);
        using ComputeDevice? device = OpenDevice();
        using IInferenceRunner runner = Open(bundle!, address, client, device, precision, terminal);
        var description = new RunDescription { Edge = address?.ToString() ?? "", EmulatedLink = link, Slowdown = Slowdown };
        RunReport report = await terminal.ProgressAsync("images", update => Task.Run(
            () => ImageSetRun.Execute(runner, images, description, new ImmediateProgress<int>(done => update((double)done / images.Count, $"{done} of {images.Count}")), cancellation),
            cancellation)).ConfigureAwait(false);
        WriteJson(terminal, report.ToJson());
        if (!JsonOnStdout) Show(terminal, report);
        return Bar(terminal, report.Total.MedianMs, MaxMs, report.Top1, MinTop1);
    }

    private IInferenceRunner Open(Bundle bundle, EdgeAddress? address, EdgeClientOptions client, ComputeDevice? device, ProductPrecision precision, Terminal terminal)
    {
        var session = new SessionOptions { Threads = Threads, Precise = Precise, Precision = precision, Device = device, Strict = Strict };
        if (address is null || bundle.Edge is null) return new LocalRunner(bundle, session, new Slowdown(Slowdown));
        return new DeviceRunner(bundle, address, new DeviceRunnerOptions
        {
            Session = session,
            Client = client,
            Deadline = Deadline is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
            RecoveryTime = TimeSpan.FromSeconds(Retry),
            Slowdown = new Slowdown(Slowdown),
            FallbackToDevice = Fallback == "device",
            Log = terminal.Message,
        });
    }

    /// <summary>Shows accuracy, payload and time by part.</summary>
    public static void Show(Terminal terminal, RunReport report)
    {
        string where = report.Edge.Length == 0 ? "one process" : $"edge {report.Edge}";
        string emulated = !report.Emulated ? "" : string.Create(CultureInfo.InvariantCulture,
            $", emulated: {(report.Slowdown == 1 ? "" : $"device {report.Slowdown:0.##}x slower")}{(report.Slowdown != 1 && report.EmulatedLink is not null ? ", " : "")}{(report.EmulatedLink is null ? "" : $"link {report.EmulatedLink}")}");
        terminal.Line($"{report.Images} images, {where}{emulated}");
        terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"top-1 {report.Top1:P2}, top-5 {report.Top5:P2}, payload {report.Payload.MeanBytes:F0} bytes mean, {report.Payload.P95Bytes:F0} p95, {report.Images / report.Seconds:F1} images/s, {report.Fallbacks} answered by the device alone"));
        var table = new ResultTable("part", ">median ms", ">mean ms", ">p90 ms", ">p99 ms");
        foreach ((string name, TimeSummary time) in new[]
        {
            ("device", report.Device), ("encode", report.Encode), ("wire", report.Wire), ("queue", report.Queue), ("decode", report.Decode),
            ("edge", report.EdgeCompute), ("lost", report.Lost), ("total", report.Total),
        })
        {
            table.Add(name, Text(time.MedianMs), Text(time.MeanMs), Text(time.P90Ms), Text(time.P99Ms));
        }

        terminal.Write(table);
    }

    private static string Text(double milliseconds) => milliseconds.ToString("F3", CultureInfo.InvariantCulture);
}
