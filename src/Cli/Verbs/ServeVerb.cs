using System.Globalization;
using System.Net;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;
using CoInference.Runtime.Transport.Telemetry;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Serves the edge halves of a bundle or of a set of plans.</summary>
[Verb("serve", HelpText = "Serve the edge half of a bundle, or those of all plans of a set, until Ctrl-C.")]
internal sealed class ServeVerb : ComputeVerb
{
    /// <summary>Bundle folder.</summary>
    [Value(0, MetaName = "BUNDLE", Required = true, HelpText = "Folder of the bundle, or of the set of plans.")]
    public string Folder { get; set; } = "";

    /// <summary>Address to listen on.</summary>
    [Option("listen", Default = "127.0.0.1:7071", MetaValue = "HOST:PORT", HelpText = "Address to listen on; port 0 takes a free one.")]
    public string Listen { get; set; } = "127.0.0.1:7071";

    /// <summary>Requests computed at once.</summary>
    [Option("concurrency", Default = 1, MetaValue = "N", HelpText = "Runs of the edge half at the same time.")]
    public int Concurrency { get; set; } = 1;

    /// <summary>Certificate.</summary>
    [Option("tls-cert", MetaValue = "FILE", HelpText = "Serve over TLS with this certificate: PEM, or PKCS #12 (.pfx, .p12).")]
    public string? TlsCert { get; set; }

    /// <summary>Key.</summary>
    [Option("tls-key", MetaValue = "FILE", HelpText = TlsOptions.KeyHelp)]
    public string? TlsKey { get; set; }

    /// <summary>Password of the key.</summary>
    [Option("tls-password-file", MetaValue = "FILE", HelpText = TlsOptions.PasswordHelp)]
    public string? TlsPasswordFile { get; set; }

    /// <summary>Authority of the devices.</summary>
    [Option("tls-client-ca", MetaValue = "FILE", HelpText = "Serve only devices with a certificate from this authority (PEM), or with one of these certificates.")]
    public string? TlsClientCa { get; set; }

    /// <summary>Token in a file.</summary>
    [Option("token-file", MetaValue = "FILE", HelpText = TlsOptions.TokenFileHelp)]
    public string? TokenFile { get; set; }

    /// <summary>Token in the environment.</summary>
    [Option("token-env", MetaValue = "NAME", HelpText = TlsOptions.TokenEnvHelp)]
    public string? TokenEnv { get; set; }

    /// <summary>Clients served at once.</summary>
    [Option("max-clients", Default = 64, MetaValue = "N", HelpText = "Clients served at the same time; further ones are refused.")]
    public int MaxClients { get; set; } = 64;

    /// <summary>Connections of one address.</summary>
    [Option("max-per-address", Default = 64, MetaValue = "N", HelpText = "Connections that one address may have open; further ones are cut.")]
    public int MaxPerAddress { get; set; } = 64;

    /// <summary>Requests of one client.</summary>
    [Option("max-requests", Default = 4, MetaValue = "N", HelpText = "Requests of one client under way at the same time; no more are read from it meanwhile.")]
    public int MaxRequests { get; set; } = 4;

    /// <summary>Waiting requests.</summary>
    [Option("max-queue", Default = 256, MetaValue = "N", HelpText = "Requests that may wait; further ones are told that the edge is busy.")]
    public int MaxQueue { get; set; } = 256;

    /// <summary>Memory of requests.</summary>
    [Option("max-memory", Default = 64, MetaValue = "MIB", HelpText = "Memory for requests in flight.")]
    public int MaxMemory { get; set; } = 64;

    /// <summary>Time for the handshake.</summary>
    [Option("handshake-timeout", Default = 5.0, MetaValue = "SECONDS", HelpText = "Time a client has for TLS and its handshake.")]
    public double HandshakeTimeout { get; set; } = 5;

    /// <summary>Time for a frame.</summary>
    [Option("frame-timeout", Default = 30.0, MetaValue = "SECONDS", HelpText = "Longest time that one request or reply may take on the link.")]
    public double FrameTimeout { get; set; } = 30;

    /// <summary>Idle time.</summary>
    [Option("idle-timeout", Default = 600.0, MetaValue = "SECONDS", HelpText = "Time a client may stay connected without a request.")]
    public double IdleTimeout { get; set; } = 600;

    /// <summary>Slowest rate.</summary>
    [Option("min-rate", Default = 4096, MetaValue = "BYTES", HelpText = "Slowest rate per second of a client within a frame, after a stall of at most 5 s.")]
    public int MinRate { get; set; } = 4096;

    /// <summary>Grace time.</summary>
    [Option("grace", Default = 5.0, MetaValue = "SECONDS", HelpText = "Time that accepted requests have to finish after Ctrl-C or SIGTERM.")]
    public double Grace { get; set; } = 5;

    /// <summary>Batching.</summary>
    [Option("batch", Default = 1, MetaValue = "N", HelpText = "Run up to N waiting requests as one batch, where that is measured to be faster and gives the same bits; 1 for no batching.")]
    public int Batch { get; set; } = 1;

    /// <summary>Batching window.</summary>
    [Option("batch-window", Default = 0.0, MetaValue = "MS", HelpText = "Longest time that a request waits for others to fill a batch.")]
    public double BatchWindow { get; set; }

    /// <summary>Metrics.</summary>
    [Option("metrics", MetaValue = "HOST:PORT", HelpText = "Answer GET /metrics (Prometheus text) and GET /healthz on this address.")]
    public string? Metrics { get; set; }

    /// <summary>Log format.</summary>
    [Option("log", Default = "text", MetaValue = "FORMAT", HelpText = "Log on stderr as text or as json, one object per line.")]
    public string LogFormat { get; set; } = "text";

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        ProductPrecision precision = CheckPrecision();
        CheckLimits();
        EdgeAddress address = EdgeAddress.Parse(Listen);
        EdgeAddress? metrics = Metrics is null ? null : EdgeAddress.Parse(Metrics);
        PlanSet plans = PlanSet.Load(Folder);
        if (plans.Plans.All(plan => plan.Bundle.Edge is null)) throw new InvalidDataException($"Bundle '{Folder}' runs on the device alone: it has no edge half to serve.");
        using ServerTls? tls = TlsCert is null ? null : ServerTls.Load(TlsCert, TlsKey, TlsOptions.Password(TlsPasswordFile), TlsClientCa);
        AccessToken? token = TlsOptions.Token(TokenFile, TokenEnv);
        using ComputeDevice? device = OpenDevice();
        using var server = new EdgeServer(plans, address, Options(terminal, tls, token, device, precision));
        if (!IsLoopback(address) && (tls is null || (token is null && TlsClientCa is null)))
            terminal.Warn($"{server.Address} can be reached from the network {(tls is null ? "without TLS" : "by anyone who has the bundle: name a token or --tls-client-ca")}");
        foreach (BatchTime batch in server.BatchTimes)
        {
            terminal.Message(string.Create(CultureInfo.InvariantCulture,
                $"{batch.Value}: batch of {batch.Size}: {batch.Milliseconds:F3} ms, {batch.MillisecondsPerRequest:F3} ms a request{(batch.SameBits ? "" : ", other bits")}{(batch.Used ? "" : ", not used")}"));
        }

        using MetricsEndpoint? endpoint = metrics is null ? null : new MetricsEndpoint(server, metrics);
        terminal.Line($"serving bundle {plans.Id[..12]}{(plans.Plans.Count == 1 ? "" : $" of {plans.Plans.Count} plans")} on {server.Address}{(endpoint is null ? "" : $", metrics on {endpoint.Address}")}");
        await server.RunAsync(cancellation).ConfigureAwait(false);
        return ExitCode.Done;
    }

    private static bool IsLoopback(EdgeAddress address) =>
        address.Host == "localhost" || (IPAddress.TryParse(address.Host, out IPAddress? number) && IPAddress.IsLoopback(number));

    private EdgeServerOptions Options(Terminal terminal, ServerTls? tls, AccessToken? token, ComputeDevice? device, ProductPrecision precision) => new()
    {
        Session = new SessionOptions { Threads = Threads, Precise = Precise, Precision = precision, Device = device, Strict = Strict },
        Concurrency = Concurrency,
        Tls = tls,
        Token = token,
        MaxClients = MaxClients,
        MaxConnectionsPerAddress = MaxPerAddress,
        MaxRequestsPerClient = MaxRequests,
        MaxQueued = MaxQueue,
        MaxRequestBytes = (long)MaxMemory << 20,
        HandshakeTimeout = TimeSpan.FromSeconds(HandshakeTimeout),
        FrameTimeout = TimeSpan.FromSeconds(FrameTimeout),
        IdleTimeout = TimeSpan.FromSeconds(IdleTimeout),
        MinBytesPerSecond = MinRate,
        DrainTimeout = TimeSpan.FromSeconds(Grace),
        MaxBatch = Batch,
        BatchWindow = TimeSpan.FromMilliseconds(BatchWindow),
        Log = LogFormat == "json" ? entry => terminal.Message(entry.ToJson()) : entry => terminal.Message(entry.ToString()),
    };

    private void CheckLimits()
    {
        foreach ((string name, int value, int limit) in (ReadOnlySpan<(string, int, int)>)
        [
            ("concurrency", Concurrency, 256), ("max-clients", MaxClients, 65536), ("max-per-address", MaxPerAddress, 65536), ("max-requests", MaxRequests, 1024),
            ("max-queue", MaxQueue, 1 << 20), ("max-memory", MaxMemory, 1 << 20), ("min-rate", MinRate, int.MaxValue), ("batch", Batch, 256),
        ])
        {
            if (value < 1 || value > limit) throw new UsageException($"--{name} {value}: expected 1 to {limit}.");
        }

        foreach ((string name, double seconds) in (ReadOnlySpan<(string, double)>)
            [("handshake-timeout", HandshakeTimeout), ("frame-timeout", FrameTimeout), ("idle-timeout", IdleTimeout), ("grace", Grace)])
        {
            if (!(seconds > 0 && seconds <= 86400)) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--{name} {seconds}: expected seconds above 0, at most 86400."));
        }

        if (!(BatchWindow >= 0 && BatchWindow <= 10_000)) throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--batch-window {BatchWindow}: expected 0 to 10000 milliseconds."));
        if (LogFormat is not ("text" or "json")) throw new UsageException($"--log {LogFormat}: expected text or json.");
        if (TlsCert is null && (TlsKey ?? TlsPasswordFile ?? TlsClientCa) is not null) throw new UsageException("--tls-key, --tls-password-file and --tls-client-ca need --tls-cert.");
    }
}
