using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Random data of a layer of 8-bit integers over their whole range, row-major, and what the integer reference makes of it.</summary>
internal sealed class RandomIntegerLayer
{
    private const int Seed = 17;
    private readonly Tensor _input;
    private readonly Tensor _weights;

    /// <summary>Makes the data; the reference runs when its result is asked for.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="isSigned">Whether the input is signed; weights are always.</param>
    /// <param name="zeroPoint">Zero point of the input, a value of its type.</param>
    /// <param name="hasBias">Whether the sums begin with a value per output channel; else with 0.</param>
    public RandomIntegerLayer(ConvShape shape, bool isSigned, int zeroPoint, bool hasBias)
    {
        (Shape, IsSigned, ZeroPoint) = (shape, isSigned, zeroPoint);
        var random = new Random(Seed);
        _input = new Tensor(isSigned ? ElementType.Int8 : ElementType.UInt8, new TensorShape(shape.Batch, shape.InChannels, shape.InHeight, shape.InWidth));
        _weights = new Tensor(ElementType.Int8, new TensorShape(shape.OutChannels, shape.InChannels / shape.Groups, shape.KernelHeight, shape.KernelWidth));
        random.NextBytes(_input.Bytes);
        random.NextBytes(_weights.Bytes);
        Bias = new int[shape.OutChannels];
        Scales = new float[shape.OutChannels];
        // A product of two such bytes spreads by 5500, a sum of n by sqrt(n) times that: most results fit a byte.
        double scale = 1 / (64 * Math.Sqrt(_weights.Count / shape.OutChannels));
        for (int channel = 0; channel < Bias.Length; channel++)
        {
            Bias[channel] = hasBias ? random.Next(-5000, 5000) : 0;
            Scales[channel] = (float)((random.NextDouble() + 0.5) * scale);
        }

        CheckedImages = RandomLayer.ImagesToCheck(shape);
    }

    public ConvShape Shape { get; }

    public bool IsSigned { get; }

    public int ZeroPoint { get; }

    /// <summary>NCHW; signed ones by their bits.</summary>
    public ReadOnlySpan<byte> Input => _input.Bytes;

    /// <summary>NCHW, in memory aligned for vectors.</summary>
    public Tensor InputTensor => _input;

    /// <summary>[output channel][input channel of the group][row][column].</summary>
    public ReadOnlySpan<sbyte> Weights => _weights.Values<sbyte>();

    /// <summary>Per output channel, in units of the sums.</summary>
    public int[] Bias { get; }

    /// <summary>What a sum is multiplied with to become a byte, per output channel.</summary>
    public float[] Scales { get; }

    /// <summary>Images that the reference computes; see <see cref="RandomLayer.ImagesToCheck"/>.</summary>
    public IReadOnlyList<int> CheckedImages { get; }

    /// <summary>Values of an image of the output.</summary>
    public int OutputsPerImage => Shape.OutChannels * Shape.OutHeight * Shape.OutWidth;

    /// <summary>The sums of an image: of (x - zero point) w, plus the bias.</summary>
    public int[] ExpectedSums(int image)
    {
        int[] sums = Convolution.RunInteger(ImageOf(image), _weights, ZeroPointOf(_input.Type, ZeroPoint), null, Window, Shape.Groups).Values<int>().ToArray();
        int pixels = Shape.OutHeight * Shape.OutWidth;
        for (int i = 0; i < sums.Length; i++) sums[i] += Bias[i / pixels];
        return sums;
    }

    /// <summary>The bytes of an image: the sums times <see cref="Scales"/>, rounded to even, plus a zero point, saturated.</summary>
    /// <param name="image">The image.</param>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed.</param>
    public byte[] ExpectedBytes(int image, int zeroPoint, bool isSigned)
    {
        var one = Tensor.Scalar(1f);
        var input = new QuantizedTensor(ImageOf(image), one, ZeroPointOf(_input.Type, ZeroPoint));
        var weights = new QuantizedTensor(_weights, Tensor.From<float>(new TensorShape(Shape.OutChannels), Scales), ZeroPointOf(ElementType.Int8, 0));
        var output = new QuantizedScale(one, ZeroPointOf(isSigned ? ElementType.Int8 : ElementType.UInt8, zeroPoint));
        Tensor bias = Tensor.From<int>(new TensorShape(Shape.OutChannels), Bias);
        return Convolution.RunQuantized(input, weights, bias, output, Window, Shape.Groups).Bytes.ToArray();
    }

    private SpatialWindow Window => SpatialWindow.Create(
        [Shape.InHeight, Shape.InWidth], [Shape.KernelHeight, Shape.KernelWidth], [Shape.StrideY, Shape.StrideX],
        [Shape.DilationY, Shape.DilationX], [Shape.PadTop, Shape.PadLeft, Shape.PadBottom, Shape.PadRight]);

    private static Tensor ZeroPointOf(ElementType type, int value) =>
        type == ElementType.Int8 ? Tensor.Scalar((sbyte)value) : Tensor.Scalar((byte)value);

    private Tensor ImageOf(int image)
    {
        var one = new Tensor(_input.Type, new TensorShape(1, Shape.InChannels, Shape.InHeight, Shape.InWidth));
        _input.Bytes.Slice(image * one.Count, one.Count).CopyTo(one.Bytes);
        return one;
    }
}
