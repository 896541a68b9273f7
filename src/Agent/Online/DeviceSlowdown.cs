using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// How much slower than profiled the device computes, learned by executor (processor, threads and precision) as a product of two curves: one over the
/// processor load of others, one over their memory load. What an executor has not met is taken from what others met, else from between
/// the loads that it has met.
/// </summary>
/// <remarks>Curves are of logarithms at eleven loads; an observation moves the two points that it belongs to, the less known one more.</remarks>
internal sealed class DeviceSlowdown
{
    private const int Points = 11;
    private const double Rate = 0.2, TolerableShare = 0.3, IdleForgetting = 0.998, FirstSpread = 0.03, UnknownSpread = 0.15, SpreadRate = 0.1, NoLoad = 0.01;

    // The profile was measured without load: that many observations' worth of trust.
    private const int ProfileTrust = 10, MostTrust = 20, FillInterval = 16;

    private readonly int[] _executors;
    private readonly double[] _profiled, _spread;
    private readonly Curve[] _processor, _memory;
    private readonly SurpriseFilter[] _filters;
    private int _unfilled;

    /// <summary>Creates a model that has seen nothing.</summary>
    /// <param name="profiles">The targets.</param>
    public DeviceSlowdown(IReadOnlyList<TargetProfile> profiles)
    {
        var known = new Dictionary<(string, int, string), int>();
        _executors = new int[profiles.Count];
        _profiled = [.. profiles.Select(profile => profile.DeviceSeconds)];
        for (int i = 0; i < profiles.Count; i++)
        {
            ExecutionTarget target = profiles[i].Target;

            // Where the edge computes everything, one thread of the device still encodes.
            (string, int, string) key = target.Placement == TargetPlacement.Edge ? ("cpu", 1, "f32") : (target.Device, target.Threads, target.Precision);
            if (!known.TryGetValue(key, out _executors[i])) known[key] = _executors[i] = known.Count;
        }

        Executors = known.Count;
        _processor = [.. Enumerable.Range(0, Executors).Select(_ => new Curve())];
        _memory = [.. Enumerable.Range(0, Executors).Select(_ => new Curve())];
        _filters = new SurpriseFilter[Executors];
        _spread = new double[Executors];
        Array.Fill(_spread, FirstSpread);
    }

    /// <summary>Number of executors.</summary>
    public int Executors { get; }

    /// <summary>The executor of a target.</summary>
    public int ExecutorOf(int target) => _executors[target];

    /// <summary>Takes in the time of the device's layers.</summary>
    /// <param name="target">The target that ran.</param>
    /// <param name="conditions">Surroundings.</param>
    /// <param name="deviceSeconds">The time.</param>
    public void Learn(int target, in OperatingConditions conditions, double deviceSeconds)
    {
        bool ran = _profiled[target] > 0 && deviceSeconds > 0;
        int processor = Point(conditions.ProcessorLoad), memory = Point(conditions.MemoryLoad);
        for (int executor = 0; executor < Executors; executor++)
        {
            // A belief that keeps an executor from being used would never be put right: without news it goes back to the profile.
            if (ran && executor == _executors[target]) continue;
            _processor[executor].Logs[processor] *= IdleForgetting;
            _memory[executor].Logs[memory] *= IdleForgetting;
        }

        if (!ran) return;
        int own = _executors[target];
        Curve byProcessor = _processor[own], byMemory = _memory[own];
        double expected = byProcessor.Logs[processor] + byMemory.Logs[memory], error = Math.Log(deviceSeconds / _profiled[target]) - expected;
        bool isNew = byProcessor.Seen[processor] == 0 || byMemory.Seen[memory] == 0;
        Surprise surprise = isNew ? Surprise.None : _filters[own].Judge(error, 0, TolerableShare);
        if (surprise == Surprise.Once) return;
        double ofProcessor = 1.0 / (1 + byProcessor.Seen[processor]), ofMemory = 1.0 / (1 + byMemory.Seen[memory]);
        double step = surprise == Surprise.Again ? 1 : Math.Max(Rate, Math.Max(ofProcessor, ofMemory));
        byProcessor.Move(processor, step * error * ofProcessor / (ofProcessor + ofMemory));
        byMemory.Move(memory, step * error * ofMemory / (ofProcessor + ofMemory));
        if (!isNew) _spread[own] += SpreadRate * (Math.Abs(error) - _spread[own]);

        // What was met moves little from one observation to the next: the points beside it can wait.
        if (!isNew && ++_unfilled < FillInterval) return;
        _unfilled = 0;
        Fill(_processor);
        Fill(_memory);
    }

    /// <summary>The slowdown of every executor under the loads of some surroundings.</summary>
    /// <param name="conditions">The surroundings.</param>
    /// <param name="slowdowns">Receives one factor per executor.</param>
    /// <param name="spreads">Receives for each the relative deviation of single requests from it; may be empty.</param>
    public void Read(in OperatingConditions conditions, Span<double> slowdowns, Span<double> spreads)
    {
        int processor = Point(conditions.ProcessorLoad), memory = Point(conditions.MemoryLoad);
        for (int executor = 0; executor < Executors; executor++)
        {
            double log = _processor[executor].Logs[processor] + _memory[executor].Logs[memory];
            slowdowns[executor] = log == 0 ? 1 : Math.Exp(log);
            if (spreads.IsEmpty) continue;
            bool isKnown = _processor[executor].Seen[processor] > 0 && _memory[executor].Seen[memory] > 0;
            spreads[executor] = _spread[executor] + (isKnown ? 0 : UnknownSpread);
        }
    }

    private static int Point(double load) => load >= NoLoad ? Math.Clamp((int)Math.Round(load * (Points - 1)), 1, Points - 1) : 0;

    /// <summary>Gives the points that were never met the values that others met there, else those between their neighbours.</summary>
    private static void Fill(Curve[] curves)
    {
        foreach (Curve curve in curves)
        {
            for (int point = 1, known = 0; point < Points; point++)
            {
                if (curve.Seen[point] > 0)
                {
                    known = point;
                    continue;
                }

                double sum = 0;
                int count = 0;
                foreach (Curve other in curves)
                {
                    if (other.Seen[point] > 0) (sum, count) = (sum + other.Logs[point], count + 1);
                }

                int next = point + 1;
                while (next < Points && curve.Seen[next] == 0) next++;
                double between = next == Points ? curve.Logs[known] : curve.Logs[known] + ((curve.Logs[next] - curve.Logs[known]) * (point - known) / (next - known));
                curve.Logs[point] = count > 0 ? sum / count : between;
            }
        }
    }

    private sealed class Curve
    {
        public Curve() => Seen[0] = ProfileTrust;

        /// <summary>Logarithms of the slowdown.</summary>
        public double[] Logs { get; } = new double[Points];

        /// <summary>Observations of each point.</summary>
        public int[] Seen { get; } = new int[Points];

        public void Move(int point, double by)
        {
            Logs[point] += by;
            Seen[point] = Math.Min(MostTrust, Seen[point] + 1);
        }
    }
}
