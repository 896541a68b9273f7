using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Live;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>
/// Many requests from several devices, each with a decider that chooses among all plans of a set, over TLS with a token, through a link
/// that fades, stalls and drops connections, to an edge that is killed and restarted in mid-run. What the chosen target does not
/// answer, the device does. Devices are emulated slower, so that the edge is worth asking. Every answer is compared with what its target gives alone.
/// </summary>
internal static class DecideRun
{
    private const int Images = 100;
    private const double QosSeconds = 0.05, EmulatedSlowdown = 100;

    // Without a pause a device that answers alone would be done before the edge is back.
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    public static int Execute(int requests, int clients, string[] deciders, int seed)
    {
        string root = Directory.CreateTempSubdirectory("coinference-decide-").FullName;
        try
        {
            return Run(root, requests, clients, deciders, seed);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static int Run(string root, int requests, int clients, string[] deciders, int seed)
    {
        string folder = Path.Combine(root, "set"), tokenFile = Path.Combine(root, "token"), certificateFile = Path.Combine(root, "edge.pem");
        PlanSet plans = ServedBundle.CreateSet(folder);
        ImageSet images = ServedBundle.Images(plans.Plans[0].Bundle, Images);
        File.WriteAllText(tokenFile, Convert.ToHexString(RandomNumberGenerator.GetBytes(32)));
        StressRun.WriteCertificate(certificateFile);
        using ClientTls tls = ClientTls.Load(trusted: certificateFile);
        var edges = new RestartedEdge(folder, certificateFile, tokenFile);
        EdgeProcess edge = edges.Start();
        var trouble = new LinkTrouble(12, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(400), TimeSpan.FromSeconds(0.25));
        using var relay = new UnreliableRelay(edge.Address.Port, trouble, seed);
        var options = new TargetSetOptions
        {
            Edge = new EdgeAddress("127.0.0.1", relay.Port),
            Client = new EdgeClientOptions { Tls = tls, Token = AccessToken.FromFile(tokenFile) },
            ReconnectInterval = TimeSpan.FromMilliseconds(20),
            MaxReconnectInterval = TimeSpan.FromSeconds(1),
            Threads = [1],
            Slowdown = new Slowdown(EmulatedSlowdown),
        };
        float[][][] expected = Expected(plans, images, options);
        var tally = new Tally(requests);
        var choices = new Choices(expected.Length);
        var clock = Stopwatch.StartNew();
        Task all = Task.WhenAll([.. Enumerable.Range(0, clients).Select(number => Task.Factory.StartNew(
            () => Ask(plans, images, expected, options with { Seed = (seed * 1000) + number, Log = _ => tally.CountRecovery() }, deciders[number % deciders.Length], seed + number, tally, choices),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);

        int byEdgeBefore = 0;
        Console.WriteLine("done      seconds  drops stalls  edge MiB  devices MiB   by edge  by device  failed over");
        bool restarted = edges.Watch(all, tally, requests, ref edge, Report, () => byEdgeBefore = choices.ByEdge);
        Report(edge);
        bool clean = edge.Stop() == 0;
        edge.Dispose();
        int afterRestart = choices.ByEdge - byEdgeBefore;
        Console.WriteLine($"{requests} requests of {clients} devices ({string.Join(", ", deciders)}; emulated {EmulatedSlowdown:0}x slower) in {clock.Elapsed.TotalSeconds:F1} s: {tally.Answered} answered, {tally.Failed} reported as failed, {tally.Wrong} with other logits than the target gives alone, {tally.Missing} without an outcome, {tally.Doubled} with two");
        Console.WriteLine($"{choices.ByEdge} answered by the edge, {afterRestart} of them after it was restarted; {choices.FailedOver} by the device after the chosen target had failed; {relay.Drops} drops, {relay.Stalls} stalls; edge {(clean ? "without a fault" : "WITH FAULTS")}");
        Console.WriteLine($"chosen: {choices.Describe()}");
        bool good = clean && restarted && afterRestart > 0 && tally.Answered == requests && tally is { Wrong: 0, Missing: 0, Doubled: 0, Failed: 0 };
        Console.WriteLine(good ? "PASS" : "FAIL");
        return good ? 0 : 1;

        void Report(EdgeProcess edge)
        {
            GC.Collect();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{tally.Done,-9} {clock.Elapsed.TotalSeconds,7:F1} {relay.Drops,6} {relay.Stalls,6} {edge.MemoryMiB,9:F1} {GC.GetTotalMemory(false) / 1048576.0,12:F1} {choices.ByEdge,9} {choices.ByDevice,10} {choices.FailedOver,12}"));
        }
    }

    private static void Ask(PlanSet plans, ImageSet images, float[][][] expected, TargetSetOptions options, string name, int seed, Tally tally, Choices choices)
    {
        using TargetSet targets = TargetSet.Open(plans, options);
        using var monitor = new ConditionMonitor(targets.Link);
        var constraints = new RequestConstraints(QosSeconds, 0, false);
        targets.Probe(images.Image(0), Limit);
        IOnlineDecider decider = LiveDeciders.Create(name, targets, constraints, seed);
        int fallback = targets.Fallback(0);
        var logits = new float[plans.Classes];
        choices.Names = [.. targets.Targets.Select(target => target.Name)];
        for (long next = Stopwatch.GetTimestamp(); tally.Next() is { } request; next = Math.Max(next + (long)(Period.TotalSeconds * Stopwatch.Frequency), Stopwatch.GetTimestamp()))
        {
            Slowdown.WaitUntil(next);
            int image = (int)((request * 7919L) % images.Count);
            Array.Fill(logits, float.NaN);
            OperatingConditions conditions = monitor.Read();
            int target = decider.Choose(conditions, constraints);
            TargetOutcome outcome = targets.Run(target, images.Image(image), logits, Limit, conditions.SignalDbm);
            decider.Learn(target, conditions, constraints, LiveRun.Lesson(outcome, Limit));
            int answeredBy = target;
            if (!outcome.Answered)
            {
                Array.Fill(logits, float.NaN);
                outcome = targets.Run(answeredBy = fallback, images.Image(image), logits, Limit, conditions.SignalDbm);
            }

            choices.Count(target, targets.Targets[answeredBy].Placement != TargetPlacement.Device, answeredBy != target);
            if (outcome.Answered) tally.Finish(request, logits.AsSpan().SequenceEqual(expected[answeredBy][image]));
            else tally.Fail(request);
            LiveRun.ProbeIfDue(targets, decider, conditions);
            monitor.Rest();
        }
    }

    /// <summary>What each target gives for each image when it runs alone in one process.</summary>
    private static float[][][] Expected(PlanSet plans, ImageSet images, TargetSetOptions options)
    {
        using TargetSet targets = TargetSet.Open(plans, options);
        return [.. targets.Targets.Select(target =>
        {
            int plan = plans.Find(target.Name);
            if (plan < 0) plan = plans.Find($"device.{target.Precision}");
            using var local = new LocalRunner(plans.Plans[plan].Bundle);
            return Enumerable.Range(0, images.Count).Select(image =>
            {
                var logits = new float[plans.Classes];
                local.Run(images.Image(image), logits);
                return logits;
            }).ToArray();
        })];
    }

    /// <summary>What was chosen, and who answered.</summary>
    private sealed class Choices(int targets)
    {
        private readonly int[] _chosen = new int[targets];
        private int _byEdge, _byDevice, _failedOver;

        public string[] Names { get; set; } = [];

        public int ByEdge => Volatile.Read(ref _byEdge);

        public int ByDevice => Volatile.Read(ref _byDevice);

        public int FailedOver => Volatile.Read(ref _failedOver);

        public void Count(int target, bool byEdge, bool failedOver)
        {
            Interlocked.Increment(ref _chosen[target]);
            Interlocked.Increment(ref (byEdge ? ref _byEdge : ref _byDevice));
            if (failedOver) Interlocked.Increment(ref _failedOver);
        }

        public string Describe() => string.Join(", ", Names.Select((name, i) => (name, count: _chosen[i])).OrderByDescending(entry => entry.count).Select(entry => $"{entry.name} {entry.count}"));
    }
}
