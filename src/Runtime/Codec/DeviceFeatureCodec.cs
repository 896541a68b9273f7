using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Codec;

/// <summary>
/// A codec whose feature stays on a device: only the payload crosses the bus, or one byte per symbol when the symbols are entropy
/// coded. The payload is that of <see cref="FeatureCodec"/>, to the byte.
/// </summary>
/// <remarks>One caller at a time, who holds the device's gate.</remarks>
public sealed class DeviceFeatureCodec : IDisposable
{
    private readonly FeatureCodec _codec;
    private readonly DeviceView<float> _feature;
    private readonly DeviceQuantizer? _quantizer;
    private readonly DeviceLaunch? _pack;
    private readonly DeviceLaunch? _restore;
    private readonly List<DeviceBuffer> _map = [];
    private readonly DeviceLaunch? _rebuild;
    private readonly byte[] _symbols;

    /// <summary>Moves the codec's constants to the device.</summary>
    /// <param name="codec">The codec.</param>
    /// <param name="device">The device.</param>
    /// <param name="feature">Where the feature lies that is encoded or restored, row-major.</param>
    /// <exception cref="ArgumentException">The view has not as many values as the feature.</exception>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceFeatureCodec(FeatureCodec codec, ComputeDevice device, DeviceView<float> feature)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(device);
        if (feature.Length != codec.FeatureShape.Count) throw new ArgumentException($"View of {feature.Length} values for a feature of {codec.FeatureShape}.", nameof(feature));
        (_codec, _feature) = (codec, feature);
        CodecParameters parameters = codec.Parameters;
        bool sendsSymbols = !parameters.IsRaw && parameters.Entropy is not null;
        _symbols = new byte[sendsSymbols ? codec.SymbolCount : 0];
        if (!parameters.IsRaw)
        {
            _quantizer = Quantizer(codec, device);
            _pack = _quantizer.Pack(feature);
            _restore = _quantizer.Unpack(feature);
        }

        if (parameters.Reconstruction is { } map)
        {
            int[] dropped = CodecParameters.Dropped(codec.Decision.TotalChannels, parameters.Kept);
            _rebuild = DeviceOperators.RebuildChannels(
                device, feature, Pixels, Constant<int>(device, parameters.Kept), Constant<int>(device, dropped),
                Constant<float>(device, map.Weights), Constant<float>(device, map.Bias), Constant<float>(device, map.Minimum));
        }
    }

    private int Pixels => _codec.FeatureShape.Count / _codec.Decision.TotalChannels;

    /// <summary>Encodes the feature; waits.</summary>
    /// <param name="payload">Receives the payload; at least <see cref="FeatureCodec.MaxPayloadBytes"/> long.</param>
    /// <param name="coder">How the symbols were written; travels beside the payload.</param>
    /// <returns>Length of the payload.</returns>
    /// <exception cref="ArgumentException">The payload is too short.</exception>
    public int Encode(Span<byte> payload, out EntropyMode coder)
    {
        if (payload.Length < _codec.MaxPayloadBytes) throw new ArgumentException($"Payload buffer of {payload.Length} bytes, expected at least {_codec.MaxPayloadBytes}.", nameof(payload));
        if (_quantizer is null)
        {
            coder = EntropyMode.Raw;
            ReadPlanes(payload);
            return _codec.MaxPayloadBytes;
        }

        _pack!.Run();
        if (_symbols.Length > 0)
        {
            _quantizer.Read(_symbols);
            return _codec.EncodeSymbols(_symbols, payload, out coder);
        }

        coder = EntropyMode.Packed;
        _quantizer.Read(payload);
        return _codec.MaxPayloadBytes;
    }

    /// <summary>Restores the feature; does not wait for the device.</summary>
    /// <param name="payload">Exactly the bytes that were encoded.</param>
    /// <param name="coder">How they were written.</param>
    /// <exception cref="InvalidDataException">The payload is not one that this codec writes.</exception>
    public void Decode(ReadOnlySpan<byte> payload, EntropyMode coder)
    {
        _codec.CheckPayload(payload, coder);
        if (_quantizer is null)
        {
            WritePlanes(payload);
        }
        else
        {
            if (_symbols.Length > 0)
            {
                _codec.DecodeSymbols(payload, coder, _symbols);
                payload = _symbols;
            }

            _quantizer.Write(payload);
            _restore!.Run();
        }

        _rebuild?.Run();
    }

    /// <summary>What quantizes and restores the planes of a codec that is not raw.</summary>
    /// <exception cref="DeviceException">Out of memory.</exception>
    internal static DeviceQuantizer Quantizer(FeatureCodec codec, ComputeDevice device)
    {
        CodecParameters parameters = codec.Parameters;
        QuantizerRange[] ranges = [.. parameters.Minimum.Zip(parameters.Step, (minimum, step) =>
            new QuantizerRange(CodecParameters.Inverse(step), CodecParameters.Offset(minimum, step), step, minimum))];
        int pixels = codec.FeatureShape.Count / codec.Decision.TotalChannels;
        return new DeviceQuantizer(device, pixels, parameters.Kept, ranges, 1 << codec.Decision.Bits, parameters.Entropy is null ? codec.Decision.Bits : 8);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rebuild?.Dispose();
        _pack?.Dispose();
        _restore?.Dispose();
        _quantizer?.Dispose();
        foreach (DeviceBuffer buffer in _map) buffer.Dispose();
    }

    // The bus carries floats as the device has them; hosts that .NET runs on with a device are little-endian, as the payload is.
    private void ReadPlanes(Span<byte> payload)
    {
        int bytes = Pixels * sizeof(float);
        for (int k = 0; k < _codec.KeptChannels.Count; k++) _feature.Buffer.Read(payload.Slice(k * bytes, bytes), PlaneOffset(k));
    }

    private void WritePlanes(ReadOnlySpan<byte> payload)
    {
        int bytes = Pixels * sizeof(float);
        for (int k = 0; k < _codec.KeptChannels.Count; k++) _feature.Buffer.Write(payload.Slice(k * bytes, bytes), PlaneOffset(k));
    }

    private long PlaneOffset(int plane) => sizeof(float) * (_feature.Offset + ((long)_codec.KeptChannels[plane] * Pixels));

    private DeviceView<T> Constant<T>(ComputeDevice device, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        DeviceBuffer buffer = device.Allocate(bytes.Length);
        _map.Add(buffer);
        buffer.Write(bytes);
        return buffer.View<T>();
    }
}
