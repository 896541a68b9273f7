using System.Diagnostics;
using System.Globalization;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>The whole path on the network and the data set in the box.</summary>
[Verb("demo", HelpText = "Profile, search, compile, serve, run and report on generated data, in one go.")]
internal sealed class DemoVerb : Verb
{
    private const int RunImages = 300;

    /// <summary>Output folder.</summary>
    [Option("out", Default = "coinference-demo", MetaValue = "DIR", HelpText = "Folder for plan, bundle and report; emptied of an earlier demo first.")]
    public string Out { get; set; } = "coinference-demo";

    /// <summary>Link.</summary>
    [Option("link", Default = "1.1mbps,rtt=10ms", MetaValue = "LINK", HelpText = "Link between device and edge.")]
    public string Link { get; set; } = "1.1mbps,rtt=10ms";

    /// <summary>Emulated slowdown.</summary>
    [Option("slowdown", Default = 40.0, MetaValue = "K", HelpText = "Emulate a device K times slower than this host.")]
    public double Slowdown { get; set; } = 40;

    /// <summary>Budget.</summary>
    [Option("budget", Default = "0.75x", MetaValue = "BUDGET", HelpText = "Latency target: 12ms, or 0.5x the fastest unpruned baseline.")]
    public string Budget { get; set; } = "0.75x";

    /// <summary>Number of episodes.</summary>
    [Option("episodes", Default = 100, MetaValue = "N", HelpText = "Episodes of the search.")]
    public int Episodes { get; set; } = 100;

    /// <summary>Seed.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "Seed of everything random.")]
    public int Seed { get; set; }

    /// <inheritdoc/>
    public override async Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        LinkSpec link = LinkSpec.Parse(Link);
        Budget budget = Agent.Search.Budget.Parse(Budget);
        if (!(Slowdown >= 1 && Slowdown <= 1e6)) throw new UsageException($"--slowdown {Slowdown}: expected 1 to 1000000.");
        string model = Path.Combine(AppContext.BaseDirectory, "Assets", "shapes10.onnx");
        Graph graph = OnnxModel.Load(model);
        DataSource data = DataSpec.Parse("shapes10");

        terminal.Message("1/5 profile: this machine's own kernels on the network in the box");
        ProfileReport profile = Profiler.Profile(graph, "shapes10", new ProfileOptions { Slowdown = new Slowdown(Slowdown) }, cancellation);
        if (!JsonOnStdout) ProfileVerb.Show(terminal, profile);

        terminal.Message($"2/5 search: {Episodes} episodes behind a budget of {Budget}, link {link}, device emulated {Slowdown.ToString(CultureInfo.InvariantCulture)}x slower");
        var request = new SearchRequest
        {
            Model = graph,
            ModelHash = ModelHash.OfFile(model),
            ModelName = "shapes10",
            Data = data,
            Preprocessing = DataOptions.Preprocessing(DataOptions.Auto, graph, data, terminal, cancellation),
            Link = link,
            Budget = budget,
            OutputFolder = Out,
            Slowdown = Slowdown,
            Episodes = Episodes,
            Seed = Seed,
            JudgeImages = 400,
            ValidationImages = 1000,
            TestImages = 1000,
            Restart = true,
        };
        SearchOutcome outcome = await SearchVerb.SearchAsync(terminal, request, cancellation).ConfigureAwait(false);

        string folder = Path.Combine(Out, SearchRunner.BundleFolderName);
        terminal.Message($"3/5 compile: bundle {outcome.Bundle.Id[..12]} in {folder}");
        terminal.Message("4/5 serve and run: two processes over TCP");
        Bundle served = outcome.Bundle;
        if (served.Edge is null)
        {
            // The plan is free to leave the edge alone; the two-process path is still to be seen, so the best split runs.
            folder = Path.Combine(Out, "split-bundle");
            served = CompileSplit(graph, outcome, data, request.Preprocessing, cancellation).Save(folder);
            terminal.Message($"the plan runs on the device alone; the two processes run the best 8-bit cut instead, at {served.Plan.Cut}");
        }

        RunReport run = await RunTwoProcessesAsync(terminal, served, folder, data.Load(Split.Test, RunImages), link, cancellation).ConfigureAwait(false);
        run.Write(Path.Combine(Out, "run.json"));

        terminal.Message("5/5 report");
        WriteJson(terminal, outcome.Report.Serialize());
        if (JsonOnStdout) return ExitCode.Done;
        ReportFiles.Show(terminal, outcome.Report);
        RunVerb.Show(terminal, run);
        terminal.Line($"full report: {Path.Combine(Out, ReportFiles.Html)}");
        return ExitCode.Done;
    }

    private async Task<RunReport> RunTwoProcessesAsync(Terminal terminal, Bundle bundle, string folder, ImageSet images, LinkSpec link, CancellationToken cancellation)
    {
        using Process edge = StartEdge(folder);
        try
        {
            EdgeAddress address = await ReadAddressAsync(edge, cancellation).ConfigureAwait(false);
            terminal.Message($"edge process {edge.Id} serves on {address}");
            using var runner = new DeviceRunner(bundle, address, new DeviceRunnerOptions { Client = new EdgeClientOptions { Link = link }, Slowdown = new Slowdown(Slowdown) });
            var description = new RunDescription { Edge = address.ToString(), EmulatedLink = link, Slowdown = Slowdown };
            return await terminal.ProgressAsync("run", update => Task.Run(
                () => ImageSetRun.Execute(runner, images, description, new ImmediateProgress<int>(done => update((double)done / images.Count, $"{done} of {images.Count} images")), cancellation),
                cancellation)).ConfigureAwait(false);
        }
        finally
        {
            edge.Kill();
            await edge.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>The unpruned network, cut where the report's best 8-bit cut is.</summary>
    private static Bundle CompileSplit(Graph graph, SearchOutcome outcome, DataSource data, Preprocessing preprocessing, CancellationToken cancellation)
    {
        BaselineResult split = outcome.Report.Baselines.Single(baseline => baseline.Name == BaselinePlans.EightBitCutName);
        Graph canonical = GraphSimplifier.Simplify(graph);
        int channels = CutFinder.Find(canonical).Single(cut => cut.Value == split.Cut).Shape[1];
        Plan plan = outcome.Plan with
        {
            Cut = split.Cut,
            Groups = [],
            Codec = new CodecDecision(channels, channels, 8, true),
            Predicted = split.Predicted!,
            PayloadBytes = split.PayloadBytes,
            ValidationAccuracy = split.Accuracy ?? 0,
            Decider = "",
            Bundle = null,
        };
        return BundleCompiler.Compile(canonical, plan, data.Load(Split.Train, BundleCompiler.CodecImages), preprocessing, cancellation: cancellation);
    }

    /// <summary>Starts this very program again as the edge.</summary>
    private static Process StartEdge(string folder)
    {
        string self = Environment.ProcessPath!;
        var start = new ProcessStartInfo(self) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(self) == "dotnet") start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "coinference.dll"));
        foreach (string argument in (ReadOnlySpan<string>)["serve", folder, "--listen", "127.0.0.1:0", "--quiet"]) start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw new IOException($"'{self}' could not be started as the edge.");
    }

    private static async Task<EdgeAddress> ReadAddressAsync(Process edge, CancellationToken cancellation)
    {
        string? line = await edge.StandardOutput.ReadLineAsync(cancellation).ConfigureAwait(false);
        int at = line?.LastIndexOf(" on ", StringComparison.Ordinal) ?? -1;
        if (at < 0) throw new IOException($"The edge process did not start: {(await edge.StandardError.ReadToEndAsync(cancellation).ConfigureAwait(false)).Trim()}");
        return EdgeAddress.Parse(line![(at + 4)..]);
    }
}
