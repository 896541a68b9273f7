using CoInference.Agent.Networks;

namespace CoInference.Agent.Online.Replay;

/// <summary>What happens in a scenario, drawn once from a seed: the same for every decider.</summary>
internal sealed class Timeline
{
    /// <summary>Length of a slot of the link.</summary>
    public const double SlotSeconds = 0.1;

    private enum Stream
    {
        Processor,
        Memory,
        Edge,
        Signal,
        LinkRate,
        Outages,
        Waiting,
        DeviceScatter,
        EdgeScatter,
        Offset,
    }

    public Timeline(Scenario scenario, long seed)
    {
        int requests = scenario.Requests;
        double period = scenario.PeriodMs / 1000, seconds = requests * period;
        double[] starts = [.. Enumerable.Range(0, requests).Select(request => request * period)];
        ProcessorLoad = Levels(scenario.ProcessorLoad, starts, Source(seed, Stream.Processor));
        MemoryLoad = Levels(scenario.MemoryLoad, starts, Source(seed, Stream.Memory));
        EdgeSlowdown = Levels(scenario.EdgeSlowdown, starts, Source(seed, Stream.Edge));
        Waiting = Waits(requests, scenario.EdgeUtilization, Source(seed, Stream.Waiting));
        DeviceScatter = Uniform(requests, Source(seed, Stream.DeviceScatter));
        EdgeScatter = Uniform(requests, Source(seed, Stream.EdgeScatter));
        TraceOffset = Source(seed, Stream.Offset).NextUniform();

        int slots = (int)Math.Ceiling((seconds + (2 * scenario.TimeoutMs / 1000)) / SlotSeconds) + 1;
        double[] slotStarts = [.. Enumerable.Range(0, slots).Select(slot => slot * SlotSeconds)];
        SlotSignal = scenario.Signal is { } signal ? Signals(signal, slots, Source(seed, Stream.Signal)) : null;
        Outages = Pauses(scenario.Outages, seconds, Source(seed, Stream.Outages));
        double[]? rates = scenario.LinkMbps is { } levels ? [.. Levels(levels, slotStarts, Source(seed, Stream.LinkRate)).Select(mbps => mbps * 1e6 / 8)]
            : SlotSignal is { } strengths ? [.. strengths.Select(WifiRate.BytesPerSecond)] : null;
        if (rates is null) return;
        int outage = 0;
        for (int slot = 0; slot < slots; slot++)
        {
            while (outage < Outages.Count && Outages[outage].End <= slotStarts[slot]) outage++;
            if (outage < Outages.Count && Outages[outage].Start < slotStarts[slot] + SlotSeconds) rates[slot] = 0;
        }

        SlotRates = rates;
    }

    /// <summary>Per request.</summary>
    public double[] ProcessorLoad { get; }

    /// <summary>Per request.</summary>
    public double[] MemoryLoad { get; }

    /// <summary>Per request.</summary>
    public double[] EdgeSlowdown { get; }

    /// <summary>Per request: time in the edge's queue over the time of one service.</summary>
    public double[] Waiting { get; }

    /// <summary>Per request: a place from 0 to 1 in the recorded scatter of the device's times.</summary>
    public double[] DeviceScatter { get; }

    /// <summary>As <see cref="DeviceScatter"/>, for the edge.</summary>
    public double[] EdgeScatter { get; }

    /// <summary>Where in a trace the scenario begins, 0 to 1.</summary>
    public double TraceOffset { get; }

    /// <summary>Signal by slot in dBm; null without a radio.</summary>
    public double[]? SlotSignal { get; }

    /// <summary>Rate by slot in bytes per second, 0 in slots that an outage touches; null when a trace must give it.</summary>
    public double[]? SlotRates { get; }

    /// <summary>Outages in order.</summary>
    public IReadOnlyList<(double Start, double End)> Outages { get; }

    private static RandomSource Source(long seed, Stream stream) => new((seed * 1009) + (int)stream);

    private static double[] Levels(LevelProcess process, double[] times, RandomSource random)
    {
        var values = new double[times.Length];
        IReadOnlyList<double> levels = process.Levels;
        if (process.ChangeAt is { } changes)
        {
            for (int i = 0; i < values.Length; i++) values[i] = levels[changes.Count(change => change <= times[i])];
            return values;
        }

        double level = process.MeanSeconds > 0 ? levels[random.NextIndex(levels.Count)] : levels[0];
        double until = process.MeanSeconds > 0 ? Exponential(process.MeanSeconds, random) : double.PositiveInfinity;
        for (int i = 0; i < values.Length; i++)
        {
            while (times[i] >= until)
            {
                level = levels[random.NextIndex(levels.Count)];
                until += Exponential(process.MeanSeconds, random);
            }

            values[i] = level;
        }

        return values;
    }

    private static double[] Signals(SignalProcess process, int slots, RandomSource random)
    {
        var values = new double[slots];
        double keep = Math.Exp(-SlotSeconds / process.CorrelationSeconds), deviation = process.DeviationDb * random.NextNormal();
        for (int slot = 0; slot < slots; slot++)
        {
            values[slot] = process.MeanDbm + deviation;
            deviation = (keep * deviation) + (Math.Sqrt(1 - (keep * keep)) * process.DeviationDb * random.NextNormal());
        }

        return values;
    }

    private static List<(double Start, double End)> Pauses(OutageProcess process, double seconds, RandomSource random)
    {
        var outages = new List<(double, double)>();
        if (!(process.MeanSecondsBetween > 0)) return outages;
        for (double time = Exponential(process.MeanSecondsBetween, random); time < seconds;)
        {
            double end = time + Exponential(process.MeanSeconds, random);
            outages.Add((time, end));
            time = end + Exponential(process.MeanSecondsBetween, random);
        }

        return outages;
    }

    /// <summary>M/M/1: nobody waits with probability 1 - u; else the wait is exponential with mean 1 / (1 - u) services.</summary>
    private static double[] Waits(int count, double utilization, RandomSource random)
    {
        var waits = new double[count];
        for (int i = 0; i < count; i++)
        {
            bool queued = random.NextUniform() < utilization;
            double wait = Exponential(1 / (1 - utilization), random);
            if (queued) waits[i] = wait;
        }

        return waits;
    }

    private static double[] Uniform(int count, RandomSource random)
    {
        var values = new double[count];
        for (int i = 0; i < count; i++) values[i] = random.NextUniform();
        return values;
    }

    private static double Exponential(double mean, RandomSource random) => -mean * Math.Log(1 - random.NextUniform());
}
