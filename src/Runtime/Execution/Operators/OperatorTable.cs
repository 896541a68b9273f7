using System.Collections.Frozen;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Every operator that can be imported and run, one row each.</summary>
public static class OperatorTable
{
    private static readonly FrozenDictionary<string, OperatorRow> Rows = new[]
    {
        ElementwiseOperators.All, ActivationOperators.All, ConvolutionOperators.All, MatrixOperators.All, PoolingOperators.All,
        NormalizationOperators.All, QuantizationOperators.All, ShapeOperators.All, SelectionOperators.All, ReductionOperators.All,
        ResizeOperators.All,
    }.SelectMany(rows => rows).ToFrozenDictionary(row => row.Name, StringComparer.Ordinal);

    /// <summary>Names of the supported operators in alphabetical order.</summary>
    public static IReadOnlyList<string> Names { get; } = Rows.Keys.Order(StringComparer.Ordinal).ToArray();

    /// <summary>Whether the node's operator is supported.</summary>
    public static bool Supports(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return node.Domain.Length == 0 && Rows.ContainsKey(node.OpType);
    }

    /// <summary>The row of a node's operator.</summary>
    /// <exception cref="NotSupportedException">The operator is not supported; the message names the node and lists what is.</exception>
    public static OperatorRow Of(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (node.Domain.Length == 0 && Rows.TryGetValue(node.OpType, out OperatorRow? row)) return row;
        string domain = node.Domain.Length == 0 ? "" : $" of domain '{node.Domain}'";
        throw new NotSupportedException($"Operator {node.OpType}{domain} of node '{node.Name}' is not supported; supported are {string.Join(", ", Names)}.");
    }

    /// <summary>Type and, where it can be known, shape of each output of a node.</summary>
    /// <returns>One entry per output of the node, values not filled in.</returns>
    /// <exception cref="NotSupportedException">The operator, or something the node asks of it, is not supported.</exception>
    /// <exception cref="InvalidDataException">Attributes and inputs of the node do not fit each other.</exception>
    public static ValueSpec[] Infer(NodeContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        OperatorRow row = Of(context.Node);
        return Guard(context.Node, () =>
        {
            CheckTypes(row, context);
            var outputs = new ValueSpec[context.Node.Outputs.Count];
            bool known = context.Inputs.All(input => input is null or { Shape: not null })
                && row.ShapeInputs.All(index => !context.Has(index) || context.Spec(index).Value is not null);
            TensorShape[]? shapes = known ? row.Shapes(context) : null;
            for (int i = 0; i < outputs.Length; i++)
            {
                if (shapes is not null && i >= shapes.Length && context.Wants(i)) throw context.Invalid($"it has no output {i}.");
                outputs[i] = new ValueSpec(row.Type(context, i), shapes is not null && i < shapes.Length ? shapes[i] : null);
            }

            return outputs;
        });
    }

    /// <summary>Computes the outputs of a node whose input values are all known.</summary>
    /// <returns>One tensor per output of the node. They may share memory with the inputs.</returns>
    /// <exception cref="NotSupportedException">The operator, or something the node asks of it, is not supported.</exception>
    /// <exception cref="InvalidDataException">Attributes and inputs of the node do not fit each other.</exception>
    public static Tensor[] Run(NodeContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        OperatorRow row = Of(context.Node);
        return Guard(context.Node, () =>
        {
            Tensor[] outputs = row.Run(context);
            int wanted = context.Node.Outputs.Count;
            return outputs.Length >= wanted ? outputs[..wanted] : throw context.Invalid($"it has no output {outputs.Length}.");
        });
    }

    private static void CheckTypes(OperatorRow row, NodeContext context)
    {
        if (row.TakesFloats && !context.Spec(0).Type.IsFloat())
            throw context.Invalid($"input 0 is {context.Spec(0).Type}, expected a floating-point type.");
        ElementType? common = null;
        int count = context.Inputs.Count;
        int end = row.SameType.End.IsFromEnd ? count : Math.Min(row.SameType.End.Value, count);
        for (int i = row.SameType.Start.Value; i < end; i++)
        {
            if (context.Inputs[i] is not { } input) continue;
            common ??= input.Type;
            if (input.Type != common) throw context.Invalid($"input {i} is {input.Type}, expected {common} like the others.");
        }
    }

    // The kernels know no graph: here their messages get the node they are about.
    private static T Guard<T>(Node node, Func<T> body)
    {
        try
        {
            return body();
        }
        catch (Exception error) when (error is ArgumentException or ArithmeticException)
        {
            throw new InvalidDataException($"Node {node}: {error.Message}", error);
        }
    }
}
