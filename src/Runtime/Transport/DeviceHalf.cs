using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>The device's share of an inference: from pixels to a request frame, or to logits when nothing crosses.</summary>
internal sealed class DeviceHalf : IDisposable
{
    private readonly Bundle _bundle;
    private readonly Session? _session;
    private readonly ComputeDevice? _device;
    private readonly DeviceFeatureCodec? _deviceCodec;
    private readonly float[] _input;
    private readonly float[] _output;
    private readonly byte[] _frame;
    private readonly TensorShape _frameShape;

    public DeviceHalf(Bundle bundle, SessionOptions options)
    {
        _bundle = bundle;
        _device = options.Device;
        _frameShape = bundle.Codec?.FeatureShape ?? bundle.ImageShape;
        // Pixels that cross as they are need no preprocessing on this side.
        _input = SendsPixels ? [] : new float[bundle.ImageShape.Count];
        if (bundle.Device is { } device)
        {
            _session = Session.Create(device, options with { KeepsOutputOnDevice = options.Device is not null && bundle.Codec is not null });
            if (_session.DeviceOutput is { } feature) _deviceCodec = OpenCodec(bundle.Codec!, options.Device!, _session, feature);
            _output = _deviceCodec is not null ? [] : new float[bundle.Codec?.FeatureShape.Count ?? bundle.Classes];
        }
        else
        {
            _output = _input;
        }

        _frame = new byte[MaxFrameBytes(bundle)];
    }

    /// <summary>What <see cref="Compute"/> left: the feature, or the logits when nothing crosses; empty for a feature on a device.</summary>
    public ReadOnlySpan<float> Output => _output;

    private bool SendsPixels => _bundle.Device is null && _bundle.Codec is null;

    /// <summary>Longest request frame that a bundle can need.</summary>
    public static int MaxFrameBytes(Bundle bundle) => FeatureFrame.RequestHeaderBytes + (bundle.Codec?.MaxPayloadBytes ?? bundle.ImageShape.Count);

    /// <summary>Preprocesses the image and runs the device half.</summary>
    public void Compute(ReadOnlySpan<byte> image)
    {
        if (image.Length != _bundle.ImageShape.Count)
            throw new ArgumentException($"The image has {image.Length} bytes, the bundle expects {_bundle.ImageShape}.", nameof(image));
        if (SendsPixels) return;
        _bundle.Preprocessing.Apply(image, _bundle.ImageShape[0], _input);
        if (_deviceCodec is not null) _session!.RunOnDevice(_input);
        else _session?.Run(_input, _output);
    }

    /// <summary>Encodes what <see cref="Compute"/> left, or the image itself, as a request frame.</summary>
    /// <returns>The frame; valid until the next call.</returns>
    public Span<byte> Encode(ReadOnlySpan<byte> image, ulong requestId)
    {
        Span<byte> payload = _frame.AsSpan(FeatureFrame.RequestHeaderBytes);
        EntropyMode coder;
        int bytes, bits = 8;
        if (_bundle.Codec is { } codec)
        {
            bytes = _deviceCodec is null ? codec.Encode(_output, payload, out coder) : EncodeOnDevice(payload, out coder);
            bits = codec.Decision.Bits;
        }
        else
        {
            bytes = EncodePixels(image, payload, out coder);
        }

        return _frame.AsSpan(0, FeatureFrame.WriteRequest(_frame, _bundle.WireId, requestId, bits, coder, bytes));
    }

    public void Dispose()
    {
        if (_deviceCodec is not null)
        {
            using Lock.Scope turn = _device!.Gate.EnterScope();
            _deviceCodec.Dispose();
        }

        _session?.Dispose();
    }

    private static DeviceFeatureCodec OpenCodec(FeatureCodec codec, ComputeDevice device, Session session, DeviceView<float> feature)
    {
        try
        {
            using Lock.Scope turn = device.Gate.EnterScope();
            return new DeviceFeatureCodec(codec, device, feature);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    // The payload, or a byte per symbol, is all that crosses the bus.
    private int EncodeOnDevice(Span<byte> payload, out EntropyMode coder)
    {
        using Lock.Scope turn = _device!.Gate.EnterScope();
        return _deviceCodec!.Encode(payload, out coder);
    }

    private int EncodePixels(ReadOnlySpan<byte> image, Span<byte> payload, out EntropyMode coder)
    {
        if (_bundle.Plan.InputCoding != InputCoding.Pixels)
        {
            PixelImage pixels = PixelImage.FromPlanes(image, _frameShape[0], _frameShape[1], _frameShape[2]);
            byte[] file = _bundle.Plan.InputCoding == InputCoding.Jpeg ? JpegCodec.Encode(pixels, _bundle.Plan.JpegQuality) : PngEncoder.Encode(pixels, PngFilterChoice.Adaptive);
            if (file.Length < image.Length)
            {
                file.CopyTo(payload);
                coder = EntropyMode.Coded;
                return file.Length;
            }
        }

        image.CopyTo(payload);
        coder = EntropyMode.Packed;
        return image.Length;
    }
}
