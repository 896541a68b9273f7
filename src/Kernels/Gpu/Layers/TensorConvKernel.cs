using System.Globalization;
using CoInference.Kernels.Gpu.Dialect;
using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>To what the factors of products are rounded. Sums are in float32 always.</summary>
public enum ProductPrecision
{
    /// <summary>Not at all.</summary>
    Float32,

    /// <summary>10 fraction bits with the range of float32.</summary>
    Tf32,

    /// <summary>7 fraction bits with the range of float32.</summary>
    BFloat16,

    /// <summary>10 fraction bits, at most 65 504.</summary>
    Float16,
}

/// <summary>Tiled implicit matrix product with rounded factors (<see cref="TensorConvolution.Implicit"/>): by tensor cores on CUDA from compute capability 8.0 on.</summary>
/// <remarks>
/// A warp reads 12 or 16 words of its operands per thread for 16 or 8 products of 16 x 8, so that the larger tiles give a warp 64
/// channels. A thread then holds 64 sums and, while they are loaded, up to 8 + 8 words of the next tiles. Two pairs of tiles of 128 x 128
/// are 34 KiB.
/// </remarks>
internal sealed class TensorConvKernel : DeviceConvKernel
{
    private const int Depth = 16;
    private const int Pad = 8;
    private const int WarpN = 32;
    private readonly ProductPrecision _precision;
    private readonly int _tileM;
    private readonly int _tileN;

    /// <summary>A choice of tiles.</summary>
    /// <param name="precision">The rounding.</param>
    /// <param name="tileM">Output channels of a tile, a multiple of 32.</param>
    /// <param name="tileN">Pixels of a tile, a multiple of 32 that divides the threads.</param>
    public TensorConvKernel(ProductPrecision precision, int tileM, int tileN) => (_precision, _tileM, _tileN) = (precision, tileM, tileN);

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"conv.{_precision.ToString().ToLowerInvariant()}.{_tileM}x{_tileN}");

    public override WeightForm Form => WeightForm.Dense;

    public override ProductPrecision Precision => _precision;

    private int WarpM => _tileM >= 128 ? 64 : 32;

    private int Threads => _tileM / WarpM * (_tileN / WarpN) * 32;

    private int TapsOfWord => _precision == ProductPrecision.Tf32 ? 1 : 2;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        Threads <= limits.MaxGroupThreads && 2 * sizeof(uint) * Depth * (_tileM + _tileN + (2 * Pad)) <= limits.SharedBytes && shape.Groups <= MostGroupsAlongZ;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        // Tensor cores do eight times the products of the other units in tf32, sixteen times in 16 bits; the gathering of patches stays.
        // Without them each product is rounded, widened and multiplied by the other units.
        double speed = limits.HasMatrixUnits ? 4.0 * TapsOfWord : 0.25;
        long groups = (long)ProductTile.Tiles(shape.OutChannels / shape.Groups, _tileM) * ProductTile.Tiles((long)shape.Batch * shape.OutHeight * shape.OutWidth, _tileN) * shape.Groups;
        double ofGroup = (double)_tileM * _tileN * ProductTile.Tiles(TapCount(shape), Depth * TapsOfWord) * Depth * TapsOfWord;
        return ofGroup * Math.Max(2, Math.Ceiling(groups / (double)limits.ComputeUnits)) * limits.ComputeUnits / speed;
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int outChannels = shape.OutChannels / shape.Groups, taps = TapCount(shape);
        int words = ProductTile.Tiles(taps, Depth * TapsOfWord) * Depth;
        int padded = ProductTile.Tiles(outChannels, _tileM) * _tileM;
        var packed = new uint[shape.Groups * padded * words];
        for (int channel = 0; channel < shape.OutChannels; channel++)
        {
            (int group, int row) = Math.DivRem(channel, outChannels);
            for (int tap = 0; tap < taps; tap++)
                packed[(((group * words) + (tap / TapsOfWord)) * padded) + row] |= Round(weights[(channel * taps) + tap]) << (tap % TapsOfWord * 16);
        }

        return new Layer(device, shape, epilogue, this, padded, words, packed, bias);
    }

    // A host's C# cannot run the dialect's functions over views, but those over numbers are the same on both sides.
    private uint Round(float value) => _precision switch
    {
        ProductPrecision.Tf32 => MatrixUnit.RoundTf32(value),
        ProductPrecision.BFloat16 => BrainFloat.Round(value),
        _ => HalfFloat.Round(value),
    };

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly TensorConvKernel _kernel;
        private readonly int _padded;
        private readonly int _words;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;
        private readonly DeviceBuffer _taps;

        public Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, TensorConvKernel kernel, int padded, int words, ReadOnlySpan<uint> weights, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue, _kernel, _padded, _words) = (device, shape, epilogue, kernel, padded, words);
            _weights = Upload(weights);
            _bias = Upload(bias);
            _taps = Upload<int>(ImplicitConvKernel.TapTable(shape, words * kernel.TapsOfWord));
        }

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            DeviceKernel kernel = TensorConvolution_Implicit.Bind(
                Device, input, _weights.View<uint>(), _bias.View<float>(), _epilogue.HasResidual ? residual : output, _taps.View<int>(), output,
                Geometry(_shape, _epilogue, _padded), _words, _epilogue.HasResidual ? 1 : 0, IsWide(_shape) ? 1 : 0, (int)_kernel._precision - 1, _kernel._tileM, _kernel._tileN, _kernel.WarpM);
            long pixels = (long)_shape.Batch * _shape.OutHeight * _shape.OutWidth;
            return new DeviceLaunch(kernel, new LaunchShape(
                ProductTile.Tiles(pixels, _kernel._tileN), ProductTile.Tiles(_shape.OutChannels / _shape.Groups, _kernel._tileM), _shape.Groups, _kernel.Threads));
        }
    }
}
