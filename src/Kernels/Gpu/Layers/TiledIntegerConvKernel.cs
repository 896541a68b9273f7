using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Integer convolutions by tiled products of four bytes (<see cref="IntegerConvolution.Implicit"/>) with one choice of tiles; dp4a on CUDA.</summary>
/// <remarks>A step is four products, so the floor of arithmetic is a quarter of the float kernels'; a byte is a quarter of their traffic.</remarks>
/// <param name="tile">The tiles.</param>
internal sealed class TiledIntegerConvKernel(ProductTile tile) : DeviceIntegerConvKernel
{
    private const int JoinThreads = 128;

    public override string Name => $"conv.integer.{tile}";

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        FitsAny(shape) && tile.Threads <= limits.MaxGroupThreads && tile.SharedBytes(padding: 0) <= limits.SharedBytes;

    public override double Cost(ConvShape shape, DeviceLimits limits)
    {
        int quads = ProductTile.Tiles(shape.InChannels / shape.Groups, 4);
        long pixels = (long)shape.Batch * shape.OutHeight * shape.OutWidth;
        long groups = (long)ProductTile.Tiles(shape.OutChannels / shape.Groups, tile.M) * ProductTile.Tiles(pixels, tile.N) * shape.Groups;
        return tile.Cost(groups, quads * shape.KernelHeight * shape.KernelWidth, limits);
    }

    public override DeviceIntegerConv Prepare(ComputeDevice device, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned) =>
        new Layer(device, tile, shape, weights, bias, isSigned);

    private sealed class Layer : DeviceIntegerConv
    {
        private readonly ComputeDevice _device;
        private readonly ConvShape _shape;
        private readonly ConvShape _inWords;
        private readonly bool _isSigned;
        private readonly ProductTile _tile;
        private readonly int _padded;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _added;
        private readonly DeviceBuffer _taps;
        private readonly DeviceBuffer _words;

        public Layer(ComputeDevice device, ProductTile tile, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned)
        {
            Check(shape, weights, bias);
            (_device, _tile, _shape, _isSigned) = (device, tile, shape, isSigned);
            int quads = ProductTile.Tiles(shape.InChannels / shape.Groups, 4);
            _inWords = shape with { InChannels = quads * shape.Groups };
            int paddedTaps = ProductTile.Tiles(DeviceConvKernel.TapCount(_inWords), tile.K) * tile.K;
            _padded = ProductTile.Tiles(shape.OutChannels / shape.Groups, tile.M) * tile.M;
            var added = new int[2 * shape.OutChannels];
            for (int channel = 0; channel < bias.Length; channel++) added[2 * channel] = bias[channel];
            int[] packed = Pack(weights, quads, paddedTaps, added);
            try
            {
                _weights = Own(DeviceMemory.Upload<int>(device, packed));
                _added = Own(DeviceMemory.Upload<int>(device, added));
                _taps = Own(DeviceMemory.Upload<int>(device, ImplicitConvKernel.TapTable(_inWords, paddedTaps)));
                _words = Own(device.Allocate(4L * shape.Batch * _inWords.InChannels * shape.InHeight * shape.InWidth));
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public override DeviceLaunch Bind(DeviceView<byte> input, DeviceView<byte> zeroPoint, IntegerConvOutput output)
        {
            int pixels = _shape.InHeight * _shape.InWidth;
            ConvGeometry geometry = DeviceConvKernel.Geometry(_inWords, default, _padded);
            DeviceKernel product = IntegerConvolution_Implicit.Bind(
                _device, _words.View<int>(), _weights.View<float>(), _taps.View<int>(), _added.View<int>(), zeroPoint, output.Scales, output.Values, output.Bytes, geometry, Flip(_isSigned),
                output.ZeroPoint, output.Range.Lowest, output.Range.Highest, (int)output.Form, DeviceConvKernel.IsWide(_shape) ? 1 : 0, _tile.M, _tile.N, _tile.K, _tile.RegM, _tile.RegN);
            var shape = new LaunchShape(
                ProductTile.Tiles((long)_shape.Batch * _shape.OutHeight * _shape.OutWidth, _tile.N), ProductTile.Tiles(_shape.OutChannels / _shape.Groups, _tile.M), _shape.Groups, _tile.Threads);
            DeviceKernel join = IntegerConvolution_Join.Bind(_device, input, _words.View<int>(), pixels, _shape.InChannels / _shape.Groups, Flip(_isSigned));
            return new DeviceLaunch(join, LaunchShape.Linear(pixels, JoinThreads) with { GroupsY = _inWords.InChannels, GroupsZ = _shape.Batch }, new DeviceLaunch(product, shape));
        }

        // Four channels to a word, [group][tap][output channel]; the sum of each channel's weights goes to what is added.
        private int[] Pack(ReadOnlySpan<sbyte> weights, int quads, int paddedTaps, int[] added)
        {
            int outChannels = _shape.OutChannels / _shape.Groups, inChannels = _shape.InChannels / _shape.Groups, places = _shape.KernelHeight * _shape.KernelWidth;
            var packed = new int[_shape.Groups * paddedTaps * _padded];
            for (int channel = 0; channel < _shape.OutChannels; channel++)
            {
                (int group, int row) = Math.DivRem(channel, outChannels);
                for (int quad = 0; quad < quads; quad++)
                {
                    for (int place = 0; place < places; place++)
                    {
                        int word = 0;
                        for (int i = 0; i < Math.Min(4, inChannels - (4 * quad)); i++)
                        {
                            sbyte weight = weights[(((channel * inChannels) + (4 * quad) + i) * places) + place];
                            added[(2 * channel) + 1] += weight;
                            word |= (byte)weight << (8 * i);
                        }

                        packed[(((group * paddedTaps) + (quad * places) + place) * _padded) + row] = word;
                    }
                }
            }

            return packed;
        }
    }
}
