using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>What is known about a value before the network runs.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Shape; null when it depends on data or on a size that was not given.</param>
public sealed record ValueSpec(ElementType Type, TensorShape? Shape)
{
    /// <summary>The value itself where it is constant and small enough to be worth knowing, else null.</summary>
    public Tensor? Value { get; init; }

    /// <summary>The specification of a known tensor.</summary>
    public static ValueSpec Of(Tensor value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new ValueSpec(value.Type, value.Shape) { Value = value };
    }

    /// <summary>The type and shape as <c>Float32 [1, 64, 8, 8]</c>.</summary>
    public override string ToString() => $"{Type} {Shape?.ToString() ?? "of unknown shape"}";
}
