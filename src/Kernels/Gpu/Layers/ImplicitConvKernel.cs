using System.Globalization;
using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Tiled implicit matrix product (<see cref="Convolution.Implicit"/>) with one choice of tiles.</summary>
internal sealed class ImplicitConvKernel : DeviceConvKernel
{
    private const int RegN = 4;
    private readonly int _tileM;
    private readonly int _tileN;
    private readonly int _tileK;
    private readonly int _regM;
    private readonly int _threads;

    /// <summary>A choice of tiles.</summary>
    /// <param name="tileM">Output channels of a tile.</param>
    /// <param name="tileN">Pixels of a tile.</param>
    /// <param name="tileK">Taps loaded at once.</param>
    /// <param name="regM">Output channels of a thread.</param>
    /// <exception cref="ArgumentException">Threads would load parts of a row: the threads of a group are no multiple of both tile sides.</exception>
    public ImplicitConvKernel(int tileM, int tileN, int tileK, int regM)
    {
        (_tileM, _tileN, _tileK, _regM) = (tileM, tileN, tileK, regM);
        _threads = tileM / regM * (tileN / RegN);
        if (_threads % tileM != 0 || _threads % tileN != 0) throw new ArgumentException($"{_threads} threads do not load rows of {tileM} and {tileN} values.", nameof(tileM));
    }

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"conv.implicit.{_tileM}x{_tileN}");

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        _threads <= limits.MaxGroupThreads && 4L * _tileK * (_tileM + _tileN) <= limits.SharedBytes;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        long tiles = Tiles(shape.OutChannels / shape.Groups, _tileM) * Tiles((long)shape.Batch * shape.OutHeight * shape.OutWidth, _tileN) * shape.Groups;
        double products = (double)tiles * _tileM * _tileN * Tiles(TapCount(shape), _tileK) * _tileK;
        // A value loaded from shared memory serves regM or RegN products.
        double perProduct = 1 + (0.5 / _regM) + (0.5 / RegN);
        return products * perProduct / Math.Min(1, tiles / (double)limits.ComputeUnits);
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int outChannels = shape.OutChannels / shape.Groups, taps = TapCount(shape);
        int padded = (outChannels + 3) / 4 * 4;
        var packed = new float[shape.Groups * taps * padded];
        for (int group = 0; group < shape.Groups; group++)
        {
            for (int channel = 0; channel < outChannels; channel++)
            {
                for (int tap = 0; tap < taps; tap++)
                    packed[(((group * taps) + tap) * padded) + channel] = weights[(((group * outChannels) + channel) * taps) + tap];
            }
        }

        var places = new int[3 * taps];
        for (int tap = 0; tap < taps; tap++) (places[3 * tap], places[(3 * tap) + 1], places[(3 * tap) + 2]) = Tap(shape, tap);
        return new Layer(this, device, shape, epilogue, padded, packed, bias, places);
    }

    private static long Tiles(long count, int tile) => (count + tile - 1) / tile;

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ImplicitConvKernel _kernel;
        private readonly ComputeDevice _device;
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly int _padded;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;
        private readonly DeviceBuffer _taps;

        public Layer(ImplicitConvKernel kernel, ComputeDevice device, ConvShape shape, Epilogue epilogue, int padded, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, ReadOnlySpan<int> taps)
        {
            (_kernel, _device, _shape, _epilogue, _padded) = (kernel, device, shape, epilogue, padded);
            _weights = DeviceMemory.Upload(device, weights);
            _bias = DeviceMemory.Upload(device, bias);
            _taps = DeviceMemory.Upload(device, taps);
        }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output)
        {
            bool isPointwise = _shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };
            DeviceKernel kernel = Convolution_Implicit.Bind(
                _device, input, _weights.View<float>(), _bias.View<float>(), _epilogue.HasResidual ? residual : output, _taps.View<int>(), output,
                Geometry(_shape, _epilogue, _padded), TapCount(_shape),
                _epilogue.HasResidual ? 1 : 0, isPointwise ? 1 : 0, _kernel._tileM, _kernel._tileN, _kernel._tileK, _kernel._regM);
            long pixels = (long)_shape.Batch * _shape.OutHeight * _shape.OutWidth;
            return new DeviceLaunch(kernel, new LaunchShape(
                checked((int)Tiles(pixels, _kernel._tileN)), (int)Tiles(_shape.OutChannels / _shape.Groups, _kernel._tileM), _shape.Groups, _kernel._threads));
        }

        protected override void Dispose(bool disposing)
        {
            _weights.Dispose();
            _bias.Dispose();
            _taps.Dispose();
        }
    }
}
