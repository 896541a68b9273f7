using System.Text.Json.Serialization;

namespace CoInference.Runtime.Energy;

/// <summary>Source-generated JSON of energy models: strict, because users edit them.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(EnergyModel))]
internal sealed partial class EnergyJson : JsonSerializerContext;
