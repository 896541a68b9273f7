using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Execution;

/// <summary>
/// What one step of a session does, without its weights: enough to name it in a table, to look its time up, and to
/// rebuild it alone with <see cref="StandaloneStep.Create"/>.
/// </summary>
public sealed record StepSpec
{
    /// <summary>Name of the graph node that the step computes; of the last one when several are fused.</summary>
    public required string Node { get; init; }

    /// <summary>Operator, e.g. <c>Conv</c>, or <c>Reorder</c> for a change of layout between two steps.</summary>
    public required string Op { get; init; }

    /// <summary>Name of the kernel, e.g. <c>conv.direct.v512</c>; <c>reference</c> for the scalar fallback.</summary>
    public required string Kernel { get; init; }

    /// <summary>What runs the step: <c>cpu</c>, or the id of a device.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>
    /// Everything that determines the step's time on a device, as one line: operator, kernel, shapes, layouts,
    /// epilogue, form, density in steps of 1/32, threads. Equal keys may share one measurement.
    /// </summary>
    public required string Key { get; init; }

    /// <summary>Shape of a convolution or fully connected layer; null for other operators.</summary>
    public ConvShape? Conv { get; init; }

    /// <summary>Weight form of the kernel.</summary>
    public WeightForm Form { get; init; }

    /// <summary>Share of weights (of blocks for <see cref="WeightForm.Block"/>) that are not zero, 0 to 1, in steps of 1/32.</summary>
    public double Density { get; init; } = 1;

    /// <summary>Multiply-accumulates of one run, zeros that the kernel skips excluded; 0 for other operators.</summary>
    public long MultiplyAdds { get; init; }

    /// <summary>Bytes that one run has to read and write at least: inputs, weights and outputs.</summary>
    public long Bytes { get; init; }

    /// <summary>The planner's expectation in microseconds: measured when the chooser holds a measurement, else analytic.</summary>
    public double EstimatedMicroseconds { get; init; }

    /// <summary>How to build the step; null for a spec that no planner made.</summary>
    internal StepRecipe? Recipe { get; init; }

    /// <summary>Two specs are equal when they name the same node and have the same key.</summary>
    public bool Equals(StepSpec? other) => other is not null && Node == other.Node && Key == other.Key;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Node, Key);

    /// <summary>The node and key.</summary>
    public override string ToString() => $"{Node}: {Key}";
}
