using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Targets;

/// <summary>
/// Every way in which a device can answer with a set of plans, ready to run: changing from one to another loads, compiles and
/// packs nothing. One caller at a time.
/// </summary>
/// <remarks>
/// Plans of one cut share a session, sessions of overlapping parts of a network share packed weights (<see cref="SharedWeights"/>),
/// and all executors share the memory of image, feature and request. What a change still costs, cold caches and sleeping
/// threads, is measured when the set is opened and charged to the request that changes.
/// </remarks>
public sealed class TargetSet : IDisposable
{
    private const double MinimumStepsOfMeter = 5;

    // A probe is waited for as many times longer than expected, and never less than this.
    private const double ProbePatience = 4, LeastProbeSeconds = 0.1;

    private readonly TargetSetOptions _options;
    private readonly List<Session> _sessions = [];
    private readonly List<WorkerSet> _workers = [];
    private readonly List<ITargetExecutor> _executors = [];
    private readonly EdgeLink? _link;
    private readonly double _replyBytes;
    private readonly float[] _probeLogits;
    private TargetPower[] _powers = [];
    private TargetStart[] _starts = [];
    private int _last = -1;

    private TargetSet(PlanSet plans, TargetSetOptions options)
    {
        _options = options;
        Plans = plans;
        _replyBytes = FeatureFrame.ReplyBytes(plans.Classes, "");
        _probeLogits = new float[plans.Classes];
        try
        {
            if (options.Edge is { } edge)
            {
                var backoff = new Backoff(options.ReconnectInterval, options.MaxReconnectInterval, options.Seed is { } seed ? new Random(seed) : new Random());
                _link = new EdgeLink(edge, plans, options.Client, backoff, Link, options.Log);
            }

            CreateExecutors();
            if (_executors.Count == 0) throw new InvalidDataException("There is nothing to run on the device alone: name an edge.");
            Targets = [.. _executors.Select(executor => executor.Target)];
            _powers = [.. Targets.Select(options.Energy.Of)];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The plans.</summary>
    public PlanSet Plans { get; }

    /// <summary>The targets.</summary>
    public IReadOnlyList<ExecutionTarget> Targets { get; } = [];

    /// <summary>What was measured of each target when the set was opened.</summary>
    public IReadOnlyList<TargetStart> Starts => _starts;

    /// <summary>
    /// What deciders may know of the targets before the first request. The edge is taken to be as fast as this host, until requests
    /// tell otherwise: what a target leaves of the network counts with the rest of the host's own time.
    /// </summary>
    public IReadOnlyList<TargetProfile> Profiles { get; private set; } = [];

    /// <summary>Size of the network.</summary>
    public NetworkSize NetworkSize { get; private set; } = new(0, 0, 0, 0);

    /// <summary>Estimates the link from the requests that cross it.</summary>
    public LinkEstimator Link { get; } = new();

    /// <summary>Whether the edge is connected now.</summary>
    public bool IsConnected => _link?.IsConnected ?? false;

    /// <summary>Packed layers, and those among the sessions' layers that found their weights packed already.</summary>
    public (int Packed, int Reused) SharedLayers { get; private set; }

    /// <summary>Makes the targets, connects, and measures what each target and a change to it cost.</summary>
    /// <param name="plans">The plans.</param>
    /// <param name="options">Null for the defaults: the device alone.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    /// <exception cref="InvalidDataException">No plan runs on the device alone and there is no edge, or the energy model lacks a row.</exception>
    /// <exception cref="EdgeException">The edge does not admit this device or serves other plans. That it cannot be reached is no error.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static TargetSet Open(PlanSet plans, TargetSetOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plans);
        var set = new TargetSet(plans, options ?? new TargetSetOptions());
        try
        {
            set._starts = StartMeasurement.Measure(set._executors, set.Plans.ImageShape.Count, set._options.Slowdown, cancellation);
            set.Describe();
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Index of the target of that name; -1 when there is none.</summary>
    public int Find(string name)
    {
        for (int i = 0; i < Targets.Count; i++)
        {
            if (Targets[i].Name == name) return i;
        }

        return -1;
    }

    /// <summary>The target that answers when the edge does not: the fastest of the device's own that is accurate enough, else the most accurate one.</summary>
    /// <param name="accuracy">Least share of right answers, 0 to 1.</param>
    /// <returns>Its index; -1 when no target runs on the device alone.</returns>
    public int Fallback(double accuracy)
    {
        int best = -1;
        for (int i = 0; i < Targets.Count; i++)
        {
            if (Targets[i].Placement != TargetPlacement.Device) continue;
            if (best < 0 || Cost(i).CompareTo(Cost(best)) < 0) best = i;
        }

        return best;

        (double, double) Cost(int i) => Targets[i].Accuracy >= accuracy ? (0, _starts[i].DeviceSeconds) : (1 - Targets[i].Accuracy, 0);
    }

    /// <summary>Answers one image.</summary>
    /// <param name="target">Index of the target.</param>
    /// <param name="image">Bytes in CHW order, of the plans' image shape.</param>
    /// <param name="logits">Receives one value per class; undefined when there is no answer.</param>
    /// <param name="limit">Time after which an answer is of no use; the edge is told.</param>
    /// <param name="signalDbm">Strength of the radio signal for modelled energy, or NaN.</param>
    /// <returns>What it took. Without an answer, the time that was lost counts as wire.</returns>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public TargetOutcome Run(int target, ReadOnlySpan<byte> image, Span<float> logits, TimeSpan limit, double signalDbm)
    {
        double before = _options.Meter?.ReadJoules() ?? double.NaN;
        bool answered = _executors[target].TryRun(image, logits, limit, out InferenceTiming timing);
        double measured = (_options.Meter?.ReadJoules() ?? double.NaN) - before;

        double device = timing.DeviceMs / 1000, encode = timing.EncodeMs / 1000, wire = (timing.WireMs + timing.LostMs) / 1000, total = timing.TotalMs / 1000;
        // What the caches cost is inside the device's time; it is moved, so that a target is not blamed for the one before it.
        double change = _last < 0 || _last == target ? 0 : Math.Min(_starts[target].SwitchSeconds, device / 2);
        if (timing.DeviceMs > 0) _last = target;
        bool isMeasured = total >= MinimumStepsOfMeter * (_options.Meter?.Resolution.TotalSeconds ?? double.PositiveInfinity) && !double.IsNaN(measured);
        double rate = Link.BytesPerSecond;
        double transmit = timing.PayloadBytes == 0 ? 0 : double.IsNaN(rate) ? wire : Math.Min(wire, timing.PayloadBytes / rate);
        double receive = !answered || timing.PayloadBytes == 0 || double.IsNaN(rate) ? 0 : Math.Min(wire - transmit, _replyBytes / rate);
        return new TargetOutcome(
            device - change, encode + (timing.DecodeMs / 1000), wire, timing.QueueMs / 1000, timing.EdgeMs / 1000, change,
            isMeasured ? measured : _powers[target].Joules(device, encode, transmit, receive, total, signalDbm), isMeasured, answered);
    }

    /// <summary>
    /// Probes the edge with a target: sends the frame that it made of some image when the set was opened, so that nothing is computed here. Meant for the pause
    /// after an answer. Like a request that is given up, a probe that is not answered in time ends the connection, which is remade in the background.
    /// </summary>
    /// <param name="target">Index of a target that needs the edge.</param>
    /// <param name="signalDbm">Strength of the radio signal for the energy, which is modelled, or NaN.</param>
    /// <returns>What it took; without a connection nothing.</returns>
    /// <exception cref="ArgumentException">The target does not need the edge.</exception>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public TargetOutcome Probe(int target, double signalDbm)
    {
        if (_executors[target] is not EdgeExecutor executor) throw new ArgumentException($"Target '{Targets[target].Name}' does not need the edge.", nameof(target));
        double roundTrip = Link.RoundTripSeconds, rate = Link.BytesPerSecond, expected = double.IsNaN(rate) ? 0 : roundTrip + (Targets[target].PayloadBytes / rate);
        bool answered = executor.TryProbe(_probeLogits, TimeSpan.FromSeconds(Math.Max(LeastProbeSeconds, ProbePatience * expected)), out InferenceTiming timing);
        double wire = (timing.WireMs + timing.LostMs) / 1000, total = timing.TotalMs / 1000;
        double transmit = double.IsNaN(rate) ? wire : Math.Min(wire, timing.PayloadBytes / rate);
        return new TargetOutcome(
            0, timing.DecodeMs / 1000, wire, timing.QueueMs / 1000, timing.EdgeMs / 1000, 0, _powers[target].ProbeJoules(transmit, total - transmit, signalDbm), false, answered);
    }

    /// <summary>Sends one image in the two ways that differ most in what crosses, twice, so that the link is not unknown at the first decision.</summary>
    /// <param name="image">Bytes in CHW order.</param>
    /// <param name="limit">Time for each.</param>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public void Probe(ReadOnlySpan<byte> image, TimeSpan limit)
    {
        int[] crossing = [.. Enumerable.Range(0, Targets.Count).Where(i => Targets[i].Placement != TargetPlacement.Device).OrderBy(i => Targets[i].PayloadBytes)];
        if (crossing.Length == 0) return;
        var logits = new float[Plans.Classes];
        foreach (int target in (ReadOnlySpan<int>)[crossing[0], crossing[^1], crossing[0], crossing[^1]]) Run(target, image, logits, limit, double.NaN);
    }

    /// <summary>Closes the connection and frees the sessions.</summary>
    public void Dispose()
    {
        _link?.Dispose();
        foreach (Session session in _sessions) session.Dispose();
        foreach (WorkerSet workers in _workers) workers.Dispose();
    }

    private void CreateExecutors()
    {
        DeviceMemory memory = DeviceMemory.For([.. Plans.Plans.Select(plan => plan.Bundle)]);
        foreach (IGrouping<string, PlannedBundle> network in Plans.Plans.GroupBy(plan => plan.Precision))
        {
            var shared = new SharedWeights();
            var sessions = new Dictionary<(Graph, int), Session>();
            foreach (PlannedBundle plan in network)
            {
                int threads = _options.Threads[0];
                if (plan.Bundle.Edge is null)
                {
                    foreach (int count in _options.Threads) Add($"cpu.{count}.{plan.Precision}", TargetPlacement.Device, "cpu", count, plan, "", Half(plan, count));
                    foreach (ComputeDevice device in plan.Precision == "f32" ? _options.Devices : [])
                        Add($"{device.Description.Id}.{plan.Precision}", TargetPlacement.Device, device.Description.Id, 0, plan, "", HalfOn(plan, device));
                }
                else if (_link is not null)
                {
                    bool isWhole = plan.Bundle.Device is null;
                    string coding = plan.Bundle.Codec is { } codec ? $"{codec.Decision.Bits}bit" : plan.Bundle.Plan.InputCoding == InputCoding.Pixels ? "raw" : plan.Bundle.Plan.InputCoding.ToString().ToLowerInvariant();
                    Add(plan.Name, isWhole ? TargetPlacement.Edge : TargetPlacement.Split, isWhole ? "" : "cpu", isWhole ? 0 : threads, plan, coding, Half(plan, threads));
                }
            }

            SharedLayers = (SharedLayers.Packed + shared.Packed, SharedLayers.Reused + shared.Reused);

            DeviceHalf Half(PlannedBundle plan, int threads)
            {
                if (plan.Bundle.Device is not { } graph) return new DeviceHalf(plan.Bundle, null, memory);
                if (!sessions.TryGetValue((graph, threads), out Session? session))
                {
                    session = sessions[(graph, threads)] = Session.Create(graph, new SessionOptions { Workers = Workers(threads), Precise = _options.Precise, SharedWeights = shared });
                    _sessions.Add(session);
                }

                return new DeviceHalf(plan.Bundle, session, memory);
            }
        }
    }

    private DeviceHalf HalfOn(PlannedBundle plan, ComputeDevice device)
    {
        Session session = Session.Create(plan.Bundle.Device!, new SessionOptions { Device = device, Precise = _options.Precise, Precision = _options.Precision });
        _sessions.Add(session);
        return new DeviceHalf(plan.Bundle, session, DeviceMemory.For([plan.Bundle]));
    }

    private void Add(string name, TargetPlacement placement, string device, int threads, PlannedBundle plan, string coding, DeviceHalf half)
    {
        var target = new ExecutionTarget(
            name, placement, device, threads, plan.Precision, placement == TargetPlacement.Split ? plan.Bundle.Plan.Cut : "", coding, plan.PayloadBytes, plan.Accuracy);
        _executors.Add(placement == TargetPlacement.Device ? new DeviceExecutor(target, half, _options.Slowdown) : new EdgeExecutor(target, half, _link!, _options.Slowdown));
    }

    private void Describe()
    {
        Graph largest = Plans.Plans.Select(plan => plan.Bundle.Device is { } device && plan.Bundle.Edge is null ? device : plan.Bundle.Edge!).MaxBy(graph => graph.Nodes.Count)!;
        EdgeWork whole = TargetRecorder.Work(largest);
        NetworkSize = new NetworkSize(
            whole.Convolutions, whole.DenseLayers, largest.Nodes.Count(node => node.OpType is "LSTM" or "GRU" or "RNN"), whole.ConvolutionMultiplyAdds + whole.DenseMultiplyAdds);
        double alone = 0;
        for (int i = 0; i < Targets.Count; i++)
        {
            if (Targets[i] is { Placement: TargetPlacement.Device, Precision: "f32" } && (alone == 0 || _starts[i].DeviceSeconds < alone)) alone = _starts[i].DeviceSeconds;
        }

        var work = new Dictionary<Graph, EdgeWork>();
        var none = new EdgeWork(0, 0, 0, 0, 0, 0);
        Profiles = [.. Targets.Select((target, i) => new TargetProfile(
            target, _starts[i].DeviceSeconds, _starts[i].EncodeSeconds,
            target.Placement == TargetPlacement.Device ? 0 : Math.Max(alone / 20, alone - _starts[i].DeviceSeconds) / _options.Slowdown.Factor,
            target.Placement == TargetPlacement.Device ? 0 : _replyBytes, WorkOf(target), _powers[i]))];

        EdgeWork WorkOf(ExecutionTarget target)
        {
            if (target.Placement == TargetPlacement.Device) return none;
            Graph edge = Plans.Plans[Plans.Find(target.Name)].Bundle.Edge!;
            return work.TryGetValue(edge, out EdgeWork? known) ? known : work[edge] = TargetRecorder.Work(edge);
        }
    }

    private WorkerSet Workers(int threads)
    {
        if (threads == 1) return WorkerSet.Single;
        WorkerSet? workers = _workers.Find(candidate => candidate.Threads == threads);
        if (workers is null) _workers.Add(workers = new WorkerSet(threads));
        return workers;
    }
}
