using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>
/// A convolution of 8-bit integers on a device, exact in 32 bits as <see cref="IntegerConv"/>, and requantized as
/// <see cref="Requantizer"/> does when bytes are asked for. By products of four bytes on CUDA.
/// </summary>
/// <remarks>A step is four products, so the floor of arithmetic is a quarter of the float kernels'; a byte is a quarter of their traffic.</remarks>
public sealed class DeviceIntegerConv : IDisposable
{
    private const int JoinThreads = 128;
    private readonly ComputeDevice _device;
    private readonly ConvShape _shape;
    private readonly ConvShape _inWords;
    private readonly bool _isSigned;
    private readonly int _zeroPoint;
    private readonly ProductTile _tile;
    private readonly int _padded;
    private readonly List<DeviceBuffer> _owned = [];
    private readonly DeviceBuffer _weights;
    private readonly DeviceBuffer _added;
    private readonly DeviceBuffer _taps;
    private readonly DeviceBuffer _words;

    internal DeviceIntegerConv(
        ComputeDevice device, ProductTile tile, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned, int zeroPoint)
    {
        if (!Supports(shape)) throw new ArgumentException($"Convolution {shape} of bytes sums more products than 32 bits hold, or has too many images or channels.", nameof(shape));
        if (weights.Length != shape.WeightCount) throw new ArgumentException($"{weights.Length} weights do not fit convolution {shape}.", nameof(weights));
        if (!bias.IsEmpty && bias.Length != shape.OutChannels) throw new ArgumentException($"{bias.Length} values of a bias do not fit convolution {shape}.", nameof(bias));
        (_device, _tile, _shape, _isSigned) = (device, tile, shape, isSigned);
        // Signed bytes become unsigned ones that are 128 larger, and so does their zero point.
        _zeroPoint = isSigned ? zeroPoint + 128 : zeroPoint;
        int quads = (shape.InChannels / shape.Groups + 3) / 4;
        _inWords = shape with { InChannels = quads * shape.Groups };
        int outChannels = shape.OutChannels / shape.Groups, taps = DeviceConvKernel.TapCount(_inWords);
        int paddedTaps = ProductTile.Tiles(taps, _tile.K) * _tile.K;
        _padded = ProductTile.Tiles(outChannels, _tile.M) * _tile.M;
        int[] added = bias.IsEmpty ? new int[shape.OutChannels] : bias.ToArray();
        int[] packed = Pack(shape, weights, quads, paddedTaps, added);
        _weights = Own(DeviceMemory.Upload<int>(device, packed));
        _added = Own(DeviceMemory.Upload<int>(device, added));
        _taps = Own(DeviceMemory.Upload<int>(device, ImplicitConvKernel.TapTable(_inWords, paddedTaps)));
        _words = Own(device.Allocate(4L * shape.Batch * _inWords.InChannels * shape.InHeight * shape.InWidth));
    }

    /// <summary>Whether any row can run a layer: its sums fit 32 bits and its extents a launch.</summary>
    internal static bool Supports(ConvShape shape) =>
        DeviceConvKernel.TapCount(shape) <= IntegerConv.MaximumTaps && shape.Batch <= DeviceConvKernel.MostGroupsAlongZ
        && shape.InChannels <= DeviceConvKernel.MostGroupsAlongZ && shape.Groups <= DeviceConvKernel.MostGroupsAlongZ;

    /// <summary>Stores the sums: sum of (x - zero point) w, plus the bias.</summary>
    /// <param name="input">Bytes, NCHW.</param>
    /// <param name="sums">NCHW.</param>
    public DeviceLaunch Bind(DeviceView<byte> input, DeviceView<int> sums) =>
        Bind(input, sums, sums.Buffer.View<byte>(0, 1), _added.View<float>(), zeroPoint: 0, isSigned: false, storesBytes: 0);

    /// <summary>Stores bytes: the sums times a scale, rounded to even, plus a zero point, saturated.</summary>
    /// <param name="input">Bytes, NCHW.</param>
    /// <param name="scales">Input scale times weight scale over output scale, per output channel.</param>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed.</param>
    /// <param name="output">Bytes, NCHW; signed ones by their bits.</param>
    public DeviceLaunch Bind(DeviceView<byte> input, DeviceView<float> scales, int zeroPoint, bool isSigned, DeviceView<byte> output) =>
        Bind(input, _added.View<int>(), output, scales, zeroPoint, isSigned, storesBytes: 1);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _owned) buffer.Dispose();
        _owned.Clear();
    }

    private DeviceLaunch Bind(DeviceView<byte> input, DeviceView<int> sums, DeviceView<byte> bytes, DeviceView<float> scales, int zeroPoint, bool isSigned, int storesBytes)
    {
        int pixels = _shape.InHeight * _shape.InWidth;
        ConvGeometry geometry = DeviceConvKernel.Geometry(_inWords, default, _padded);
        DeviceKernel product = IntegerConvolution_Implicit.Bind(
            _device, _words.View<int>(), _weights.View<float>(), _taps.View<int>(), _added.View<int>(), scales, sums, bytes, geometry, _zeroPoint * 0x01010101, zeroPoint,
            isSigned ? -128 : 0, isSigned ? 127 : 255, storesBytes, DeviceConvKernel.IsWide(_shape) ? 1 : 0, _tile.M, _tile.N, _tile.K, _tile.RegM, _tile.RegN);
        var shape = new LaunchShape(
            ProductTile.Tiles((long)_shape.Batch * _shape.OutHeight * _shape.OutWidth, _tile.N), ProductTile.Tiles(_shape.OutChannels / _shape.Groups, _tile.M), _shape.Groups, _tile.Threads);
        DeviceKernel join = IntegerConvolution_Join.Bind(_device, input, _words.View<int>(), pixels, _shape.InChannels / _shape.Groups, _isSigned ? 0x80 : 0);
        return new DeviceLaunch(join, LaunchShape.Linear(pixels, JoinThreads) with { GroupsY = _inWords.InChannels, GroupsZ = _shape.Batch }, new DeviceLaunch(product, shape));
    }

    // Four channels to a word, [group][tap][output channel]; takes the zero point's share out of what is added to the sums.
    private int[] Pack(ConvShape shape, ReadOnlySpan<sbyte> weights, int quads, int paddedTaps, int[] added)
    {
        int outChannels = shape.OutChannels / shape.Groups, inChannels = shape.InChannels / shape.Groups, places = shape.KernelHeight * shape.KernelWidth;
        var packed = new int[shape.Groups * paddedTaps * _padded];
        for (int channel = 0; channel < shape.OutChannels; channel++)
        {
            (int group, int row) = Math.DivRem(channel, outChannels);
            int sum = 0;
            for (int quad = 0; quad < quads; quad++)
            {
                for (int place = 0; place < places; place++)
                {
                    int word = 0;
                    for (int i = 0; i < Math.Min(4, inChannels - (4 * quad)); i++)
                    {
                        sbyte weight = weights[(((channel * inChannels) + (4 * quad) + i) * places) + place];
                        sum += weight;
                        word |= (byte)weight << (8 * i);
                    }

                    packed[(((group * paddedTaps) + (quad * places) + place) * _padded) + row] = word;
                }
            }

            added[channel] -= _zeroPoint * sum;
        }

        return packed;
    }

    private DeviceBuffer Own(DeviceBuffer buffer)
    {
        _owned.Add(buffer);
        return buffer;
    }
}
