using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution.Operators;

namespace CoInference.Runtime.Graphs;

/// <summary>Finds type and shape of every value of a graph before it runs.</summary>
/// <remarks>
/// Constants are propagated: a chain of Shape, Gather, Concat and arithmetic on a known shape gives a known value, so
/// that the reshapes of an export with a symbolic batch resolve.
/// </remarks>
public static class ShapeInference
{
    // Shapes, axes and pads are short; larger constants are weights, whose values no shape depends on.
    private const int MaxPropagatedElements = 4096;

    /// <summary>Infers every value.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="inputShapes">Shapes of inputs by name, in place of the declared ones; null to use the declared ones.</param>
    /// <param name="batch">Size of a first dimension that is declared symbolic.</param>
    /// <returns>
    /// Type, shape and, for small constants, value of each input, initializer and node output. The shape is null where it
    /// depends on data, or on a symbolic dimension other than the first.
    /// </returns>
    /// <exception cref="ArgumentException">A given shape does not fit the declared one, or names no input.</exception>
    /// <exception cref="NotSupportedException">An operator is not supported.</exception>
    /// <exception cref="InvalidDataException">Nodes and shapes do not fit each other; the message names the node.</exception>
    public static IReadOnlyDictionary<string, ValueSpec> Infer(
        Graph graph, IReadOnlyDictionary<string, TensorShape>? inputShapes = null, int batch = 1)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        foreach (string name in inputShapes?.Keys ?? [])
        {
            if (!graph.Inputs.Any(input => input.Name == name)) throw new ArgumentException($"The graph has no input '{name}'.", nameof(inputShapes));
        }

        var specs = new Dictionary<string, ValueSpec>(StringComparer.Ordinal);
        foreach ((string name, Tensor value) in graph.Initializers) specs[name] = ValueSpec.Of(value);
        foreach (ValueInfo input in graph.Inputs)
        {
            TensorShape? shape = inputShapes is not null && inputShapes.TryGetValue(input.Name, out TensorShape given)
                ? Checked(input, given)
                : Declared(input, batch);
            specs[input.Name] = new ValueSpec(input.Type, shape);
        }

        foreach (Node node in graph.Nodes)
        {
            ValueSpec[] outputs = InferNode(node, graph.Opset, specs);
            for (int i = 0; i < outputs.Length; i++)
            {
                if (node.Outputs[i].Length > 0) specs[node.Outputs[i]] = outputs[i];
            }
        }

        return specs;
    }

    /// <summary>Infers the outputs of one node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="opset">Version of the default operator set.</param>
    /// <param name="specs">What is known of the values the node reads.</param>
    /// <returns>One entry per output, with the value where it is a small constant.</returns>
    /// <exception cref="NotSupportedException">The operator is not supported.</exception>
    /// <exception cref="InvalidDataException">The node and its inputs do not fit each other, or an input is not defined.</exception>
    public static ValueSpec[] InferNode(Node node, int opset, IReadOnlyDictionary<string, ValueSpec> specs)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(specs);
        var inputs = new ValueSpec?[node.Inputs.Count];
        for (int i = 0; i < inputs.Length; i++)
        {
            if (node.Input(i) is not { } name) continue;
            inputs[i] = specs.TryGetValue(name, out ValueSpec? spec) ? spec : throw new InvalidDataException($"Node {node} reads value '{name}', which nothing before it defines.");
        }

        var context = new NodeContext(node, opset, inputs);
        ValueSpec[] outputs = OperatorTable.Infer(context);
        if (!IsWorthComputing(OperatorTable.Of(node), inputs, outputs)) return outputs;
        return OperatorTable.Run(context).Select(ValueSpec.Of).ToArray();
    }

    private static bool IsWorthComputing(OperatorRow row, ValueSpec?[] inputs, ValueSpec[] outputs) =>
        outputs.All(output => output.Shape is { Count: <= MaxPropagatedElements })
        && (row.ReadsShapesOnly
            ? inputs.All(input => input is { Shape: not null })
            : inputs.All(input => input is null or { Value.Count: <= MaxPropagatedElements }));

    private static TensorShape? Declared(ValueInfo input, int batch)
    {
        if (input.Dimensions is not { } dimensions) return null;
        var sizes = new int[dimensions.Count];
        for (int axis = 0; axis < sizes.Length; axis++)
        {
            if (dimensions[axis].Size is { } size) sizes[axis] = size;
            else if (axis == 0) sizes[axis] = batch;
            else return null;
        }

        try
        {
            return new TensorShape(sizes);
        }
        catch (ArgumentException error)
        {
            throw new InvalidDataException($"Input '{input.Name}': {error.Message}", error);
        }
    }

    private static TensorShape Checked(ValueInfo input, TensorShape given)
    {
        if (input.Dimensions is not { } dimensions) return given;
        bool fits = dimensions.Count == given.Rank;
        for (int axis = 1; fits && axis < given.Rank; axis++) fits = dimensions[axis].Size is null || dimensions[axis].Size == given[axis];
        return fits
            ? given
            : throw new ArgumentException($"Input '{input.Name}' has shape {given}, expected [{string.Join(", ", dimensions)}].");
    }
}
