using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// A batch of feature maps as training keeps them: [image][channel block][row][column][lane], one block being the float
/// lanes of the widest vector, each plane inside a border of zeros that convolutions read as padding. The border and the
/// lanes beyond the last channel are never written.
/// </summary>
public sealed unsafe class BorderedMap
{
    private readonly AlignedBuffer _buffer;

    /// <summary>Allocates zeroed maps.</summary>
    /// <param name="batch">Images.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="border">Zero pixels on each side.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1, the border is negative, or the whole is above 2 GiB.</exception>
    public BorderedMap(int batch, int channels, int height, int width, int border)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(border);
        (Batch, Channels, Height, Width, Border) = (batch, channels, height, width, border);
        Blocks = (channels + Lanes - 1) / Lanes;
        RowStride = (nint)(width + (2 * border)) * Lanes;
        PlaneStride = (height + (2 * border)) * RowStride;
        ImageStride = Blocks * PlaneStride;
        _buffer = new AlignedBuffer((long)batch * ImageStride * sizeof(float));
    }

    /// <summary>Channels per block.</summary>
    public static int Lanes => (int)CpuFeatures.Widest;

    /// <summary>Images.</summary>
    public int Batch { get; }

    /// <summary>Channels.</summary>
    public int Channels { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Zero pixels on each side.</summary>
    public int Border { get; }

    /// <summary>Channel blocks.</summary>
    public int Blocks { get; }

    /// <summary>Floats between rows.</summary>
    public nint RowStride { get; }

    /// <summary>Floats between channel blocks of an image.</summary>
    public nint PlaneStride { get; }

    /// <summary>Floats between images.</summary>
    public nint ImageStride { get; }

    /// <summary>Pixel (0, 0), lane 0, of a block of an image; valid while the map is reachable.</summary>
    public float* Plane(int image, int block = 0) =>
        (float*)_buffer.Pointer + (image * ImageStride) + (block * PlaneStride) + (Border * RowStride) + (Border * Lanes);

    /// <summary>One value.</summary>
    public ref float At(int image, int channel, int row, int column) =>
        ref *(Plane(image, channel / Lanes) + (row * RowStride) + ((nint)column * Lanes) + (channel % Lanes));
}
