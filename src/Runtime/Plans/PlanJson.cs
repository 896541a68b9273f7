using System.Text.Json;
using System.Text.Json.Serialization;
using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Plans;

/// <summary>Source-generated JSON of plans: strict, so that a misspelt or missing field is an error and not a default.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(Plan))]
internal sealed partial class PlanJson : JsonSerializerContext;

/// <summary>Writes a weight form as the plan's vocabulary has it: <c>channel</c>, <c>block</c> or <c>unstructured</c>.</summary>
public sealed class WeightFormConverter : JsonConverter<WeightForm>
{
    /// <inheritdoc/>
    public override WeightForm Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        (reader.TokenType == JsonTokenType.String ? reader.GetString() : null) switch
        {
            "channel" => WeightForm.Dense,
            "block" => WeightForm.Block,
            "unstructured" => WeightForm.Unstructured,
            _ => throw new JsonException("The form must be 'channel', 'block' or 'unstructured'."),
        };

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, WeightForm value, JsonSerializerOptions options) => writer.WriteStringValue(value switch
    {
        WeightForm.Dense => "channel",
        WeightForm.Block => "block",
        _ => "unstructured",
    });
}

/// <summary>Writes a link rate as a number, or as null when it is unlimited: JSON has no infinity.</summary>
public sealed class LinkRateConverter : JsonConverter<double>
{
    /// <inheritdoc/>
    public override bool HandleNull => true;

    /// <inheritdoc/>
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Null => double.PositiveInfinity,
        JsonTokenType.Number => reader.GetDouble(),
        _ => throw new JsonException("The rate must be a number, or null for an unlimited link."),
    };

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
    {
        if (double.IsPositiveInfinity(value)) writer.WriteNullValue();
        else writer.WriteNumberValue(value);
    }
}
