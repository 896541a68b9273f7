using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Tiled implicit matrix product (<see cref="Convolution.Implicit"/>) with one choice of tiles.</summary>
internal sealed class ImplicitConvKernel : DeviceConvKernel
{
    private readonly ProductTile _tile;
    private readonly bool _splits;

    /// <summary>A choice of tiles.</summary>
    /// <param name="tile">The tiles.</param>
    /// <param name="splits">Whether the taps are cut into shares that are summed in a second pass, for layers of few pixels.</param>
    /// <exception cref="ArgumentException">A thread would gather patches of several pixels: the pixels of a tile do not divide the threads.</exception>
    public ImplicitConvKernel(ProductTile tile, bool splits = false)
    {
        if (tile.Threads % tile.N != 0) throw new ArgumentException($"{tile.Threads} threads cannot share {tile.N} pixels evenly.", nameof(tile));
        (_tile, _splits) = (tile, splits);
    }

    public override string Name => $"conv.implicit.{_tile}{(_splits ? ".split" : "")}";

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        _tile.Threads <= limits.MaxGroupThreads && _tile.SharedBytes(padding: 0) <= limits.SharedBytes
        && shape.Groups * Splits(shape, limits) <= MostGroupsAlongZ && (!_splits || Splits(shape, limits) > 1);

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        int splits = Splits(shape, limits);
        double cost = _tile.Cost(Groups(shape) * splits, ProductTile.Tiles(TapCount(shape), splits), limits);
        return splits == 1 ? cost : cost + ((1 + (2.0 * splits)) * OutputCount(shape) * PerValueMoved);
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int outChannels = shape.OutChannels / shape.Groups, taps = TapCount(shape);
        int paddedTaps = ProductTile.Tiles(taps, _tile.K) * _tile.K;
        int padded = ProductTile.Tiles(outChannels, _tile.M) * _tile.M;
        var packed = new float[shape.Groups * paddedTaps * padded];
        for (int group = 0; group < shape.Groups; group++)
        {
            for (int channel = 0; channel < outChannels; channel++)
            {
                for (int tap = 0; tap < taps; tap++)
                    packed[(((group * paddedTaps) + tap) * padded) + channel] = weights[(((group * outChannels) + channel) * taps) + tap];
            }
        }

        return new Layer(device, shape, epilogue, this, padded, packed, bias, TapTable(shape, paddedTaps));
    }

    /// <summary>Where taps read, two numbers each. Taps of the padding lie nowhere: no bit of a mask, or a row below every image.</summary>
    internal static int[] TapTable(ConvShape shape, int paddedTaps)
    {
        var table = new int[2 * paddedTaps];
        for (int tap = 0; tap < paddedTaps; tap++)
            (table[2 * tap], table[(2 * tap) + 1]) = tap < TapCount(shape) ? Place(shape, tap) : (0, IsWide(shape) ? short.MaxValue << 16 : 0);
        return table;
    }

    private long Groups(ConvShape shape) =>
        (long)ProductTile.Tiles(shape.OutChannels / shape.Groups, _tile.M) * ProductTile.Tiles((long)shape.Batch * shape.OutHeight * shape.OutWidth, _tile.N) * shape.Groups;

    private int Splits(ConvShape shape, DeviceLimits limits) => _splits ? _tile.Splits(Groups(shape), TapCount(shape), limits) : 1;

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly ImplicitConvKernel _kernel;
        private readonly int _padded;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;
        private readonly DeviceBuffer _taps;

        public Layer(
            ComputeDevice device, ConvShape shape, Epilogue epilogue, ImplicitConvKernel kernel, int padded, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, ReadOnlySpan<int> taps)
        {
            (Device, _shape, _epilogue, _kernel, _padded) = (device, shape, epilogue, kernel, padded);
            _weights = Upload(weights);
            _bias = Upload(bias);
            _taps = Upload(taps);
        }

        protected override ComputeDevice Device { get; }

        public override long WorkspaceValues => _kernel.Splits(_shape, Device.Limits) is var splits and > 1 ? splits * OutputCount(_shape) : 0;

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            ProductTile tile = _kernel._tile;
            int splits = _kernel.Splits(_shape, Device.Limits);
            int tapTiles = ProductTile.Tiles(ProductTile.Tiles(TapCount(_shape), tile.K), splits);
            DeviceView<float> added = _epilogue.HasResidual ? residual : output;
            DeviceView<float> target = splits > 1 ? workspace : output;
            bool inQuads = _shape.OutHeight * _shape.OutWidth % 4 == 0 && (added.Offset | target.Offset) % 4 == 0;
            DeviceKernel kernel = Convolution_Implicit.Bind(
                Device, input, _weights.View<float>(), _bias.View<float>(), added, _taps.View<int>(), target, Geometry(_shape, _epilogue, _padded), tapTiles,
                _epilogue.HasResidual && splits == 1 ? 1 : 0, splits > 1 ? 1 : 0, IsWide(_shape) ? 1 : 0, inQuads ? 1 : 0, tile.M, tile.N, tile.K, tile.RegM, tile.RegN);
            long pixels = (long)_shape.Batch * _shape.OutHeight * _shape.OutWidth;
            var shape = new LaunchShape(
                ProductTile.Tiles(pixels, tile.N), ProductTile.Tiles(_shape.OutChannels / _shape.Groups, tile.M), _shape.Groups * splits, tile.Threads);
            return new DeviceLaunch(kernel, shape, splits > 1 ? Join(_shape, _epilogue, splits, workspace, _bias.View<float>(), added, output) : null);
        }
    }
}
