using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>Declared name, type and shape of a graph input or output.</summary>
/// <param name="Name">Value name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Dimensions">Dimensions, outermost first; null when the rank is not declared.</param>
public sealed record ValueInfo(string Name, ElementType Type, IReadOnlyList<Dimension>? Dimensions);

/// <summary>One declared dimension: a size, or a name that stands for a size known at run time.</summary>
/// <param name="Size">The size; null when symbolic.</param>
/// <param name="Symbol">The symbol; null when the size is known or nothing was declared.</param>
public readonly record struct Dimension(int? Size, string? Symbol = null)
{
    /// <summary>The size, the symbol, or a question mark.</summary>
    public override string ToString() => Size?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? Symbol ?? "?";
}
