using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>One operator of a graph.</summary>
public sealed class Node
{
    /// <summary>Name, unique within the graph.</summary>
    public required string Name { get; set; }

    /// <summary>Operator, e.g. <c>Conv</c>.</summary>
    public required string OpType { get; set; }

    /// <summary>Operator domain; empty for the default ONNX domain.</summary>
    public string Domain { get; set; } = "";

    /// <summary>Names of the values read; an empty name is an optional input left out.</summary>
    public List<string> Inputs { get; } = [];

    /// <summary>Names of the values written; an empty name is an optional output left out.</summary>
    public List<string> Outputs { get; } = [];

    /// <summary>Attributes by name: <see cref="long"/>, <see cref="float"/>, <see cref="string"/>, <see cref="Tensor"/>, or arrays of the first three.</summary>
    public Dictionary<string, object> Attributes { get; } = new(StringComparer.Ordinal);

    /// <summary>A copy with lists and attributes of its own.</summary>
    public Node Clone()
    {
        var copy = new Node { Name = Name, OpType = OpType, Domain = Domain };
        copy.Inputs.AddRange(Inputs);
        copy.Outputs.AddRange(Outputs);
        foreach ((string key, object value) in Attributes) copy.Attributes.Add(key, value);
        return copy;
    }

    /// <summary>The name of input <paramref name="index"/>, or null when it is left out.</summary>
    public string? Input(int index) => index < Inputs.Count && Inputs[index].Length > 0 ? Inputs[index] : null;

    /// <summary>An integer attribute.</summary>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public long Int(string name, long absent) => Read(name, absent);

    /// <summary>A float attribute.</summary>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public float Float(string name, float absent) => Read(name, absent);

    /// <summary>A string attribute.</summary>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public string String(string name, string absent) => Read(name, absent);

    /// <summary>An integer-list attribute, or null when absent.</summary>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public long[]? Ints(string name) => Read<long[]?>(name, null);

    /// <summary>A float-list attribute, or null when absent.</summary>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public float[]? Floats(string name) => Read<float[]?>(name, null);

    /// <summary>The operator and name as <c>Conv 'layer1.conv1'</c>, for messages.</summary>
    public override string ToString() => $"{OpType} '{Name}'";

    private T Read<T>(string name, T absent) => !Attributes.TryGetValue(name, out object? value) ? absent
        : value is T typed ? typed
        : throw new InvalidDataException($"Attribute '{name}' of node {this} has type {value.GetType().Name}, expected {typeof(T).Name}.");
}
