using CoInference.Agent.Networks;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Replay;

/// <summary>
/// A device, an edge and the link between them in simulated time: recorded times of a network, slowed down as measured under co-runners,
/// behind a link that a scenario or a recorded trace describes. What any target takes for any request is fixed by the seed.
/// </summary>
public sealed class SimulatedWorld
{
    // A probe that is not answered by then has failed.
    private const double ProbeSeconds = 0.05;

    private readonly TargetTable _table;
    private readonly Timeline _timeline;
    private readonly ILinkCapacity _up, _down;
    private readonly double[] _deviceScatter, _edgeScatter;
    private readonly double _serviceSeconds;

    /// <summary>Creates a world.</summary>
    /// <param name="table">Recorded times of a network.</param>
    /// <param name="profiles">The targets, made from the table.</param>
    /// <param name="scenario">What happens.</param>
    /// <param name="seed">Seed of everything random.</param>
    /// <param name="up">Recorded link from the device to the edge, in place of the scenario's; or null.</param>
    /// <param name="down">Recorded link back; null for <paramref name="up"/>.</param>
    /// <exception cref="ArgumentException">The scenario is inconsistent, or has no link and no trace was given.</exception>
    public SimulatedWorld(TargetTable table, IReadOnlyList<TargetProfile> profiles, Scenario scenario, long seed, PacketTrace? up = null, PacketTrace? down = null)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(scenario);
        if (scenario.Problem() is { } problem) throw new ArgumentException($"Scenario '{scenario.Name}': {problem}", nameof(scenario));
        (_table, Profiles, Scenario) = (table, profiles, scenario);
        _timeline = new Timeline(scenario, seed);
        if (up is not null)
        {
            _up = new TracedLink(up, _timeline.TraceOffset * up.Seconds, _timeline.Outages);
            _down = down is null ? _up : new TracedLink(down, _timeline.TraceOffset * down.Seconds, _timeline.Outages);
        }
        else
        {
            double[] rates = _timeline.SlotRates ?? throw new ArgumentException($"Scenario '{scenario.Name}' has neither a signal nor a link rate; give a link trace.", nameof(scenario));
            _up = new SlottedLink(rates, Timeline.SlotSeconds);
            _down = _up;
        }

        double slowdown = profiles[0].DeviceSeconds * 1000 / table.Targets[0].DeviceMs;
        _deviceScatter = Spread(table.Scatter, double.IsFinite(slowdown) ? Math.Max(1, (int)Math.Round(slowdown)) : 1);
        _edgeScatter = Spread(table.Scatter, 1);
        _serviceSeconds = profiles.Max(profile => profile.EdgeSeconds);
    }

    /// <summary>The targets.</summary>
    public IReadOnlyList<TargetProfile> Profiles { get; }

    /// <summary>What happens.</summary>
    public Scenario Scenario { get; }

    /// <summary>What the device sees when a request comes; rate and round trip of the link are not among it, they have to be estimated.</summary>
    public OperatingConditions Conditions(int request) => new(
        _timeline.ProcessorLoad[request], _timeline.MemoryLoad[request], double.NaN, double.NaN, Signal(Start(request)), double.NaN, double.NaN);

    /// <summary>The conditions of all requests of a world.</summary>
    /// <inheritdoc cref="SimulatedWorld(TargetTable, IReadOnlyList{TargetProfile}, Scenario, long, PacketTrace, PacketTrace)" path="/param|/exception"/>
    public static IReadOnlyList<OperatingConditions> Record(TargetTable table, IReadOnlyList<TargetProfile> profiles, Scenario scenario, long seed, PacketTrace? up = null)
    {
        var world = new SimulatedWorld(table, profiles, scenario, seed, up);
        return [.. Enumerable.Range(0, scenario.Requests).Select(world.Conditions)];
    }

    /// <summary>What a target takes for a request.</summary>
    public TargetOutcome Outcome(int request, int target) => Outcome(
        request, target, new Noise(Scatter(_deviceScatter, _timeline.DeviceScatter[request]), Scatter(_edgeScatter, _timeline.EdgeScatter[request]), _timeline.Waiting[request]));

    /// <summary>What a probe takes that is sent after a request: the target's frame crosses and the edge answers it, but the device has computed nothing for it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="after">Seconds from the start of the request.</param>
    /// <param name="target">The target.</param>
    public TargetOutcome Probe(int request, double after, int target)
    {
        TargetProfile profile = Profiles[target];
        double sending = Start(request) + after, signal = Signal(sending);
        Exchange exchange = Cross(profile, request, sending, sending + ProbeSeconds, Scatter(_edgeScatter, _timeline.EdgeScatter[request]), _timeline.Waiting[request]);
        double spent = profile.Power.ProbeJoules(exchange.Sent, (exchange.Answered ? exchange.Wire + exchange.Wait + exchange.Edge : exchange.Wire) - exchange.Sent, signal);
        return new TargetOutcome(0, 0, exchange.Wire, exchange.Wait, exchange.Edge, 0, spent, false, exchange.Answered);
    }

    /// <summary>
    /// What a target would take for a request if chance played a given part. The state of the world is that of the request: a device that knows it, but neither
    /// chance nor the future, can know no more.
    /// </summary>
    internal TargetOutcome Outcome(int request, int target, in Noise noise)
    {
        TargetProfile profile = Profiles[target];
        double slowdown = _table.Slowdown(profile.Target, _timeline.ProcessorLoad[request], _timeline.MemoryLoad[request]) * noise.Device;
        double device = profile.DeviceSeconds * slowdown, start = Start(request), signal = Signal(start);
        if (profile.Target.Placement == TargetPlacement.Device)
            return new TargetOutcome(device, 0, 0, 0, 0, 0, profile.Power.Joules(device, 0, 0, 0, device, signal), false, true);

        double encode = profile.EncodeSeconds * slowdown;
        Exchange exchange = Cross(profile, request, start + device + encode, start + (Scenario.TimeoutMs / 1000), noise.Edge, noise.Wait);
        if (!exchange.Answered)
        {
            double spent = profile.Power.Joules(device, encode, exchange.Sent, 0, device + encode + exchange.Wire, signal);
            return new TargetOutcome(device, encode, exchange.Wire, 0, 0, 0, spent, false, false);
        }

        double latency = device + encode + exchange.Wire + exchange.Wait + exchange.Edge;
        double joules = profile.Power.Joules(device, encode, exchange.Sent, exchange.Received, latency, signal);
        return new TargetOutcome(device, encode, exchange.Wire, exchange.Wait, exchange.Edge, 0, joules, false, true);
    }

    /// <summary>Parts that chance may play in a request, evenly spread over what it does: as many of each part as asked for, combined at random.</summary>
    /// <param name="count">Number of draws.</param>
    /// <param name="seed">Seed of the combination.</param>
    internal Noise[] DrawNoise(int count, long seed)
    {
        var random = new RandomSource(seed);
        double[] device = Spread(), edge = Spread(), wait = Spread();
        double utilization = Scenario.EdgeUtilization;
        return [.. Enumerable.Range(0, count).Select(i => new Noise(
            Scatter(_deviceScatter, device[i]), Scatter(_edgeScatter, edge[i]), wait[i] < utilization ? Math.Log(utilization / wait[i]) / (1 - utilization) : 0))];

        double[] Spread()
        {
            double[] places = [.. Enumerable.Range(0, count).Select(i => (i + 0.5) / count)];
            for (int i = count - 1; i > 0; i--)
            {
                int other = random.NextIndex(i + 1);
                (places[i], places[other]) = (places[other], places[i]);
            }

            return places;
        }
    }

    private Exchange Cross(TargetProfile profile, int request, double sending, double deadline, double edgeScatter, double waiting)
    {
        double half = Scenario.RoundTripMs / 2000, sent = _up.Finish(sending, profile.Target.PayloadBytes), edgeFactor = _timeline.EdgeSlowdown[request];
        double wait = waiting * _serviceSeconds * edgeFactor, edge = profile.EdgeSeconds * edgeFactor * edgeScatter;
        double replying = sent + half + wait + edge, received = _down.Finish(Math.Min(replying, deadline), profile.ReplyBytes);
        if (replying > deadline || received + half > deadline)
            return new Exchange(Math.Max(0, Math.Min(sent, deadline) - sending), 0, Math.Max(0, deadline - sending), 0, 0, false);
        return new Exchange(sent - sending, received - replying, (sent - sending) + (received - replying) + (2 * half), wait, edge, true);
    }

    /// <summary>What a request of this world asks for.</summary>
    public RequestConstraints Constraints(int request, double latencySeconds, double accuracy) =>
        new(latencySeconds, accuracy, Scenario.KeyEvery > 0 && request % Scenario.KeyEvery == 0);

    private double Start(int request) => request * Scenario.PeriodMs / 1000;

    private double Signal(double time) => _timeline.SlotSignal is { } slots ? slots[Math.Min((int)(time / Timeline.SlotSeconds), slots.Length - 1)] : double.NaN;

    private static double Scatter(double[] scatter, double place) => scatter[Math.Min((int)(place * scatter.Length), scatter.Length - 1)];

    /// <summary>Recorded scatter of runs that are so many times longer: what hit one of several short runs is spread over the long one.</summary>
    private static double[] Spread(IReadOnlyList<double> scatter, int runs) =>
        [.. Enumerable.Range(0, scatter.Count).Select(first => Enumerable.Range(first, runs).Average(run => scatter[run % scatter.Count])).Order()];

    /// <summary>What chance does to one request.</summary>
    /// <param name="Device">Factor on the device's times.</param>
    /// <param name="Edge">Factor on the edge's times.</param>
    /// <param name="Wait">Time in the edge's queue over the time of one service.</param>
    internal readonly record struct Noise(double Device, double Edge, double Wait);

    /// <summary>A frame and its reply; without an answer, the wire took until the deadline.</summary>
    private readonly record struct Exchange(double Sent, double Received, double Wire, double Wait, double Edge, bool Answered);
}
