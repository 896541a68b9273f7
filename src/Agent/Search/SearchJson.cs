using System.Text.Json.Serialization;

namespace CoInference.Agent.Search;

/// <summary>Source-generated JSON of the search's own files.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SearchFile))]
[JsonSerializable(typeof(SearchReport))]
internal sealed partial class SearchJson : JsonSerializerContext;
