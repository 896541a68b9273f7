using System.Text.Json.Serialization;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>What happened when a bundle answered a set of images: <c>coinference.run/1</c>.</summary>
public sealed record RunReport
{
    /// <summary>Schema name.</summary>
    public const string SchemaName = "coinference.run/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>The device, which is also where the report was made.</summary>
    public required HostInfo Host { get; init; }

    /// <summary>Id of the bundle.</summary>
    public required string BundleId { get; init; }

    /// <summary>Address of the edge; empty when one process did it all.</summary>
    public required string Edge { get; init; }

    /// <summary>The link that was emulated; null when the network was used as it is.</summary>
    public required LinkSpec? EmulatedLink { get; init; }

    /// <summary>Factor by which the device was emulated slower; 1 when it was not.</summary>
    public required double Slowdown { get; init; }

    /// <summary>Images answered.</summary>
    public required int Images { get; init; }

    /// <summary>Images answered before the measured ones, to warm up; not in any figure.</summary>
    public required int WarmUp { get; init; }

    /// <summary>Share of images whose label has the largest logit, 0 to 1.</summary>
    public required double Top1 { get; init; }

    /// <summary>Share of images whose label is among the five largest logits, 0 to 1.</summary>
    public required double Top5 { get; init; }

    /// <summary>Answers that the device gave alone because the edge did not.</summary>
    public required int Fallbacks { get; init; }

    /// <summary>Wall-clock time of the measured images, in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Whole inference.</summary>
    public required TimeSummary Total { get; init; }

    /// <summary>Preprocessing and the device half.</summary>
    public required TimeSummary Device { get; init; }

    /// <summary>Feature encoder and framing.</summary>
    public required TimeSummary Encode { get; init; }

    /// <summary>The link, the network stacks and the wake-ups on both sides.</summary>
    public required TimeSummary Wire { get; init; }

    /// <summary>Waiting at the edge for a free session.</summary>
    public required TimeSummary Queue { get; init; }

    /// <summary>Feature decoder on the edge.</summary>
    public required TimeSummary Decode { get; init; }

    /// <summary>The edge half.</summary>
    public required TimeSummary EdgeCompute { get; init; }

    /// <summary>Spent on an edge that did not answer.</summary>
    public required TimeSummary Lost { get; init; }

    /// <summary>Bytes sent per image, frame header included.</summary>
    public required PayloadSummary Payload { get; init; }

    /// <summary>The measurements themselves, one entry per image in the order of the set.</summary>
    public required RunSamples Samples { get; init; }

    /// <summary>Whether any figure rests on an emulated device or link.</summary>
    public bool Emulated => Slowdown != 1 || EmulatedLink is not null;

    /// <summary>The medians as a plan predicts them; waiting for a session counts as edge, time lost as wire.</summary>
    [JsonIgnore]
    public LatencyBreakdown Medians => new(
        Device.MedianMs, Encode.MedianMs, Wire.MedianMs + Lost.MedianMs, Decode.MedianMs, EdgeCompute.MedianMs + Queue.MedianMs);

    /// <summary>Writes the report; see <see cref="AtomicFile"/>.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(string path) => SchemaFile.Write(path, this, RunJson.Default.RunReport);

    /// <summary>The report as JSON text.</summary>
    public byte[] ToJson() => SchemaFile.Serialize(this, RunJson.Default.RunReport);

    /// <summary>Reads a report.</summary>
    /// <exception cref="InvalidDataException">Not a valid report; the message names the file, the field and what was expected.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static RunReport Read(string path) => SchemaFile.Read(path, SchemaName, RunJson.Default.RunReport);
}

/// <summary>Times of one part over all images, in milliseconds.</summary>
/// <param name="MeanMs">Mean.</param>
/// <param name="MedianMs">Median.</param>
/// <param name="P90Ms">90th percentile.</param>
/// <param name="P99Ms">99th percentile.</param>
public sealed record TimeSummary(double MeanMs, double MedianMs, double P90Ms, double P99Ms);

/// <summary>Bytes sent per image.</summary>
/// <param name="MeanBytes">Mean.</param>
/// <param name="P95Bytes">95th percentile.</param>
/// <param name="MaxBytes">Largest.</param>
public sealed record PayloadSummary(double MeanBytes, double P95Bytes, double MaxBytes);

/// <summary>One entry per image.</summary>
public sealed record RunSamples
{
    /// <summary>Class with the largest logit.</summary>
    public required int[] Predictions { get; init; }

    /// <summary>Class of the image.</summary>
    public required int[] Labels { get; init; }

    /// <summary>Which side answered.</summary>
    public required AnswerSource[] Sources { get; init; }

    /// <summary>Bytes sent.</summary>
    public required int[] PayloadBytes { get; init; }

    /// <summary>Whole inference, milliseconds.</summary>
    public required double[] TotalMs { get; init; }

    /// <summary>Device part, milliseconds.</summary>
    public required double[] DeviceMs { get; init; }

    /// <summary>Encoder, milliseconds.</summary>
    public required double[] EncodeMs { get; init; }

    /// <summary>Wire, milliseconds.</summary>
    public required double[] WireMs { get; init; }

    /// <summary>Queue at the edge, milliseconds.</summary>
    public required double[] QueueMs { get; init; }

    /// <summary>Decoder, milliseconds.</summary>
    public required double[] DecodeMs { get; init; }

    /// <summary>Edge half, milliseconds.</summary>
    public required double[] EdgeMs { get; init; }

    /// <summary>Time lost on an edge that did not answer, milliseconds.</summary>
    public required double[] LostMs { get; init; }
}

/// <summary>Source-generated JSON of run reports.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = false,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class RunJson : JsonSerializerContext;
