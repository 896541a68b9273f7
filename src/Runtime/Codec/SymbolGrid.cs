using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Codec;

/// <summary>How the symbols of a payload lie: planes of rows, one plane per channel that is sent.</summary>
/// <param name="Planes">Channels.</param>
/// <param name="Height">Rows per plane.</param>
/// <param name="Width">Symbols per row.</param>
internal readonly record struct SymbolGrid(int Planes, int Height, int Width)
{
    /// <summary>Rows of all planes.</summary>
    public int Rows => Planes * Height;

    /// <summary>Symbols of all planes.</summary>
    public int Count => Rows * Width;

    /// <summary>The grid of a feature of which some channels are sent.</summary>
    public static SymbolGrid Of(TensorShape featureShape, int planes) => featureShape.Rank switch
    {
        2 => new SymbolGrid(planes, 1, 1),
        3 => new SymbolGrid(planes, 1, featureShape[2]),
        _ => new SymbolGrid(planes, featureShape[2], featureShape[3]),
    };
}
