using CoInference.Kernels.Simd.Codec;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>
/// Quantizes and packs planes of a feature on a device, and restores them. The packed bytes are those of
/// <see cref="PackedQuantizer"/>, so that only they need to cross the bus.
/// </summary>
/// <remarks>A device that flushes subnormal numbers gives other symbols for features below 1.2e-38.</remarks>
public sealed class DeviceQuantizer : IDisposable
{
    private const int GroupSymbols = 1024;
    private readonly ComputeDevice _device;
    private readonly int _pixels;
    private readonly int _planes;
    private readonly int _bits;
    private readonly int _levels;
    private readonly int _rangeStep;
    private readonly List<IDisposable> _owned = [];
    private readonly DeviceBuffer _packed;
    private readonly DeviceBuffer _channels;
    private readonly DeviceBuffer _inverse;
    private readonly DeviceBuffer _offset;
    private readonly DeviceBuffer _step;
    private readonly DeviceBuffer _minimum;

    /// <summary>Moves the constants to the device and takes memory for the packed bytes.</summary>
    /// <param name="device">The device.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="channels">Channel of each plane in the feature.</param>
    /// <param name="ranges">Per plane, or one for all: reciprocal of the step, symbol of value 0, step, value of symbol 0.</param>
    /// <param name="levels">Number of symbols, 2 to 256.</param>
    /// <param name="bits">Bits that a symbol takes, 1 to 8; 8 leaves one symbol in a byte.</param>
    /// <exception cref="ArgumentException">The ranges do not fit the planes, the levels the bits, or the symbols a bit string of 2^31 bits.</exception>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceQuantizer(ComputeDevice device, int pixels, ReadOnlySpan<int> channels, ReadOnlySpan<QuantizerRange> ranges, int levels, int bits)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pixels);
        if (channels.IsEmpty || (ranges.Length != 1 && ranges.Length != channels.Length)) throw new ArgumentException($"{ranges.Length} ranges for {channels.Length} planes, expected one for each or one for all.", nameof(ranges));
        if (bits is < 1 or > 8) throw new ArgumentOutOfRangeException(nameof(bits), bits, "A symbol takes 1 to 8 bits.");
        if (levels < 2 || levels > 1 << bits) throw new ArgumentOutOfRangeException(nameof(levels), levels, $"Symbols of {bits} bits have 2 to {1 << bits} levels.");
        if ((long)channels.Length * pixels * bits > int.MaxValue) throw new ArgumentException($"{channels.Length} planes of {pixels} values are too many for one bit string.", nameof(channels));
        (_device, _pixels, _planes, _bits, _levels) = (device, pixels, channels.Length, bits, levels);
        _rangeStep = ranges.Length == 1 ? 0 : 1;
        try
        {
            _packed = Own(device.Allocate((PackedBytes + 3) / 4 * 4));
            _channels = Own(DeviceMemory.Upload(device, channels));
            _inverse = Own(Uploaded(ranges, range => range.Inverse));
            _offset = Own(Uploaded(ranges, range => range.Offset));
            _step = Own(Uploaded(ranges, range => range.Step));
            _minimum = Own(Uploaded(ranges, range => range.Minimum));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Symbols of the bit string.</summary>
    public int SymbolCount => _planes * _pixels;

    /// <summary>Bytes of the bit string.</summary>
    public int PackedBytes => BitPacking.PackedBytes(SymbolCount, _bits);

    /// <summary>Makes the bit string of a feature.</summary>
    /// <param name="feature">[channel][pixel].</param>
    public DeviceLaunch Pack(DeviceView<float> feature)
    {
        DeviceKernel kernel = FeatureQuantization_Pack.Bind(
            _device, feature, _channels.View<int>(), _inverse.View<float>(), _offset.View<float>(), _packed.View<uint>(),
            SymbolCount, _pixels, _rangeStep, _levels - 1, _bits, InQuads(feature));
        return new DeviceLaunch(kernel, Shape);
    }

    /// <summary>Restores the planes of a feature from the bit string.</summary>
    /// <param name="feature">[channel][pixel]; channels that are no planes are left as they are.</param>
    public DeviceLaunch Unpack(DeviceView<float> feature)
    {
        DeviceKernel kernel = FeatureQuantization_Unpack.Bind(
            _device, _packed.View<uint>(), _channels.View<int>(), _step.View<float>(), _minimum.View<float>(), feature,
            SymbolCount, _pixels, _rangeStep, _bits, InQuads(feature));
        return new DeviceLaunch(kernel, Shape);
    }

    /// <summary>Copies the bit string to the host; waits.</summary>
    /// <param name="packed">Receives <see cref="PackedBytes"/> bytes.</param>
    /// <exception cref="ArgumentException">The span is shorter.</exception>
    public void Read(Span<byte> packed)
    {
        if (packed.Length < PackedBytes) throw new ArgumentException($"{packed.Length} bytes for a bit string of {PackedBytes}.", nameof(packed));
        _packed.Read(packed[..PackedBytes]);
    }

    /// <summary>Copies a bit string to the device.</summary>
    /// <param name="packed">Exactly <see cref="PackedBytes"/> bytes.</param>
    /// <exception cref="ArgumentException">The length is another.</exception>
    public void Write(ReadOnlySpan<byte> packed)
    {
        if (packed.Length != PackedBytes) throw new ArgumentException($"{packed.Length} bytes, expected a bit string of {PackedBytes}.", nameof(packed));
        _packed.Write(packed);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable buffer in _owned) buffer.Dispose();
        _owned.Clear();
    }

    private LaunchShape Shape => LaunchShape.Linear(SymbolCount, GroupSymbols) with { GroupX = GroupSymbols / 4 };

    private int InQuads(DeviceView<float> feature) => _pixels % 4 == 0 && feature.Offset % 4 == 0 ? 1 : 0;

    private DeviceBuffer Uploaded(ReadOnlySpan<QuantizerRange> ranges, Func<QuantizerRange, float> field) =>
        DeviceMemory.Upload<float>(_device, Array.ConvertAll(ranges.ToArray(), range => field(range)));

    private DeviceBuffer Own(DeviceBuffer buffer)
    {
        _owned.Add(buffer);
        return buffer;
    }
}

/// <summary>How values of a plane map to symbols and back, in the numbers that <see cref="AffineQuantizer"/> takes.</summary>
/// <param name="Inverse">Reciprocal of the step; 0 for a constant plane.</param>
/// <param name="Offset">Symbol of value 0, not rounded.</param>
/// <param name="Step">Distance between neighbouring levels.</param>
/// <param name="Minimum">Value of symbol 0.</param>
public readonly record struct QuantizerRange(float Inverse, float Offset, float Step, float Minimum);
