using System.Diagnostics;
using System.Globalization;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>An edge server in a process of its own, run from this very assembly.</summary>
public sealed class ChildServer : IDisposable
{
    private const string BundleVariable = "COINFERENCE_TEST_BUNDLE", PortVariable = "COINFERENCE_TEST_PORT";

    private readonly Process _process;

    private ChildServer(Process process, EdgeAddress address) => (_process, Address) = (process, address);

    public EdgeAddress Address { get; }

    /// <summary>Starts a server and returns once it listens.</summary>
    public static ChildServer Start(string bundleFolder, int port = 0)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (string argument in (ReadOnlySpan<string>)["exec", typeof(ChildServer).Assembly.Location, typeof(ChildServer).FullName!, nameof(Serve)])
            start.ArgumentList.Add(argument);
        start.Environment[BundleVariable] = bundleFolder;
        start.Environment[PortVariable] = port.ToString(CultureInfo.InvariantCulture);
        Process process = Process.Start(start)!;
        string? line = process.StandardOutput.ReadLine();
        Assert.True(line is not null, "The child server ended before it listened; its error is on standard error.");
        return new ChildServer(process, EdgeAddress.Parse(line));
    }

    /// <summary>What the child does: serves until its standard input ends, which is also what happens when its parent dies.</summary>
    public static void Serve()
    {
        Bundle bundle = Bundle.Load(Environment.GetEnvironmentVariable(BundleVariable)!);
        int port = int.Parse(Environment.GetEnvironmentVariable(PortVariable)!, CultureInfo.InvariantCulture);
        using var server = new EdgeServer(bundle, new EdgeAddress("127.0.0.1", port));
        using var stop = new CancellationTokenSource();
        Console.WriteLine(server.Address);
        Task running = server.RunAsync(stop.Token);
        while (Console.In.Read() >= 0)
        {
        }

        stop.Cancel();
        running.GetAwaiter().GetResult();
    }

    /// <summary>Ends the process without warning, as a power cut would.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Asks the server to stop and returns its exit code.</summary>
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
