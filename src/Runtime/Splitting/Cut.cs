using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Splitting;

/// <summary>Where on the way from input to output a cut lies.</summary>
public enum CutKind
{
    /// <summary>The network's input crosses; the edge runs everything.</summary>
    Input,

    /// <summary>A value inside the network crosses.</summary>
    Interior,

    /// <summary>The network's output is computed on the device; nothing needs to cross.</summary>
    Output,
}

/// <summary>A place where the network falls into two parts with exactly one tensor between them.</summary>
/// <param name="Value">Name of the value that crosses.</param>
/// <param name="Shape">Its shape for one image.</param>
/// <param name="RawBytes">Its size for one image, uncompressed.</param>
/// <param name="Position">Nodes that run on the device.</param>
/// <param name="Kind">Where the cut lies.</param>
public sealed record Cut(string Value, TensorShape Shape, long RawBytes, int Position, CutKind Kind)
{
    /// <summary>
    /// Whether another legal cut crosses with at most as many bytes and the same computation on either side up to an
    /// elementwise step that a session fuses or a view that costs nothing, so that searching this one too is a waste.
    /// </summary>
    public bool IsDominated { get; init; }
}
