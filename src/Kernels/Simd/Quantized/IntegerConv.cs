using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Convolution of 8-bit integers with packed 8-bit weights, exact in 32 bits: y = sum of (x - zero point of x)
/// (w - zero point of w), row-major. Padding contributes nothing.
/// </summary>
public sealed unsafe class IntegerConv
{
    /// <summary>Most products per output whose sum cannot overflow 32 bits.</summary>
    public const int MaximumTaps = int.MaxValue / (255 * 255);

    private readonly ByteConvKernel _kernel;

    /// <summary>Packs the weights. The array is not kept.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="weights">
    /// [OutChannels, InChannels / Groups, KernelHeight, KernelWidth], the zero point subtracted: -255 to 255.
    /// </param>
    /// <param name="portable">Whether to use the kernel that runs every layer on every CPU even where a faster one could.</param>
    /// <exception cref="ArgumentException">The shape is invalid, has more than <see cref="MaximumTaps"/> taps, or the weights do not fit it.</exception>
    public IntegerConv(ConvShape shape, ReadOnlySpan<short> weights, bool portable = false)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        if (weights.Length != shape.WeightCount) throw new ArgumentException($"{weights.Length} weights do not fit convolution {shape}.", nameof(weights));
        int taps = shape.WeightCount / shape.OutChannels;
        if (taps > MaximumTaps) throw new ArgumentException($"Convolution {shape} sums {taps} products, more than {MaximumTaps}.", nameof(shape));
        _kernel = portable ? new PairConv(shape, weights)
            : DepthwiseByteConv.Supports(shape) ? new DepthwiseByteConv(shape, weights)
            : TiledByteConv.Choose(shape, weights) is { } tile ? new TiledByteConv(shape, tile, weights)
            : new PairConv(shape, weights);
    }

    /// <summary>Kernel in use, e.g. <c>conv.integer.vnni256</c>.</summary>
    public string Name => _kernel.Name;

    /// <summary>Independent parts of the work, for <see cref="Run"/>.</summary>
    public int Units => _kernel.Units;

    /// <summary>Scratch memory of one run over all units, in bytes.</summary>
    public long ScratchBytes => _kernel.ScratchBytes;

    /// <summary>Computes some units. Allocates nothing. Ranges of units that do not overlap may run at the same time.</summary>
    /// <param name="input">[Batch, InChannels, InHeight, InWidth] of 8-bit integers.</param>
    /// <param name="isSigned">Whether the input is signed.</param>
    /// <param name="zeroPoint">Zero point of the input.</param>
    /// <param name="output">[Batch, OutChannels, OutHeight, OutWidth].</param>
    /// <param name="storesFloats">Whether each sum is stored as the nearest float32 in place of the integer.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> bytes, 64-byte aligned, the same for all units of a run.</param>
    /// <param name="firstUnit">First unit.</param>
    /// <param name="endUnit">Unit after the last.</param>
    public void Run(byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, byte* scratch, int firstUnit, int endUnit) =>
        _kernel.Run(input, isSigned, zeroPoint, output, storesFloats, null, scratch, firstUnit, endUnit);

    /// <summary>As <see cref="Run"/>, but turns sums into 8-bit integers of another scale while they are in the first caches.</summary>
    /// <param name="input">[Batch, InChannels, InHeight, InWidth] of 8-bit integers.</param>
    /// <param name="isSigned">Whether the input is signed.</param>
    /// <param name="zeroPoint">Zero point of the input.</param>
    /// <param name="output">Where they go, and how they are scaled.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> bytes, 64-byte aligned, the same for all units of a run.</param>
    /// <param name="firstUnit">First unit.</param>
    /// <param name="endUnit">Unit after the last.</param>
    public void RunRequantized(byte* input, bool isSigned, int zeroPoint, RequantizedOutput output, byte* scratch, int firstUnit, int endUnit) =>
        _kernel.Run(input, isSigned, zeroPoint, null, storesFloats: false, &output, scratch, firstUnit, endUnit);
}
