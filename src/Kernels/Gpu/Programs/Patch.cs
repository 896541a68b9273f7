namespace CoInference.Kernels.Gpu.Programs;

/// <summary>What of an input a result sees. A tap's place in the kernel is one bit of a mask, or, in large kernels, its row and column in 16 bits each.</summary>
internal static class Patch
{
    /// <summary>Where a result's patch begins.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="pixel">The result among the pixels of all images; past the last it sees no tap.</param>
    /// <param name="group">The channel group.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    public static PatchOrigin Locate(ConvGeometry shape, int pixel, int group, int isWide)
    {
        int outPixels = shape.OutHeight * shape.OutWidth;
        int image = pixel / outPixels;
        int place = pixel - (image * outPixels);
        int outY = place / shape.OutWidth;
        int y = (outY * shape.StrideY) - shape.PadTop;
        int x = ((place - (outY * shape.OutWidth)) * shape.StrideX) - shape.PadLeft;
        var origin = new PatchOrigin
        {
            Source = (((image * shape.Groups) + group) * shape.InChannels * shape.InHeight * shape.InWidth) + (y * shape.InWidth) + x,
            Y = image < shape.Batch ? y : shape.InHeight,
            X = x,
            Inside = 0,
        };
        if (isWide == 0) origin.Inside = Inside(shape, origin.Y, x);
        return origin;
    }

    /// <summary>Whether a tap lies inside the image.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="origin">The result's patch.</param>
    /// <param name="place">The tap's place.</param>
    /// <param name="isWide">1 when a kernel has more than 32 places.</param>
    public static bool Sees(ConvGeometry shape, PatchOrigin origin, int place, int isWide)
    {
        if (isWide == 0) return (origin.Inside & place) != 0;
        int inY = origin.Y + (place >> 16);
        int inX = origin.X + (place & 0xFFFF);
        return inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth;
    }

    // The places of a kernel of at most 32 that lie inside the image, one bit each, row by row.
    private static int Inside(ConvGeometry shape, int firstY, int firstX)
    {
        int inside = 0;
        int bit = 1;
        for (int ky = 0; ky < shape.KernelHeight; ky++)
        {
            int inY = firstY + (ky * shape.DilationY);
            for (int kx = 0; kx < shape.KernelWidth; kx++)
            {
                int inX = firstX + (kx * shape.DilationX);
                if (inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth) inside |= bit;
                bit <<= 1;
            }
        }

        return inside;
    }
}

/// <summary>The input that a result sees.</summary>
internal struct PatchOrigin
{
    /// <summary>Where the first tap of the first channel of the group lies in the input.</summary>
    public int Source;

    /// <summary>Its row; below the image for results that do not exist.</summary>
    public int Y;

    /// <summary>Its column.</summary>
    public int X;

    /// <summary>The places inside the image, in kernels of at most 32.</summary>
    public int Inside;
}
