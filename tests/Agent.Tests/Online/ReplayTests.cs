using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Tests.Online;

public class ReplayTests
{
    [Fact]
    public void A_request_takes_what_the_parts_add_up_to()
    {
        // Constant link of 8 Mbit/s = 1e6 bytes/s, 5 ms there and back, no load, no scatter.
        TargetTable table = SmallWorld.Table with { Scatter = [1] };
        IReadOnlyList<TargetProfile> profiles = TargetProfile.FromTable(table, EnergyModel.Default, 2);
        var scenario = new Scenario { Name = "plain", Requests = 3, Signal = null, LinkMbps = LevelProcess.Constant(8) };
        TargetOutcome outcome = new SimulatedWorld(table, profiles, scenario, 0).Outcome(1, 3);
        Assert.Equal(2 * 0.003, outcome.DeviceSeconds, 9);
        Assert.Equal(2 * 0.0001, outcome.CodingSeconds, 9);
        Assert.Equal(0.012 + 96e-6 + 0.005, outcome.WireSeconds, 9);
        Assert.Equal(0.0013, outcome.EdgeSeconds, 9);
        Assert.Equal(0, outcome.QueueSeconds);
        double expected = (2.7 * outcome.LatencySeconds) + (0.9 * 0.0062) + (0.7 * 0.012) + (0.6 * 96e-6);
        Assert.Equal(expected, outcome.Joules, 9);
        Assert.True(outcome.Answered);
        Assert.False(outcome.EnergyIsMeasured);
    }

    [Fact]
    public void Load_slows_the_device_as_measured()
    {
        TargetTable table = SmallWorld.Table with { Scatter = [1] };
        var scenario = new Scenario { Name = "load", Requests = 2, ProcessorLoad = LevelProcess.Constant(0.75), MemoryLoad = LevelProcess.Constant(0.5) };
        var world = new SimulatedWorld(table, SmallWorld.Profiles, scenario, 0);
        Assert.Equal(0.012 * 2.25 * 1.5, world.Outcome(0, 0).DeviceSeconds, 9);
        Assert.Equal(0.007 * 4.5 * 1.75, world.Outcome(0, 1).DeviceSeconds, 9);
    }

    [Fact]
    public void An_outage_leaves_requests_without_an_answer_until_they_are_given_up()
    {
        var scenario = new Scenario { Name = "dead", Requests = 50, TimeoutMs = 200, Outages = new OutageProcess(0.001, 1e6) };
        var world = new SimulatedWorld(SmallWorld.Table, SmallWorld.Profiles, scenario, 0);
        TargetOutcome outcome = world.Outcome(40, 2);
        Assert.False(outcome.Answered);
        Assert.Equal(0.2, outcome.LatencySeconds, 9);
        Assert.True(world.Outcome(40, 0).Answered);
    }

    [Fact]
    public void No_target_that_is_accurate_enough_beats_the_oracle()
    {
        Scenario scenario = Scenario.Find("mixed") with { Requests = 300 };
        ReplayRun run = SmallWorld.Run(scenario, 4, latencySeconds: 0.02);
        ReplayedRequest[] oracle = run.Run(foresight => new OracleDecider(foresight));
        Assert.All(oracle, request => Assert.True(request.Right));
        for (int target = 0; target < 5; target++)
        {
            ReplayedRequest[] fixedChoice = run.Run(_ => new StaticDecider("fixed", target));
            for (int i = 0; i < fixedChoice.Length; i++)
            {
                Assert.True(oracle[i].InTime || !fixedChoice[i].InTime);
                if (oracle[i].InTime == fixedChoice[i].InTime && oracle[i].Outcome.Answered == fixedChoice[i].Outcome.Answered)
                    Assert.True(oracle[i].Outcome.Joules <= fixedChoice[i].Outcome.Joules);
            }
        }
    }

    [Fact]
    public void The_causal_oracle_does_worse_than_the_oracle_and_better_than_any_fixed_choice()
    {
        ReplayRun run = SmallWorld.Run(Scenario.Find("mixed"), 4, latencySeconds: 0.02);
        int causal = Late(foresight => new OracleDecider(foresight, knowsChance: false));
        Assert.InRange(causal, Late(foresight => new OracleDecider(foresight)), run.Requests);
        for (int target = 0; target < 5; target++)
        {
            int at = target;
            Assert.True(causal <= Late(_ => new StaticDecider("fixed", at)));
        }

        int Late(Func<IForesight, IOnlineDecider> make) => run.Run(make).Count(request => !request.InTime);
    }

    [Fact]
    public void A_probe_takes_the_link_and_the_edge_and_costs_the_radio_only()
    {
        TargetTable table = SmallWorld.Table with { Scatter = [1] };
        IReadOnlyList<TargetProfile> profiles = TargetProfile.FromTable(table, EnergyModel.Default, 2);
        var scenario = new Scenario { Name = "plain", Requests = 3, Signal = null, LinkMbps = LevelProcess.Constant(8) };
        TargetOutcome outcome = new SimulatedWorld(table, profiles, scenario, 0).Probe(1, 0.02, 3);
        Assert.Equal(0, outcome.DeviceSeconds + outcome.CodingSeconds);
        Assert.Equal(0.012 + 96e-6 + 0.005, outcome.WireSeconds, 9);
        Assert.Equal(0.0013, outcome.EdgeSeconds, 9);
        Assert.Equal((0.7 * 0.012) + (0.6 * (96e-6 + 0.005 + 0.0013)), outcome.Joules, 9);
    }

    [Fact]
    public void A_world_is_fixed_by_its_seed()
    {
        Scenario scenario = Scenario.Find("mixed");
        var (a, b, c) = (World(3), World(3), World(4));
        Assert.Equal(Outcomes(a), Outcomes(b));
        Assert.NotEqual(Outcomes(a), Outcomes(c));

        SimulatedWorld World(long seed) => new(SmallWorld.Table, SmallWorld.Profiles, scenario, seed);
        static TargetOutcome[] Outcomes(SimulatedWorld world) => [.. Enumerable.Range(0, 200).SelectMany(request => Enumerable.Range(0, 6).Select(target => world.Outcome(request, target)))];
    }

    [Fact]
    public void A_recorded_link_stands_in_for_the_scenarios()
    {
        // One packet each 100 ms: 30,040 bytes are 21 packets.
        var trace = new PacketTrace([.. Enumerable.Range(1, 100).Select(i => 100L * i)]);
        var scenario = new Scenario { Name = "traced", Requests = 10, TimeoutMs = 10_000, Signal = null };
        var world = new SimulatedWorld(SmallWorld.Table, SmallWorld.Profiles, scenario, 0, trace);
        Assert.InRange(world.Outcome(2, 2).WireSeconds, 2.0, 2.3);
        Assert.Throws<ArgumentException>(() => new SimulatedWorld(SmallWorld.Table, SmallWorld.Profiles, scenario, 0));
    }

    [Fact]
    public void A_report_sums_up_the_runs_and_survives_the_file()
    {
        ReplayReport report = new ReplayRequest
        {
            Table = SmallWorld.Table,
            Scenario = Scenario.Find("steady") with { Requests = 150 },
            Deciders = ["autoscale", "ans", "oracle", "device", "static:edge.raw"],
            QosMs = 50,
            MinAccuracy = 0.85,
            Seeds = [1, 2, 3],
        }.Run();
        ReplayedDecider oracle = report.Deciders[2];
        Assert.Equal(0, oracle.OverOracle.Mean, 12);
        Assert.Equal(1, oracle.Right.Mean);
        Assert.All(report.Deciders, decider => Assert.True(decider.OverOracle.Mean >= 0));
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            File.WriteAllBytes(path, report.Serialize());
            Assert.Equal(report.Serialize(), ReplayReport.Read(path).Serialize());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Unknown_deciders_and_targets_are_named()
    {
        var deciders = new OnlineDeciders(SmallWorld.Table, SmallWorld.Profiles, Scenario.Find("steady"), SmallWorld.Constraints, null);
        Assert.Contains("magic", Assert.Throws<ArgumentException>(() => deciders.Maker("magic")).Message);
        Assert.Contains("cpu.1.f32", Assert.Throws<ArgumentException>(() => deciders.Maker("static:nowhere")).Message);
    }

    [Theory]
    [InlineData("\"requests\": 1000", "\"requests\": 0", "requests")]
    [InlineData("\"edgeUtilization\": 0.3", "\"edgeUtilization\": 1", "edgeUtilization")]
    [InlineData("\"correlationSeconds\": 10", "\"correlationSeconds\": 0", "signal")]
    [InlineData("\"keyEvery\": 10", "\"keyEach\": 10", "keyEach")]
    public void A_bad_scenario_is_refused_with_the_field(string good, string bad, string named)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            Scenario.Find("mixed").Save(path);
            Assert.Equal("mixed", Scenario.Find(path).Name);
            string text = File.ReadAllText(path);
            Assert.Contains(good, text);
            File.WriteAllText(path, text.Replace(good, bad));
            Assert.Contains(named, Assert.Throws<InvalidDataException>(() => Scenario.Find(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Intervals_are_those_of_Students_t()
    {
        SeedMean mean = SeedMean.Of([1, 2, 3, 4]);
        Assert.Equal(2.5, mean.Mean);
        Assert.Equal(3.182 * Math.Sqrt(5.0 / 3 / 4), mean.HalfWidth, 9);
    }
}
