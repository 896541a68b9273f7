using System.Text.Json.Serialization;
using CoInference.Agent.Online.Replay;

namespace CoInference.Agent.Online;

/// <summary>Source-generated JSON of what deciders learn and of replays.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(QTable))]
[JsonSerializable(typeof(Scenario))]
[JsonSerializable(typeof(ReplayReport))]
internal sealed partial class OnlineJson : JsonSerializerContext;
