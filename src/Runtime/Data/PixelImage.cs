namespace CoInference.Runtime.Data;

/// <summary>One 8-bit image whose channels are interleaved: row by row, pixel by pixel (HWC), as image files store it.</summary>
/// <param name="Channels">1 is gray, 3 is RGB, 4 is RGB with alpha.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Width">Width in pixels.</param>
/// <param name="Pixels">Height x Width x Channels bytes.</param>
public sealed record PixelImage(int Channels, int Height, int Width, byte[] Pixels)
{
    /// <summary>Interleaves an image whose channels are planes (CHW).</summary>
    /// <exception cref="ArgumentException">The length is not the product of the sizes.</exception>
    public static PixelImage FromPlanes(ReadOnlySpan<byte> planes, int channels, int height, int width)
    {
        int plane = height * width;
        if (planes.Length != plane * channels) throw new ArgumentException($"{planes.Length} bytes are not an image of {channels}x{height}x{width}.", nameof(planes));
        var pixels = new byte[planes.Length];
        for (int c = 0; c < channels; c++)
        {
            for (int i = 0; i < plane; i++) pixels[(i * channels) + c] = planes[(c * plane) + i];
        }

        return new PixelImage(channels, height, width, pixels);
    }

    /// <summary>
    /// Writes the image as planes (CHW) of 1 or 3 channels. Gray becomes RGB by repetition, RGB becomes gray by the
    /// ITU-R BT.601 luma, alpha is dropped.
    /// </summary>
    /// <exception cref="ArgumentException"><paramref name="planes"/> is not channels x Height x Width bytes.</exception>
    public void CopyPlanes(int channels, Span<byte> planes)
    {
        int plane = Height * Width;
        if (planes.Length != channels * plane) throw new ArgumentException($"{planes.Length} bytes cannot take {channels}x{Height}x{Width}.", nameof(planes));
        for (int i = 0; i < plane; i++)
        {
            ReadOnlySpan<byte> pixel = Pixels.AsSpan(i * Channels, Channels);
            if (channels == 1 && Channels >= 3) planes[i] = (byte)(((299 * pixel[0]) + (587 * pixel[1]) + (114 * pixel[2]) + 500) / 1000);
            else
            {
                for (int c = 0; c < channels; c++) planes[(c * plane) + i] = pixel[Channels >= 3 ? c : 0];
            }
        }
    }
}
