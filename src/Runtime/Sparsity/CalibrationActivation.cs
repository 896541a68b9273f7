using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// One value of the network for all calibration images. Images are stored pixel by pixel, [N, H, W, C]: the taps of a
/// convolution window are then a few contiguous runs, and a layer is one matrix product over all pixels.
/// </summary>
internal sealed class CalibrationActivation
{
    /// <summary>Creates a zero-filled value.</summary>
    /// <param name="shape">Shape in ONNX order: [N, C], [N, C, W] or [N, C, H, W].</param>
    /// <exception cref="NotSupportedException">The rank is not 2, 3 or 4.</exception>
    public CalibrationActivation(TensorShape shape)
        : this(shape, new float[shape.Count])
    {
    }

    private CalibrationActivation(TensorShape shape, float[] values)
    {
        if (shape.Rank is < 2 or > 4) throw new NotSupportedException($"Calibration follows images and vectors; shape {shape} has rank {shape.Rank}.");
        Shape = shape;
        Values = values;
    }

    /// <summary>Shape in ONNX order.</summary>
    public TensorShape Shape { get; }

    /// <summary>The values, [N, H, W, C].</summary>
    public float[] Values { get; }

    /// <summary>Images.</summary>
    public int Images => Shape[0];

    /// <summary>Channels.</summary>
    public int Channels => Shape[1];

    /// <summary>Rows of pixels; 1 for rank 2 and 3.</summary>
    public int Height => Shape.Rank == 4 ? Shape[2] : 1;

    /// <summary>Columns of pixels; 1 for rank 2.</summary>
    public int Width => Shape.Rank == 2 ? 1 : Shape[-1];

    /// <summary>Pixels of all images.</summary>
    public int Pixels => Images * Height * Width;

    /// <summary>The same values under another shape; both must have the same order in memory.</summary>
    public CalibrationActivation View(TensorShape shape) => new(shape, Values);

    /// <summary>A copy with memory of its own.</summary>
    public CalibrationActivation Copy() => new(Shape, Values.AsSpan().ToArray());

    /// <summary>Converts from ONNX order.</summary>
    public static CalibrationActivation FromTensor(Tensor tensor)
    {
        var activation = new CalibrationActivation(tensor.Shape);
        Transpose(tensor.Values<float>(), activation.Values, activation.Images, activation.Channels, activation.Height * activation.Width);
        return activation;
    }

    /// <summary>Converts to ONNX order.</summary>
    public Tensor ToTensor()
    {
        var tensor = new Tensor(ElementType.Float32, Shape);
        Transpose(Values, tensor.Values<float>(), Images, Height * Width, Channels);
        return tensor;
    }

    private static void Transpose(ReadOnlySpan<float> source, Span<float> target, int images, int rows, int columns)
    {
        int size = rows * columns;
        for (int n = 0; n < images; n++)
        {
            ReadOnlySpan<float> from = source.Slice(n * size, size);
            Span<float> to = target.Slice(n * size, size);
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < columns; c++) to[(c * rows) + r] = from[(r * columns) + c];
            }
        }
    }
}
