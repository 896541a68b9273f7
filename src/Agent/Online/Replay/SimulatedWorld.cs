using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Replay;

/// <summary>
/// A device, an edge and the link between them in simulated time: recorded times of a network, slowed down as measured under co-runners,
/// behind a link that a scenario or a recorded trace describes. What any target takes for any request is fixed by the seed.
/// </summary>
public sealed class SimulatedWorld
{
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
    public TargetOutcome Outcome(int request, int target)
    {
        TargetProfile profile = Profiles[target];
        double slowdown = _table.Slowdown(profile.Target, _timeline.ProcessorLoad[request], _timeline.MemoryLoad[request]) * Scatter(_deviceScatter, _timeline.DeviceScatter[request]);
        double device = profile.DeviceSeconds * slowdown, start = Start(request), signal = Signal(start);
        if (profile.Target.Placement == TargetPlacement.Device)
            return new TargetOutcome(device, 0, 0, 0, 0, 0, profile.Power.Joules(device, 0, 0, 0, device, signal), false, true);

        double encode = profile.EncodeSeconds * slowdown, sending = start + device + encode, half = Scenario.RoundTripMs / 2000;
        double deadline = start + (Scenario.TimeoutMs / 1000), sent = _up.Finish(sending, profile.Target.PayloadBytes);
        double edgeFactor = _timeline.EdgeSlowdown[request];
        double wait = _timeline.Waiting[request] * _serviceSeconds * edgeFactor, edge = profile.EdgeSeconds * edgeFactor * Scatter(_edgeScatter, _timeline.EdgeScatter[request]);
        double replying = sent + half + wait + edge, received = _down.Finish(Math.Min(replying, deadline), profile.ReplyBytes);
        if (replying > deadline || received + half > deadline)
        {
            double transmitted = Math.Min(sent, deadline) - sending, waited = Math.Max(0, deadline - sending);
            double spent = profile.Power.Joules(device, encode, Math.Max(0, transmitted), 0, device + encode + waited, signal);
            return new TargetOutcome(device, encode, waited, 0, 0, 0, spent, false, false);
        }

        double wire = (sent - sending) + (received - replying) + (2 * half), latency = device + encode + wire + wait + edge;
        double joules = profile.Power.Joules(device, encode, sent - sending, received - replying, latency, signal);
        return new TargetOutcome(device, encode, wire, wait, edge, 0, joules, false, true);
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
}
