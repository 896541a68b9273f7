using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Profiling;

/// <summary>
/// Measured time of every step a search asked for, on one device. A step that is not in the table of this host is
/// measured when its price is asked for; a table of another host is closed. Safe for concurrent use.
/// </summary>
public sealed partial class LatencyTable
{
    /// <summary>Schema name of the table's file.</summary>
    public const string SchemaName = "coinference.latency-table/1";

    /// <summary>
    /// Warm-up of a kernel that this process has not run yet: the runtime compiles a method again, optimized, a tenth of
    /// a second after it became busy, and times before that are not those of the kernel.
    /// </summary>
    private const double ColdKernelWarmUpMs = 250;

    private const int CalibrationRounds = 21, CalibrationAttempts = 3;

    private const double WholeSampleMicroseconds = 5000;

    private static readonly ConcurrentDictionary<string, bool> WarmKernels = new(StringComparer.Ordinal);

    private static readonly TimingOptions StepTiming = new() { Samples = 11, WarmUpMilliseconds = 1, MaxMilliseconds = 60 };

    private readonly ConcurrentDictionary<string, LatencyEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<NetworkCalibration> _calibrations;
    private readonly Lock _measuring = new();
    private double _calibration = 1;

    private LatencyTable(HostInfo host, string fingerprint, IEnumerable<LatencyEntry> entries, IEnumerable<NetworkCalibration> calibrations, string name)
    {
        (Host, Fingerprint, Name) = (host, fingerprint, name);
        foreach (LatencyEntry entry in entries) _entries[entry.Key] = entry;
        _calibrations = [.. calibrations];
        if (_calibrations.Count > 0) _calibration = _calibrations[^1].Factor;
    }

    /// <summary>The host the times are of.</summary>
    public HostInfo Host { get; }

    /// <summary>Text that is equal on hosts whose times may be mixed.</summary>
    public string Fingerprint { get; }

    /// <summary>What messages call the table: its file, or <c>this host</c>.</summary>
    public string Name { get; }

    /// <summary>Whether missing steps can be measured here: the table is of this host.</summary>
    public bool IsOpen => Fingerprint == DeviceFingerprint.Current;

    /// <summary>Number of measured steps.</summary>
    public int Count => _entries.Count;

    /// <summary>The measured steps, ordered by key.</summary>
    public IReadOnlyList<LatencyEntry> Entries => [.. _entries.Values.OrderBy(entry => entry.Key, StringComparer.Ordinal)];

    /// <summary>The calibrations made or loaded, oldest first.</summary>
    public IReadOnlyList<NetworkCalibration> Calibrations
    {
        get { lock (_measuring) return [.. _calibrations]; }
    }

    /// <summary>Factor from a sum of steps to a whole network, of the last calibration; 1 without one.</summary>
    public double Calibration => Volatile.Read(ref _calibration);

    /// <summary>SHA-256 over all keys, medians and the calibration, lower-case hex. Two tables with equal hashes give equal prices.</summary>
    public string Hash
    {
        get
        {
            var text = new StringBuilder();
            foreach (LatencyEntry entry in Entries) text.Append(CultureInfo.InvariantCulture, $"{entry.Key}\t{entry.Timing.MedianUs:R}\n");
            text.Append(CultureInfo.InvariantCulture, $"{Calibration:R}");
            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
        }
    }

    /// <summary>The file in the user's cache folder that holds the times of this host.</summary>
    public static string DefaultPath => Path.Combine(
        Path.GetDirectoryName(KernelCache.DefaultPath)!,
        $"latency-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(DeviceFingerprint.Current)))[..8]}.json");

    /// <summary>An empty table of this host.</summary>
    public static LatencyTable Create() => new(HostInfo.Capture(), DeviceFingerprint.Current, [], [], "this host");

    /// <summary>The table of this host with what an earlier run left in its file; empty when there is none, it is broken, or of another host.</summary>
    /// <param name="path">The file; null for <see cref="DefaultPath"/>.</param>
    public static LatencyTable ForThisHost(string? path = null)
    {
        try
        {
            LatencyTable cached = Load(path ?? DefaultPath);
            return cached.IsOpen ? new LatencyTable(HostInfo.Capture(), cached.Fingerprint, cached._entries.Values, [], cached.Name) : Create();
        }
        catch (Exception unusable) when (unusable is IOException or InvalidDataException)
        {
            // A cache only saves time: what cannot be read is measured again.
            return Create();
        }
    }

    /// <summary>Reads a table of this or another host.</summary>
    /// <exception cref="InvalidDataException">The file is no latency table; the message names the field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static LatencyTable Load(string path)
    {
        LatencyTableFile file = LatencyTableFile.Read(path);
        return new LatencyTable(file.Host, file.Fingerprint, file.Entries, file.Calibrations, path);
    }

    /// <summary>Writes the table.</summary>
    /// <param name="path">The file; null for <see cref="DefaultPath"/>.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string? path = null) =>
        LatencyTableFile.Write(path ?? DefaultPath, new LatencyTableFile { Host = Host, Fingerprint = Fingerprint, Calibrations = Calibrations, Entries = Entries });

    /// <summary>The times as a chooser of kernels, so that a network is planned with the kernels that the table's device has and prefers.</summary>
    public KernelChooser ToChooser() =>
        new(_entries.ToDictionary(pair => pair.Key, pair => pair.Value.Timing.MedianUs, StringComparer.Ordinal));

    /// <summary>Predicted time of a network in milliseconds: the sum of its steps times <see cref="Calibration"/>.</summary>
    /// <param name="steps">The steps, from <see cref="Session.Describe"/>.</param>
    /// <exception cref="InvalidDataException">The table is of another host and lacks steps; the message names them.</exception>
    public double PriceMs(IReadOnlyList<StepSpec> steps) => SumMs(steps) * Calibration;

    /// <summary>Sum of the steps' times alone in milliseconds, measuring what is missing.</summary>
    /// <exception cref="InvalidDataException">The table is of another host and lacks steps; the message names them.</exception>
    public double SumMs(IReadOnlyList<StepSpec> steps)
    {
        double sum = 0;
        foreach (StepSpec step in steps)
        {
            if (!_entries.TryGetValue(step.Key, out LatencyEntry? entry))
            {
                Measure(steps);
                entry = _entries[step.Key];
            }

            sum += entry.Timing.MedianUs;
        }

        return sum / 1000;
    }

    /// <summary>Measures the steps that are missing.</summary>
    /// <param name="steps">Any steps; those with known keys are passed over.</param>
    /// <param name="progress">Told after each measured step.</param>
    /// <param name="cancellation">Stops between two samples; what was measured is kept.</param>
    /// <returns>Number of steps measured.</returns>
    /// <exception cref="InvalidDataException">The table is of another host and lacks steps; the message names them.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public int Measure(IEnumerable<StepSpec> steps, IProgress<LatencyProgress>? progress = null, CancellationToken cancellation = default)
    {
        // One at a time: two measurements side by side would measure each other.
        lock (_measuring)
        {
            StepSpec[] missing = [.. steps.Where(step => !_entries.ContainsKey(step.Key)).DistinctBy(step => step.Key)];
            if (missing.Length > 0 && !IsOpen) throw Closed(missing);
            for (int i = 0; i < missing.Length; i++)
            {
                _entries[missing[i].Key] = new LatencyEntry(missing[i].Key, MeasureStep(missing[i], cancellation));
                progress?.Report(new LatencyProgress(i + 1, missing.Length, missing[i].Key));
            }

            return missing.Length;
        }
    }

    /// <summary>
    /// Measures how the time of a whole network relates to the sum of its steps, and predicts with that factor from now on.
    /// Network and steps are sampled in turn, and the steps' entries are replaced, so that both see the same machine.
    /// After three implausible factors (a busy host) steps are simply added up: the factor is 1.
    /// </summary>
    /// <param name="network">Name of the network.</param>
    /// <param name="graph">The network.</param>
    /// <param name="options">How it is compiled; null for the defaults.</param>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="InvalidOperationException">The table is of another host.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public NetworkCalibration Calibrate(string network, Graph graph, SessionOptions? options = null, CancellationToken cancellation = default)
    {
        if (!IsOpen) throw new InvalidOperationException($"Latency table '{Name}' is of another host ({Host.Cpu}) and cannot be calibrated here.");
        using Session session = Session.Create(graph, options);
        var run = new SessionRun(session);
        IReadOnlyList<StepSpec> steps = session.Steps;
        Measure(steps, null, cancellation);
        lock (_measuring)
        {
            NetworkCalibration calibration = CalibrateSteps(network, run.Run, steps, cancellation);
            for (int attempt = 1; attempt < CalibrationAttempts && !IsPlausible(calibration); attempt++) calibration = CalibrateSteps(network, run.Run, steps, cancellation);
            if (!IsPlausible(calibration)) calibration = calibration with { Factor = 1 };
            _calibrations.RemoveAll(old => old.Network == network);
            _calibrations.Add(calibration);
            Volatile.Write(ref _calibration, calibration.Factor);
            return calibration;
        }
    }

    /// <summary>A factor far from 1 says that something else ran on the host, not how steps add up.</summary>
    private static bool IsPlausible(NetworkCalibration calibration) => calibration.Factor is > 0.6 and < 1.7;

    private NetworkCalibration CalibrateSteps(string network, Action run, IReadOnlyList<StepSpec> steps, CancellationToken cancellation)
    {
        Dictionary<string, int> counts = steps.CountBy(step => step.Key).ToDictionary(StringComparer.Ordinal);
        StepSpec[] distinct = [.. steps.DistinctBy(step => step.Key)];
        var alone = new StandaloneStep[distinct.Length];
        var samples = new double[distinct.Length][];
        var runs = new int[distinct.Length];
        for (int i = 0; i < distinct.Length; i++)
        {
            alone[i] = StandaloneStep.Create(distinct[i]);
            samples[i] = new double[CalibrationRounds];
            runs[i] = Timing.WarmUp(alone[i].Sample, StepTiming, cancellation).RunsPerSample;
        }

        // The steps that run between two samples evict the network's weights: a sample must be long beside their way back.
        TimingOptions wholeTiming = StepTiming with { WarmUpMilliseconds = ColdKernelWarmUpMs, MinSampleMicroseconds = WholeSampleMicroseconds };
        int wholeRuns = Timing.WarmUp(run, wholeTiming, cancellation).RunsPerSample;
        var whole = new double[CalibrationRounds];
        for (int round = 0; round < CalibrationRounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            whole[round] = Timing.Sample(run, wholeRuns);
            for (int i = 0; i < distinct.Length; i++) samples[i][round] = alone[i].Sample(runs[i]);
        }

        for (int i = 0; i < distinct.Length; i++)
        {
            _entries[distinct[i].Key] = new LatencyEntry(distinct[i].Key, Timing.From(samples[i], runs[i]));
            alone[i].Dispose();
        }

        // Medians before the ratio: a ratio per round would hold every disturbance that hit any of the steps.
        double sum = distinct.Sum(step => counts[step.Key] * _entries[step.Key].Timing.MedianUs) / 1000, measured = Timing.From(whole).MedianMs;
        return new NetworkCalibration(network, steps.Count, sum, measured, measured / sum);
    }

    private static Timing MeasureStep(StepSpec spec, CancellationToken cancellation)
    {
        using StandaloneStep step = StandaloneStep.Create(spec);
        bool cold = WarmKernels.TryAdd(Sizes().Replace(spec.Key, ""), true);
        return Timing.Measure(step.Sample, cold ? StepTiming with { WarmUpMilliseconds = ColdKernelWarmUpMs } : StepTiming, cancellation);
    }

    /// <summary>What a step's key says of sizes. Without it the key names the code: operator, kernel, layouts, epilogue, stride.</summary>
    [GeneratedRegex(@"\[[^\]]*\]|\d+x[\dx]+:\d+|@[\d.]+")]
    private static partial Regex Sizes();

    private InvalidDataException Closed(StepSpec[] missing)
    {
        const int Named = 3;
        string names = string.Join("; ", missing.Take(Named).Select(step => $"{step.Node}: {step.Key}"));
        return new InvalidDataException($"Latency table '{Name}' was measured on another host ({Host.Cpu}) and lacks {missing.Length} steps: {names}"
            + $"{(missing.Length > Named ? "; ..." : "")}. Measure them there with 'coinference profile MODEL --sweep'.");
    }
}
