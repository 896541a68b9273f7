using System.Text.Json.Serialization;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Plans;

/// <summary>A network of a set.</summary>
/// <param name="Precision">Its numbers, <c>f32</c> or <c>i8</c>; its name in the set.</param>
/// <param name="File">Its ONNX file.</param>
internal sealed record PlanSetNetwork(string Precision, BundleFile File);

/// <summary>A plan of a set.</summary>
/// <param name="Name">Name.</param>
/// <param name="Network">Precision of the network it runs.</param>
/// <param name="Cut">Name of the value that crosses; the network's input for edge-only, its output for device-only.</param>
/// <param name="InputCoding">How an image crosses when the cut is the input and there is no codec.</param>
/// <param name="Codec">The codec file; null when no feature crosses.</param>
/// <param name="PayloadBytes">Mean bytes that cross, header included.</param>
/// <param name="Accuracy">Share of right answers, 0 to 1.</param>
internal sealed record PlanSetPlan(string Name, string Network, string Cut, InputCoding InputCoding, BundleFile? Codec, double PayloadBytes, double Accuracy);

/// <summary>The description of a set of plans: <c>set.json</c>.</summary>
internal sealed record PlanSetFile
{
    public const string SchemaName = "coinference.plan-set/1";

    public string Schema { get; init; } = SchemaName;

    /// <summary>SHA-256 of the model file the set was made from, lower-case hex.</summary>
    public required string ModelHash { get; init; }

    public required Preprocessing Preprocessing { get; init; }

    public required IReadOnlyList<PlanSetNetwork> Networks { get; init; }

    public required IReadOnlyList<PlanSetPlan> Plans { get; init; }

    /// <exception cref="InvalidDataException">Not a valid description; the message names the file, the field and what was expected.</exception>
    public static PlanSetFile Parse(ReadOnlySpan<byte> utf8, string path)
    {
        PlanSetFile file = SchemaFile.Parse(utf8, path, SchemaName, PlanSetJson.Default.PlanSetFile);
        if (file.Networks.Count == 0) throw new InvalidDataException($"{path}: field 'networks' is empty, expected at least one.");
        if (file.Plans.Count == 0) throw new InvalidDataException($"{path}: field 'plans' is empty, expected at least one.");
        if (Twice(file.Networks.Select(network => network.Precision)) is { } network) throw new InvalidDataException($"{path}: field 'networks' has precision '{network}' twice.");
        if (Twice(file.Plans.Select(plan => plan.Name)) is { } name) throw new InvalidDataException($"{path}: field 'plans' has the name '{name}' twice.");
        foreach (PlanSetPlan plan in file.Plans)
        {
            if (plan.Name.Length == 0 || plan.Name.Any(char.IsWhiteSpace)) throw new InvalidDataException($"{path}: field 'plans' has the name '{plan.Name}', expected one without spaces.");
            if (file.Networks.All(candidate => candidate.Precision != plan.Network))
                throw new InvalidDataException($"{path}: plan '{plan.Name}' runs network '{plan.Network}', which is not in field 'networks'.");
            if (!(plan.Accuracy is >= 0 and <= 1)) throw new InvalidDataException($"{path}: plan '{plan.Name}' has accuracy {plan.Accuracy}, expected 0 to 1.");
            if (!(plan.PayloadBytes is >= 0 and < 1e12)) throw new InvalidDataException($"{path}: plan '{plan.Name}' has payloadBytes {plan.PayloadBytes}, expected 0 or more.");
        }

        return file;
    }

    private static string? Twice(IEnumerable<string> names) => names.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1)?.Key;
}

/// <summary>Source-generated JSON of plan sets: strict, as that of plans.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    NewLine = "\n",
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PlanSetFile))]
internal sealed partial class PlanSetJson : JsonSerializerContext;
