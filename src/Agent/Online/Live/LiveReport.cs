using System.Text.Json.Serialization;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Agent.Online.Live;

/// <summary>How one target did.</summary>
/// <param name="Target">The target.</param>
/// <param name="StartDeviceMs">The device's share before the run, undisturbed.</param>
/// <param name="StartSwitchMs">What a change to it cost before the run.</param>
/// <param name="Requests">Requests that it was chosen for.</param>
/// <param name="Failed">Those that it did not answer.</param>
/// <param name="LatencyMs">Mean latency of its answers; 0 without any.</param>
/// <param name="EnergyMj">Mean energy of the device for its answers, millijoules; 0 without any.</param>
public sealed record LiveTarget(ExecutionTarget Target, double StartDeviceMs, double StartSwitchMs, int Requests, int Failed, double LatencyMs, double EnergyMj);

/// <summary>One entry per request; what could not be had is null.</summary>
/// <param name="Seconds">When it came, from the start of the run.</param>
/// <param name="Target">Index of the chosen target.</param>
/// <param name="Fallback">Whether the device answered in its place.</param>
/// <param name="Prediction">Class with the largest logit; -1 without an answer.</param>
/// <param name="Label">Class of the image.</param>
/// <param name="LatencyMs">From the request to its answer, an attempt that failed included.</param>
/// <param name="DeviceMs">The device's layers.</param>
/// <param name="CodingMs">Encoding and decoding.</param>
/// <param name="WireMs">The link, or the time until an attempt was given up.</param>
/// <param name="QueueMs">Waiting at the edge.</param>
/// <param name="EdgeMs">The edge's layers.</param>
/// <param name="SwitchMs">Changing over from the target before.</param>
/// <param name="EnergyMj">Energy of the device in millijoules.</param>
/// <param name="EnergyIsMeasured">Whether a meter gave it; else it is modelled.</param>
/// <param name="ProcessorLoad">Share of the processors that others used.</param>
/// <param name="MemoryLoad">Press on the memory.</param>
/// <param name="LinkMbps">Estimated rate.</param>
/// <param name="RoundTripMs">Estimated round trip.</param>
/// <param name="SignalDbm">Strength of the signal.</param>
public sealed record LiveSamples(
    double[] Seconds, int[] Target, bool[] Fallback, int[] Prediction, int[] Label, double[] LatencyMs, double[] DeviceMs, double[] CodingMs, double[] WireMs, double[] QueueMs,
    double[] EdgeMs, double[] SwitchMs, double[] EnergyMj, bool[] EnergyIsMeasured, double?[] ProcessorLoad, double?[] MemoryLoad, double?[] LinkMbps, double?[] RoundTripMs, double?[] SignalDbm);

/// <summary>What a decider did in a live run.</summary>
public sealed record LiveReport
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.live/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>The device, which is also where the report was made.</summary>
    public required HostInfo Host { get; init; }

    /// <summary>Id of the plans.</summary>
    public required string PlanSetId { get; init; }

    /// <summary>Address of the edge; empty without one.</summary>
    public required string Edge { get; init; }

    /// <summary>The link that was emulated; empty when the network was used as it is.</summary>
    public required string EmulatedLink { get; init; }

    /// <summary>Factor by which the device was emulated slower; 1 when it was not.</summary>
    public required double Slowdown { get; init; }

    /// <summary>Name of the decider.</summary>
    public required string Decider { get; init; }

    /// <summary>Latency that counts as in time.</summary>
    public required double QosMs { get; init; }

    /// <summary>Least accuracy that was asked for.</summary>
    public required double MinAccuracy { get; init; }

    /// <summary>Time after which a request was given up.</summary>
    public required double DeadlineMs { get; init; }

    /// <summary>Requests.</summary>
    public required int Requests { get; init; }

    /// <summary>Those that the chosen target did not answer and the device did.</summary>
    public required int Fallbacks { get; init; }

    /// <summary>Those that nothing answered.</summary>
    public required int Unanswered { get; init; }

    /// <summary>Share of right predictions.</summary>
    public required double Top1 { get; init; }

    /// <summary>Share of requests that were not answered in time.</summary>
    public required double Violations { get; init; }

    /// <summary>Latency.</summary>
    public required TimeSummary Latency { get; init; }

    /// <summary>Mean energy of the device per request, millijoules.</summary>
    public required double EnergyMj { get; init; }

    /// <summary>Probes of the edge in the pauses; their energy, always modelled, is part of <see cref="EnergyMj"/>.</summary>
    public required int Probes { get; init; }

    /// <summary>Share of the requests whose energy a meter gave; that of the others is modelled.</summary>
    public required double EnergyMeasuredShare { get; init; }

    /// <summary>Median time of choosing and learning, microseconds.</summary>
    public required double DecisionUs { get; init; }

    /// <summary>Mean time of reading the surroundings, microseconds.</summary>
    public required double ConditionsUs { get; init; }

    /// <summary>Changes from one target to another.</summary>
    public required int Switches { get; init; }

    /// <summary>Wall-clock time of the run.</summary>
    public required double Seconds { get; init; }

    /// <summary>The targets.</summary>
    public required IReadOnlyList<LiveTarget> Targets { get; init; }

    /// <summary>The requests.</summary>
    public required LiveSamples Samples { get; init; }

    /// <summary>The document as JSON text.</summary>
    public byte[] ToJson() => SchemaFile.Serialize(this, LiveJson.Default.LiveReport);

    /// <summary>Reads a report.</summary>
    /// <exception cref="InvalidDataException">Not such a file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static LiveReport Read(string path) => SchemaFile.Read(path, SchemaName, LiveJson.Default.LiveReport);

    internal static LiveReport Create(TargetSet targets, string decider, LiveRunOptions options, LiveRequest[] requests, double seconds)
    {
        int count = requests.Length, changes = 0;
        for (int i = 1; i < count; i++)
        {
            if (requests[i].Target != requests[i - 1].Target) changes++;
        }

        double[] latency = [.. requests.Select(request => request.LatencyMs).Order()];
        return new LiveReport
        {
            Host = HostInfo.Capture(),
            PlanSetId = targets.Plans.Id,
            Edge = options.Edge,
            EmulatedLink = options.EmulatedLink,
            Slowdown = options.Slowdown,
            Decider = decider,
            QosMs = options.QosMs,
            MinAccuracy = options.MinAccuracy,
            DeadlineMs = options.DeadlineMs,
            Requests = count,
            Fallbacks = requests.Count(request => request.Instead is not null),
            Unanswered = requests.Count(request => request.Prediction < 0),
            Top1 = requests.Average(request => request.Prediction == request.Label ? 1.0 : 0),
            Violations = requests.Average(request => request.Prediction >= 0 && request.LatencyMs <= options.QosMs ? 0.0 : 1),
            Latency = new TimeSummary(latency.Average(), latency[count / 2], latency[(int)(0.9 * (count - 1))], latency[(int)(0.99 * (count - 1))]),
            EnergyMj = requests.Average(request => request.Millijoules),
            Probes = requests.Count(request => request.ProbeJoules > 0),
            EnergyMeasuredShare = requests.Average(request => request.IsMeasured ? 1.0 : 0),
            DecisionUs = 1e6 * requests.Select(request => request.DecisionSeconds).Order().ElementAt(count / 2),
            ConditionsUs = 1e6 * requests.Average(request => request.ReadSeconds),
            Switches = changes,
            Seconds = seconds,
            Targets = [.. targets.Targets.Select((target, i) => Summarize(target, targets.Starts[i], [.. requests.Where(request => request.Target == i)]))],
            Samples = new LiveSamples(
                Each(request => Math.Round(request.Seconds, 6)), [.. requests.Select(request => request.Target)], [.. requests.Select(request => request.Instead is not null)],
                [.. requests.Select(request => request.Prediction)], [.. requests.Select(request => request.Label)], Each(request => Math.Round(request.LatencyMs, 4)),
                Part(outcome => outcome.DeviceSeconds), Part(outcome => outcome.CodingSeconds), Part(outcome => outcome.WireSeconds), Part(outcome => outcome.QueueSeconds),
                Part(outcome => outcome.EdgeSeconds), Part(outcome => outcome.SwitchSeconds), Each(request => Math.Round(request.Millijoules, 4)), [.. requests.Select(request => request.IsMeasured)],
                Known(request => request.Conditions.ProcessorLoad), Known(request => request.Conditions.MemoryLoad), Known(request => request.Conditions.BytesPerSecond * 8e-6),
                Known(request => 1000 * request.Conditions.RoundTripSeconds), Known(request => request.Conditions.SignalDbm)),
        };

        double[] Each(Func<LiveRequest, double> value) => [.. requests.Select(value)];

        double[] Part(Func<TargetOutcome, double> part) => Each(request => Math.Round(1000 * (part(request.Outcome) + (request.Instead is { } instead ? part(instead) : 0)), 4));

        double?[] Known(Func<LiveRequest, double> value) => [.. requests.Select(request => double.IsFinite(value(request)) ? Math.Round(value(request), 4) : (double?)null)];
    }

    private static LiveTarget Summarize(ExecutionTarget target, TargetStart start, LiveRequest[] chosen)
    {
        LiveRequest[] answered = [.. chosen.Where(request => request.Outcome.Answered)];
        return new LiveTarget(
            target with { Accuracy = double.IsNaN(target.Accuracy) ? 0 : target.Accuracy }, 1000 * start.DeviceSeconds, 1000 * start.SwitchSeconds, chosen.Length, chosen.Length - answered.Length,
            answered.Length == 0 ? 0 : answered.Average(request => request.LatencyMs), answered.Length == 0 ? 0 : answered.Average(request => request.Millijoules));
    }
}

/// <summary>Source-generated JSON of live reports.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = false,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(LiveReport))]
internal sealed partial class LiveJson : JsonSerializerContext;
