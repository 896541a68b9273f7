using CoInference.Agent.Online;
using CoInference.Agent.Online.Live;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Tests.Online;

public sealed class LiveRunTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-live-").FullName;
    private readonly PlanSet _plans;
    private readonly ImageSet _images = DataSpec.Parse("shapes10").Load(Split.Test, 20);

    public LiveRunTests()
    {
        string model = Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
        DataSource data = DataSpec.Parse("shapes10");
        var options = new PlanSetOptions { ModelHash = ModelHash.OfFile(model), Preprocessing = Preprocessing.ImageNet, Bits = [4] };
        _plans = PlanSetCompiler.Compile(graph, data.Load(Split.Train, 16), data.Load(Split.SearchValidation, 20), options, Path.Combine(_folder, "set"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("autoscale")]
    [InlineData("ans")]
    [InlineData("static:edge.raw")]
    [InlineData("device")]
    [InlineData("oracle")]
    public async Task Every_request_is_answered_and_reported(string name)
    {
        using var server = new EdgeServer(_plans, new EdgeAddress("127.0.0.1", 0));
        using var stop = new CancellationTokenSource();
        Task running = server.RunAsync(stop.Token);
        LiveReport report = Run(name, server.Address);
        Assert.Equal(0, report.Unanswered);
        Assert.Equal(report.Requests, report.Targets.Sum(target => target.Requests));
        Assert.All(report.Samples.Prediction, prediction => Assert.InRange(prediction, 0, 9));
        Assert.All(report.Samples.LatencyMs, latency => Assert.True(latency > 0));
        if (name == "static:edge.raw") Assert.Equal(report.Requests, report.Targets.Single(target => target.Target.Name == "edge.raw").Requests);
        string path = Path.Combine(_folder, "report.json");
        File.WriteAllBytes(path, report.ToJson());
        Assert.Equal(report.Samples.Target, LiveReport.Read(path).Samples.Target);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public void Without_an_edge_the_device_answers_what_the_chosen_target_does_not()
    {
        // Nothing listens on the port that was free a moment ago.
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        int port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        LiveReport report = Run("static:edge.raw", new EdgeAddress("127.0.0.1", port));
        Assert.Equal(report.Requests, report.Fallbacks);
        Assert.Equal(0, report.Unanswered);
        Assert.All(report.Samples.Fallback, Assert.True);
    }

    [Fact]
    public void The_oracle_and_unknown_names_are_refused()
    {
        using TargetSet targets = TargetSet.Open(_plans, new TargetSetOptions { Threads = [1] });
        var constraints = new RequestConstraints(0.05, 0, false);
        Assert.Contains("future", Assert.Throws<ArgumentException>(() => LiveDeciders.Create("oracle", targets, constraints, 0)).Message);
        Assert.Contains("static:TARGET", Assert.Throws<ArgumentException>(() => LiveDeciders.Create("best", targets, constraints, 0)).Message);
        Assert.Contains("cpu.1.f32", Assert.Throws<ArgumentException>(() => LiveDeciders.Create("static:cpu.9.f32", targets, constraints, 0)).Message);
    }

    private LiveReport Run(string name, EdgeAddress edge)
    {
        LinkSpec spec = LinkSpec.Parse("100mbps,rtt=1ms");
        using TargetSet targets = TargetSet.Open(_plans, new TargetSetOptions { Edge = edge, Threads = [1], Client = new EdgeClientOptions { Link = spec } });
        using var monitor = new ConditionMonitor(targets.Link);
        IOnlineDecider decider = LiveDeciders.Create(name, targets, new RequestConstraints(0.05, 0, false), 1, new ShapedLink(spec));
        return LiveRun.Execute(targets, monitor, decider, _images, new LiveRunOptions { Requests = 50, QosMs = 50, DeadlineMs = 20_000 });
    }
}
