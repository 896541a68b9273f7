using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>
/// Shapes and constants of a graph at two batch sizes: what agrees at both does not depend on the batch. For a graph
/// whose inputs all have a fixed first dimension both are the same.
/// </summary>
internal sealed class BatchSpecs
{
    private readonly IReadOnlyDictionary<string, ValueSpec> _first;
    private readonly IReadOnlyDictionary<string, ValueSpec> _second;

    private BatchSpecs(IReadOnlyDictionary<string, ValueSpec> first, IReadOnlyDictionary<string, ValueSpec> second)
    {
        _first = first;
        _second = second;
    }

    public static BatchSpecs Of(Graph graph, int batch)
    {
        IReadOnlyDictionary<string, ValueSpec> first = ShapeInference.Infer(graph, batch: batch);
        if (!graph.Inputs.Any(input => input.Dimensions is { Count: > 0 } dimensions && dimensions[0].Size is null)) return new BatchSpecs(first, first);
        try
        {
            return new BatchSpecs(first, ShapeInference.Infer(graph, batch: batch + 1));
        }
        catch (InvalidDataException)
        {
            // Declared with any batch, but it runs only at the one its constants were made for.
            return new BatchSpecs(first, first);
        }
    }

    public ElementType TypeOf(string value) => _first[value].Type;

    /// <summary>The shape at the first batch size, or null when it is not known at both.</summary>
    public TensorShape? ShapeOf(string value) =>
        _first.TryGetValue(value, out ValueSpec? spec) && _second.TryGetValue(value, out ValueSpec? other) && other.Shape is not null ? spec.Shape : null;

    /// <summary>Shapes at both batch sizes, or null when one is not known.</summary>
    public (TensorShape First, TensorShape Second)? ShapesOf(string value) =>
        _first.TryGetValue(value, out ValueSpec? spec) && spec.Shape is { } first
        && _second.TryGetValue(value, out ValueSpec? other) && other.Shape is { } second ? (first, second) : null;

    /// <summary>The constant that the value is at every batch size, or null.</summary>
    public Tensor? ConstantOf(string value)
    {
        if (!_first.TryGetValue(value, out ValueSpec? spec) || spec.Value is not { } first) return null;
        if (!_second.TryGetValue(value, out ValueSpec? other) || other.Value is not { } second) return null;
        return ReferenceEquals(first, second) || (first.Shape == second.Shape && first.Bytes.SequenceEqual(second.Bytes)) ? first : null;
    }
}
