using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Sparsity;

/// <summary>Gathers convolution windows into rows of a matrix ("im2col").</summary>
internal static class PatchMatrix
{
    /// <summary>
    /// Writes one row per output position: the window's taps in order kernel row, kernel column, input channel of the
    /// group. Taps outside the image are zero.
    /// </summary>
    /// <param name="input">The layer's input.</param>
    /// <param name="shape">The layer; its batch is not used.</param>
    /// <param name="group">Channel group.</param>
    /// <param name="positions">Output positions, image-major: (n · OutHeight + y) · OutWidth + x.</param>
    /// <param name="rows">Receives positions.Length rows.</param>
    /// <param name="stride">Floats from row to row; those beyond the taps are not touched.</param>
    public static void Gather(CalibrationActivation input, ConvShape shape, int group, ReadOnlySpan<int> positions, Span<float> rows, int stride)
    {
        int outHeight = shape.OutHeight, outWidth = shape.OutWidth, channels = shape.InChannels / shape.Groups;
        ReadOnlySpan<float> values = input.Values;
        for (int i = 0; i < positions.Length; i++)
        {
            int image = positions[i] / (outHeight * outWidth), pixel = positions[i] % (outHeight * outWidth);
            int top = (pixel / outWidth * shape.StrideY) - shape.PadTop, left = (pixel % outWidth * shape.StrideX) - shape.PadLeft;
            Span<float> row = rows.Slice(i * stride, shape.KernelHeight * shape.KernelWidth * channels);
            for (int ky = 0; ky < shape.KernelHeight; ky++)
            {
                int y = top + (ky * shape.DilationY);
                Span<float> taps = row.Slice(ky * shape.KernelWidth * channels, shape.KernelWidth * channels);
                if ((uint)y >= (uint)shape.InHeight)
                {
                    taps.Clear();
                    continue;
                }

                int line = ((image * shape.InHeight) + y) * shape.InWidth;
                if (shape is { Groups: 1, DilationX: 1 } && left >= 0 && left + shape.KernelWidth <= shape.InWidth)
                {
                    values.Slice((line + left) * channels, taps.Length).CopyTo(taps);
                    continue;
                }

                for (int kx = 0; kx < shape.KernelWidth; kx++)
                {
                    int x = left + (kx * shape.DilationX);
                    Span<float> tap = taps.Slice(kx * channels, channels);
                    if ((uint)x >= (uint)shape.InWidth) tap.Clear();
                    else values.Slice(((line + x) * shape.InChannels) + (group * channels), channels).CopyTo(tap);
                }
            }
        }
    }
}
