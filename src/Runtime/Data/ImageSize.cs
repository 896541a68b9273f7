namespace CoInference.Runtime.Data;

/// <summary>Size of the images a network takes.</summary>
/// <param name="Channels">1 or 3.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Width">Width in pixels.</param>
public sealed record ImageSize(int Channels, int Height, int Width)
{
    /// <summary>The size as <c>3x32x32</c>.</summary>
    public override string ToString() => $"{Channels}x{Height}x{Width}";
}
