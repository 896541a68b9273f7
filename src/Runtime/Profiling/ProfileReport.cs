using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Profiling;

/// <summary>Where the time of a network goes on this host. End-to-end and per-layer times come from separate passes.</summary>
public sealed record ProfileReport
{
    /// <summary>Schema name of the report's file.</summary>
    public const string SchemaName = "coinference.profile/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Name of the network.</summary>
    public required string Model { get; init; }

    /// <summary>What it was measured on.</summary>
    public required HostInfo Host { get; init; }

    /// <summary>Images per run.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Threads per run.</summary>
    public required int Threads { get; init; }

    /// <summary>Factor by which all times were stretched to emulate a slower device; 1 when they are this host's own.</summary>
    public required double Slowdown { get; init; }

    /// <summary>Whether the times are emulated.</summary>
    public bool Emulated => Slowdown > 1;

    /// <summary>Time to compile the network and pack its weights, in milliseconds.</summary>
    public required double CompileMs { get; init; }

    /// <summary>Time of the very first run, in milliseconds: code not compiled yet, caches cold.</summary>
    public required double FirstRunMs { get; init; }

    /// <summary>Time of whole runs.</summary>
    public required EndToEndTime EndToEnd { get; init; }

    /// <summary>Time of each layer, in running order; empty when the network cannot be timed step by step.</summary>
    public required IReadOnlyList<LayerProfile> Layers { get; init; }

    /// <summary>Sum of the layers' medians in milliseconds.</summary>
    public double LayerSumMs => Layers.Sum(layer => layer.MedianUs) / 1000;

    /// <summary>End-to-end time less the sum of the layers, as a share of the end-to-end time: what the layers do not explain.</summary>
    public double Gap => Layers.Count == 0 ? 0 : 1 - (LayerSumMs / EndToEnd.MedianMs);

    /// <summary>Where the time of a network on a device goes; null for one on the CPU.</summary>
    public DeviceShare? Device { get; init; }

    /// <summary>Times of pruned versions of the network against the dense one, where they were asked for.</summary>
    public IReadOnlyList<PruningGain> Pruning { get; init; } = [];

    /// <summary>How far the outputs are from those of the scalar reference; null when nobody asked.</summary>
    public OutputCheck? Outputs { get; init; }

    /// <summary>Peaks of one core, measured in the same run.</summary>
    public required Roofline Roofline { get; init; }

    /// <summary>Peaks of the device in fp32, measured in the same run; null for a network on the CPU.</summary>
    public DevicePeaks? DevicePeaks { get; init; }

    /// <summary>Bytes of activations and scratch of one session.</summary>
    public required long ArenaBytes { get; init; }

    /// <summary>Largest working set of the process so far, in bytes.</summary>
    public required long PeakWorkingSetBytes { get; init; }

    /// <summary>Writes the report.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => SchemaFile.Write(path, this, ProfilingJson.Default.ProfileReport);

    /// <summary>The report as JSON text in UTF-8.</summary>
    public byte[] ToJson() => SchemaFile.Serialize(this, ProfilingJson.Default.ProfileReport);

    /// <summary>Reads a report.</summary>
    /// <exception cref="InvalidDataException">The file is no profile; the message names the field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ProfileReport Load(string path) => SchemaFile.Read(path, SchemaName, ProfilingJson.Default.ProfileReport);
}

/// <summary>Where the time of a network on a device goes, in milliseconds.</summary>
/// <param name="Id">The device.</param>
/// <param name="KernelMs">Kernels, by the device's own clock, one after the other.</param>
/// <param name="CopyMs">Copies between host and device, waiting included.</param>
/// <param name="CpuMs">Layers that the device has no kernel for.</param>
/// <param name="LaunchMs">What queueing all kernels takes the host; it overlaps with their work.</param>
/// <param name="Launches">Kernels of one run.</param>
public sealed record DeviceShare(string Id, double KernelMs, double CopyMs, double CpuMs, double LaunchMs, int Launches);

/// <summary>The outputs of a network beside those of the scalar reference, for random inputs.</summary>
/// <param name="MaxRelError">Largest difference, relative to the largest magnitude of the output; at most the largest double, also where a result is no number.</param>
/// <param name="ErrorBound">What it may be: 1e-4, or 5e-2 where factors are rounded.</param>
/// <param name="Correct">Whether it is no more.</param>
public sealed record OutputCheck(double MaxRelError, double ErrorBound, bool Correct)
{
    private const double OfSums = 1e-4, OfRoundedFactors = 5e-2;

    internal static OutputCheck Of(double error, ProductPrecision precision)
    {
        double bound = precision == ProductPrecision.Float32 ? OfSums : OfRoundedFactors;
        return new OutputCheck(Math.Min(error, double.MaxValue), bound, error <= bound);
    }
}

/// <summary>Time of whole runs of a network, in milliseconds.</summary>
/// <param name="MedianMs">Median.</param>
/// <param name="P10Ms">10th percentile.</param>
/// <param name="P90Ms">90th percentile.</param>
/// <param name="P99Ms">99th percentile.</param>
/// <param name="MinMs">Fastest sample.</param>
/// <param name="Samples">Number of samples.</param>
/// <param name="RunsPerSample">Runs averaged in each sample.</param>
/// <param name="WarmUpRuns">Runs before the first sample.</param>
/// <param name="Verdict"><c>stable</c> or <c>noisy</c>.</param>
/// <param name="SamplesMs">All samples in the order they were taken.</param>
public sealed record EndToEndTime(
    double MedianMs, double P10Ms, double P90Ms, double P99Ms, double MinMs, int Samples, int RunsPerSample, int WarmUpRuns, string Verdict, IReadOnlyList<double> SamplesMs)
{
    /// <summary>A timing stretched by a factor.</summary>
    public static EndToEndTime From(Timing timing, double factor = 1)
    {
        double scale = factor / 1000;
        return new EndToEndTime(timing.MedianUs * scale, timing.P10Us * scale, timing.P90Us * scale, timing.P99Us * scale, timing.MinUs * scale,
            timing.Count, timing.RunsPerSample, timing.WarmUpRuns, timing.Verdict, [.. timing.SamplesUs.Select(sample => sample * scale)]);
    }
}

/// <summary>Time of one layer.</summary>
/// <param name="Name">Name of the graph node.</param>
/// <param name="Op">Operator.</param>
/// <param name="Kernel">Kernel that ran it.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Shape">Shape of a convolution in short form; empty for other operators.</param>
/// <param name="Form">Weight form of the kernel.</param>
/// <param name="Density">Share of weights or blocks that are not zero.</param>
/// <param name="MedianUs">Median in microseconds.</param>
/// <param name="P10Us">10th percentile in microseconds.</param>
/// <param name="P90Us">90th percentile in microseconds.</param>
/// <param name="Share">Share of the sum of all layers.</param>
/// <param name="Gflops">10^9 floating-point operations per second, a multiply-add counting as two; 0 for operators without any.</param>
/// <param name="Gbps">10^9 bytes per second of compulsory traffic: inputs, weights and outputs.</param>
/// <param name="BoundBy">Peak that binds: <c>compute</c> or <c>memory</c>; empty on a device, whose peaks are not measured.</param>
/// <param name="PeakFraction">Time at that peak over measured time; not clamped, a layer above the modelled peak is a finding about the model. 0 on a device.</param>
public sealed record LayerProfile(
    string Name, string Op, string Kernel, string Device, string Shape, string Form, double Density, double MedianUs, double P10Us, double P90Us,
    double Share, double Gflops, double Gbps, string BoundBy, double PeakFraction);
