using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>
/// How much slower than profiled the device computes, learned by executor (processor, threads and precision) and state of the device.
/// What was not seen in a state is taken for what others have seen there, or for the profile.
/// </summary>
internal sealed class DeviceSlowdown
{
    private const double Rate = 0.2, TolerableShare = 0.3, IdleForgetting = 0.99;

    private readonly int[] _executors;
    private readonly double[] _profiled, _seen;
    private readonly SurpriseFilter[] _filters;
    private readonly int _count;

    /// <summary>Creates a model that has seen nothing.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="states">States that are told apart.</param>
    public DeviceSlowdown(IReadOnlyList<TargetProfile> profiles, int states)
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

        _count = known.Count;
        _seen = new double[states * _count];
        _filters = new SurpriseFilter[_seen.Length];
    }

    /// <summary>Number of executors.</summary>
    public int Executors => _count;

    /// <summary>The executor of a target.</summary>
    public int ExecutorOf(int target) => _executors[target];

    /// <summary>Takes in the time of the device's layers.</summary>
    public void Learn(int target, int state, double deviceSeconds)
    {
        bool ran = _profiled[target] > 0;
        for (int executor = 0; executor < _count; executor++)
        {
            // A belief that keeps an executor from being used would never be put right: without news it goes back to the profile.
            if (ran && executor == _executors[target]) continue;
            ref double idle = ref _seen[(state * _count) + executor];
            if (idle > 0) idle = 1 + (IdleForgetting * (idle - 1));
        }

        if (!ran) return;
        int cell = (state * _count) + _executors[target];
        ref double seen = ref _seen[cell];
        double now = deviceSeconds / _profiled[target];
        if (seen == 0)
        {
            seen = now;
            return;
        }

        switch (_filters[cell].Judge(now, seen, TolerableShare * seen))
        {
            case Surprise.None:
                seen += Rate * (now - seen);
                break;
            case Surprise.Again:
                seen = now;
                break;
        }
    }

    /// <summary>The slowdown of every executor in a state.</summary>
    /// <param name="state">The state.</param>
    /// <param name="slowdowns">Receives one factor per executor.</param>
    public void Read(int state, Span<double> slowdowns)
    {
        _seen.AsSpan(state * _count, _count).CopyTo(slowdowns);
        double sum = 0;
        int known = 0;
        foreach (double slowdown in slowdowns)
        {
            if (slowdown > 0) (sum, known) = (sum + slowdown, known + 1);
        }

        double other = known > 0 ? sum / known : 1;
        foreach (ref double slowdown in slowdowns)
        {
            if (slowdown == 0) slowdown = other;
        }
    }
}
