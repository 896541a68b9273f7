using System.Text.Json.Serialization;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Splitting;

/// <summary>What a network consists of and where it may be cut, as <c>coinference inspect</c> shows it.</summary>
public sealed record NetworkInspection
{
    /// <summary>Schema name of the JSON form.</summary>
    public const string SchemaName = "coinference.inspection/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Name of the graph.</summary>
    public required string Name { get; init; }

    /// <summary>Version of the default operator set.</summary>
    public required int Opset { get; init; }

    /// <summary>Inputs as <c>input Float32 [N, 3, 32, 32]</c>.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>Outputs in the same form.</summary>
    public required IReadOnlyList<string> Outputs { get; init; }

    /// <summary>Nodes of the canonical graph, in order.</summary>
    public required IReadOnlyList<InspectedLayer> Layers { get; init; }

    /// <summary>Legal cuts, from the input to the output.</summary>
    public required IReadOnlyList<InspectedCut> Cuts { get; init; }

    /// <summary>Weights and biases, all layers together.</summary>
    [JsonInclude]
    public long Parameters => Layers.Sum(layer => layer.Parameters);

    /// <summary>Multiply-accumulates of one inference at batch 1.</summary>
    [JsonInclude]
    public long MultiplyAdds => Layers.Sum(layer => layer.MultiplyAdds);

    /// <summary>Inspects a canonical graph at batch 1.</summary>
    /// <param name="canonical">The graph that splitting, pruning and search work on.</param>
    /// <exception cref="InvalidDataException">A shape cannot be inferred; the message names the node.</exception>
    public static NetworkInspection Of(Graph canonical)
    {
        IReadOnlyDictionary<string, ValueSpec> values = ShapeInference.Infer(canonical);
        var counted = new HashSet<string>(StringComparer.Ordinal);
        var before = new long[canonical.Nodes.Count + 1];
        var layers = new List<InspectedLayer>();
        for (int i = 0; i < canonical.Nodes.Count; i++)
        {
            Node node = canonical.Nodes[i];
            long parameters = node.Inputs.Where(canonical.Initializers.ContainsKey).Where(counted.Add).Sum(name => (long)canonical.Initializers[name].Count);
            long work = MultiplyAddsOf(node, values);
            before[i + 1] = before[i] + work;
            layers.Add(new InspectedLayer(node.Name, node.OpType, Shape(values, node.Outputs[0])?.ToString() ?? "?", parameters, work));
        }

        return new NetworkInspection
        {
            Name = canonical.Name,
            Opset = canonical.Opset,
            Inputs = [.. canonical.Inputs.Select(Describe)],
            Outputs = [.. canonical.Outputs.Select(Describe)],
            Layers = layers,
            Cuts =
            [
                .. CutFinder.Find(canonical).Select(cut => new InspectedCut(cut.Value, cut.Kind, cut.Shape.ToString(), cut.RawBytes, before[cut.Position], before[^1] - before[cut.Position])),
            ],
        };
    }

    private static string Describe(ValueInfo value) =>
        $"{value.Name} {value.Type} {(value.Dimensions is null ? "of unknown rank" : $"[{string.Join(", ", value.Dimensions)}]")}";

    private static long MultiplyAddsOf(Node node, IReadOnlyDictionary<string, ValueSpec> values)
    {
        if (node.OpType is not ("Conv" or "ConvInteger" or "QLinearConv" or "Gemm" or "MatMul" or "MatMulInteger" or "QLinearMatMul")) return 0;
        bool quantized = node.OpType.StartsWith("QLinear", StringComparison.Ordinal);
        if (Shape(values, node.Outputs[0]) is not { } output || Shape(values, node.Inputs[0]) is not { } left || Shape(values, node.Inputs[quantized ? 3 : 1]) is not { } right) return 0;
        if (node.OpType.Contains("Conv", StringComparison.Ordinal)) return right[0] == 0 ? 0 : (long)output.Count * (right.Count / right[0]);
        int depth = node.OpType == "Gemm" && node.Int("transA", 0) != 0 ? left[0] : left[-1];
        return (long)output.Count * depth;
    }

    private static TensorShape? Shape(IReadOnlyDictionary<string, ValueSpec> values, string name) =>
        values.TryGetValue(name, out ValueSpec? value) ? value.Shape : null;
}

/// <summary>One node.</summary>
/// <param name="Name">Node name.</param>
/// <param name="Op">Operator.</param>
/// <param name="Output">Shape of the first output at batch 1.</param>
/// <param name="Parameters">Weights and biases that no earlier node has.</param>
/// <param name="MultiplyAdds">Multiply-accumulates at batch 1.</param>
public sealed record InspectedLayer(string Name, string Op, string Output, long Parameters, long MultiplyAdds);

/// <summary>One legal cut.</summary>
/// <param name="Value">Name of the value that crosses.</param>
/// <param name="Kind">Before the network, inside it, or after it.</param>
/// <param name="Shape">Shape of the feature at batch 1.</param>
/// <param name="RawBytes">Bytes of the feature as float32.</param>
/// <param name="DeviceMultiplyAdds">Multiply-accumulates of the device half.</param>
/// <param name="EdgeMultiplyAdds">Multiply-accumulates of the edge half.</param>
public sealed record InspectedCut(string Value, CutKind Kind, string Shape, long RawBytes, long DeviceMultiplyAdds, long EdgeMultiplyAdds);

/// <summary>JSON form of <see cref="NetworkInspection"/>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(NetworkInspection))]
public sealed partial class NetworkInspectionJson : JsonSerializerContext;
