using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>One row of the operator table: what an ONNX operator gives, and its reference implementation.</summary>
public sealed class OperatorRow
{
    /// <summary>Operator name in the default ONNX domain, e.g. <c>Conv</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Output shapes from input shapes. Called only when every input shape is known, and the values of
    /// <see cref="ShapeInputs"/>. May list more outputs than the node names.
    /// </summary>
    public required Func<NodeContext, TensorShape[]> Shapes { get; init; }

    /// <summary>Computes the outputs. Called only when every input value is known.</summary>
    public required Func<NodeContext, Tensor[]> Run { get; init; }

    /// <summary>Element type of each output; by default that of the first input.</summary>
    public Func<NodeContext, int, ElementType> Type { get; init; } = static (context, _) => context.Spec(0).Type;

    /// <summary>Inputs whose values, not only their shapes, determine the output shapes.</summary>
    public int[] ShapeInputs { get; init; } = [];

    /// <summary>Inputs that must have the same element type; those left out do not count.</summary>
    public Range SameType { get; init; } = 0..0;

    /// <summary>Whether the first input must be of a floating-point type.</summary>
    public bool TakesFloats { get; init; }

    /// <summary>Whether the outputs depend on input shapes only, so that they are known before the network runs.</summary>
    public bool ReadsShapesOnly { get; init; }
}
