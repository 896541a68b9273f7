namespace CoInference.Kernels.Gpu.Programs;

/// <summary>What of an input a result sees. A tap's place in the kernel is one bit of a mask, or, in large kernels, its row and column in 16 bits each.</summary>
internal static class Patch
{
    /// <summary>The places of a kernel of at most 32 that lie inside the image, one bit each, row by row.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="firstY">Input row of the first tap.</param>
    /// <param name="firstX">Input column of the first tap.</param>
    public static int Inside(ConvGeometry shape, int firstY, int firstX)
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

    /// <summary>Whether a tap of a large kernel lies inside the image.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="firstY">Input row of the first tap.</param>
    /// <param name="firstX">Input column of the first tap.</param>
    /// <param name="place">Row and column relative to the first tap, in 16 bits each.</param>
    public static bool Sees(ConvGeometry shape, int firstY, int firstX, int place)
    {
        int inY = firstY + (place >> 16);
        int inX = firstX + (place & 0xFFFF);
        return inY >= 0 && inY < shape.InHeight && inX >= 0 && inX < shape.InWidth;
    }
}
