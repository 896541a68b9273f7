using System.Text.Json.Serialization;

namespace CoInference.Runtime.Targets;

/// <summary>Source-generated JSON of target tables.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(JsonStringEnumConverter<TargetPlacement>)])]
[JsonSerializable(typeof(TargetTable))]
internal sealed partial class TargetJson : JsonSerializerContext;
