using System.Text.Json.Serialization;

namespace CoInference.Runtime.Profiling;

/// <summary>Source-generated JSON of profiles and latency tables.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DictionaryKeyPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(LatencyTableFile))]
[JsonSerializable(typeof(ProfileReport))]
internal sealed partial class ProfilingJson : JsonSerializerContext;
