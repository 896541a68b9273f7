namespace CoInference.Kernels.Simd.Training;

/// <summary>Size of a <see cref="BorderedMap"/> without its batch.</summary>
/// <param name="Channels">Channels.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Border">Zero pixels on each side.</param>
public readonly record struct MapGeometry(int Channels, int Height, int Width, int Border)
{
    /// <summary>Floats between rows.</summary>
    public nint RowStride => (nint)(Width + (2 * Border)) * BorderedMap.Lanes;

    /// <summary>Allocates zeroed maps of this size.</summary>
    public BorderedMap Allocate(int batch) => new(batch, Channels, Height, Width, Border);
}
