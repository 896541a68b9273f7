using System.Diagnostics;
using System.Globalization;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Bench.Serving;

/// <summary>An edge in a process of its own, run from this very assembly.</summary>
internal sealed class EdgeProcess : IDisposable
{
    /// <summary>First argument of the child process.</summary>
    public const string Verb = "edge";

    private readonly Process _process;

    private EdgeProcess(Process process, EdgeAddress address) => (_process, Address) = (process, address);

    /// <summary>Where it listens.</summary>
    public EdgeAddress Address { get; }

    /// <summary>Resident memory in MiB.</summary>
    public double MemoryMiB
    {
        get
        {
            _process.Refresh();
            return _process.HasExited ? 0 : _process.WorkingSet64 / 1048576.0;
        }
    }

    /// <summary>Starts an edge and returns once it listens.</summary>
    /// <param name="folder">The bundle, or the set of plans.</param>
    /// <param name="options">What <see cref="Serve"/> reads.</param>
    public static EdgeProcess Start(string folder, params string[] options)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (string argument in (ReadOnlySpan<string>)["exec", typeof(EdgeProcess).Assembly.Location, Verb, folder, .. options]) start.ArgumentList.Add(argument);
        Process process = Process.Start(start)!;
        string line = process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The edge process ended before it listened.");
        return new EdgeProcess(process, EdgeAddress.Parse(line));
    }

    /// <summary>What the child does: serves until its standard input ends, which is also what happens when its parent dies.</summary>
    /// <param name="arguments">The folder of the bundle or set, then <c>name=value</c>: port, batch, cert, token, timeout (seconds of handshake and frame).</param>
    public static int Serve(ReadOnlySpan<string> arguments)
    {
        PlanSet plans = PlanSet.Load(arguments[0]);
        Dictionary<string, string> given = arguments[1..].ToArray().Select(option => option.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        int Number(string name, int fallback) => given.TryGetValue(name, out string? text) ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
        using ServerTls? tls = given.TryGetValue("cert", out string? certificate) ? ServerTls.Load(certificate) : null;
        int faults = 0;
        var options = new EdgeServerOptions
        {
            Tls = tls,
            Token = given.TryGetValue("token", out string? token) ? AccessToken.FromFile(token) : null,
            MaxClients = 256,
            MaxConnectionsPerAddress = 256,
            HandshakeTimeout = TimeSpan.FromSeconds(Number("timeout", 10)),
            FrameTimeout = TimeSpan.FromSeconds(Number("timeout", 30)),
            MaxBatch = Number("batch", 1),
            BatchOnlyWhereFaster = Number("force", 0) == 0,
            Log = entry =>
            {
                if (entry.Kind != EdgeEventKind.Fault) return;
                Interlocked.Increment(ref faults);
                Console.Error.WriteLine(entry.ToString());
            },
        };
        using var server = new EdgeServer(plans, new EdgeAddress("127.0.0.1", Number("port", 0)), options);
        using var stop = new CancellationTokenSource();
        Console.WriteLine(server.Address);
        foreach (BatchTime batch in server.BatchTimes)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"batch {batch.Size} {batch.MillisecondsPerRequest * 1000:F1} us/request{(batch.SameBits ? "" : " other-bits")}{(batch.Used ? " used" : "")}"));
        Console.WriteLine("ready");
        Task running = server.RunAsync(stop.Token);
        while (Console.In.Read() >= 0)
        {
        }

        stop.Cancel();
        running.GetAwaiter().GetResult();
        return faults == 0 ? 0 : 1;
    }

    /// <summary>The lines between the address and "ready": the measured batches.</summary>
    public IReadOnlyList<string> ReadBatches()
    {
        var lines = new List<string>();
        while (_process.StandardOutput.ReadLine() is { } line && line != "ready") lines.Add(line);
        return lines;
    }

    /// <summary>Ends the process without warning, as a power cut would.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Asks the edge to stop.</summary>
    /// <returns>Its exit code: 0 when no request brought out a defect.</returns>
    public int Stop()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }
}
