using CoInference.Cli.Rendering;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Serves the edge half of a bundle.</summary>
[Verb("serve", HelpText = "Serve the edge half of a bundle until Ctrl-C.")]
internal sealed class ServeVerb : ComputeVerb
{
    /// <summary>Bundle folder.</summary>
    [Value(0, MetaName = "BUNDLE", Required = true, HelpText = "Folder of the bundle.")]
    public string Folder { get; set; } = "";

    /// <summary>Address to listen on.</summary>
    [Option("listen", Default = "127.0.0.1:7071", MetaValue = "HOST:PORT", HelpText = "Address to listen on; port 0 takes a free one.")]
    public string Listen { get; set; } = "127.0.0.1:7071";

    /// <summary>Requests computed at once.</summary>
    [Option("concurrency", Default = 1, MetaValue = "N", HelpText = "Requests computed at the same time.")]
    public int Concurrency { get; set; } = 1;

    /// <summary>Clients served at once.</summary>
    [Option("max-clients", Default = 64, MetaValue = "N", HelpText = "Clients served at the same time; further ones are refused.")]
    public int MaxClients { get; set; } = 64;

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        if (Concurrency is < 1 or > 256) throw new UsageException($"--concurrency {Concurrency}: expected 1 to 256.");
        if (MaxClients is < 1 or > 65536) throw new UsageException($"--max-clients {MaxClients}: expected 1 to 65536.");
        Bundle bundle = Bundle.Load(Folder);
        if (bundle.Edge is null) throw new InvalidDataException($"Bundle '{Folder}' runs on the device alone: it has no edge half to serve.");
        var options = new EdgeServerOptions
        {
            Session = new SessionOptions { Threads = Threads, Precise = Precise },
            Concurrency = Concurrency,
            MaxClients = MaxClients,
            Log = happened => terminal.Message(happened.ToString()),
        };
        using var server = new EdgeServer(bundle, EdgeAddress.Parse(Listen), options);
        terminal.Line($"serving bundle {bundle.Id[..12]} on {server.Address}");
        await server.RunAsync(cancellation).ConfigureAwait(false);
        terminal.Message($"stopped after {server.Answered} answers");
        return ExitCode.Done;
    }
}
