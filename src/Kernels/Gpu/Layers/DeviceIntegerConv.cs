using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>
/// A convolution of 8-bit integers on a device, exact in 32 bits as <see cref="IntegerConv"/>, and requantized as
/// <see cref="Requantizer"/> does when bytes are asked for.
/// </summary>
public abstract class DeviceIntegerConv : IDisposable
{
    private readonly List<DeviceBuffer> _owned = [];

    /// <summary>Sets the operands.</summary>
    /// <param name="input">Bytes, NCHW; signed ones by their bits.</param>
    /// <param name="zeroPoint">Zero point of the input, one byte of its type.</param>
    /// <param name="output">Where results go, and in what form.</param>
    public abstract DeviceLaunch Bind(DeviceView<byte> input, DeviceView<byte> zeroPoint, IntegerConvOutput output);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _owned) buffer.Dispose();
        _owned.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>Checks the lengths of what a layer is made of.</summary>
    /// <exception cref="ArgumentException">A length does not fit the layer.</exception>
    private protected static void Check(ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias)
    {
        if (weights.Length != shape.WeightCount) throw new ArgumentException($"{weights.Length} weights do not fit convolution {shape}.", nameof(weights));
        if (!bias.IsEmpty && bias.Length != shape.OutChannels) throw new ArgumentException($"{bias.Length} values of a bias do not fit convolution {shape}.", nameof(bias));
    }

    /// <summary>The bit of input bytes that is turned, so that signed ones become unsigned ones that are 128 larger.</summary>
    private protected static int Flip(bool isSigned) => isSigned ? 0x80 : 0;

    /// <summary>Has memory freed with the layer.</summary>
    private protected DeviceBuffer Own(DeviceBuffer buffer)
    {
        _owned.Add(buffer);
        return buffer;
    }
}

/// <summary>Where an integer convolution leaves its results, NCHW.</summary>
public readonly record struct IntegerConvOutput
{
    private IntegerConvOutput(IntegerResult form, DeviceView<int> values, DeviceView<byte> bytes, DeviceView<float> scales) =>
        (Form, Values, Bytes, Scales) = (form, values, bytes, scales);

    /// <summary>What is stored.</summary>
    internal IntegerResult Form { get; }

    /// <summary>Sums or floats; memory that is not touched for bytes.</summary>
    internal DeviceView<int> Values { get; }

    /// <summary>Bytes; memory that is not touched for sums.</summary>
    internal DeviceView<byte> Bytes { get; }

    /// <summary>One per output channel for bytes.</summary>
    internal DeviceView<float> Scales { get; }

    /// <summary>Zero point of bytes.</summary>
    internal int ZeroPoint { get; private init; }

    /// <summary>Lowest and highest byte.</summary>
    internal (int Lowest, int Highest) Range { get; private init; }

    /// <summary>The sums: sum of (x - zero point) w, plus the bias.</summary>
    public static IntegerConvOutput Sums(DeviceView<int> sums) => new(IntegerResult.Sums, sums, sums.As<byte>(1), sums.As<float>(1));

    /// <summary>The sums, rounded to float32.</summary>
    public static IntegerConvOutput Floats(DeviceView<float> sums) => new(IntegerResult.Floats, sums.As<int>(sums.Length), sums.As<byte>(1), sums);

    /// <summary>Bytes: the sums times a scale, rounded to even, plus a zero point, saturated.</summary>
    /// <param name="bytes">Receives them; signed ones by their bits.</param>
    /// <param name="scales">Input scale times weight scale over output scale, per output channel.</param>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed.</param>
    public static IntegerConvOutput Requantized(DeviceView<byte> bytes, DeviceView<float> scales, int zeroPoint, bool isSigned) =>
        new(IntegerResult.Bytes, scales.As<int>(1), bytes, scales) { ZeroPoint = zeroPoint, Range = isSigned ? (sbyte.MinValue, sbyte.MaxValue) : (byte.MinValue, byte.MaxValue) };
}
