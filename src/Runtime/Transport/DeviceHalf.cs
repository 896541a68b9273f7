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
    private readonly DeviceFeatureCodec? _deviceCodec;
    private readonly bool _ownsSession;
    private readonly DeviceMemory _memory;
    private readonly int _outputLength;
    private readonly TensorShape _frameShape;

    /// <summary>Compiles the half of one bundle.</summary>
    /// <param name="bundle">The bundle.</param>
    /// <param name="options">How its session is compiled; the batch size must be 1.</param>
    public DeviceHalf(Bundle bundle, SessionOptions options)
        : this(
            bundle,
            bundle.Device is { } device ? Session.Create(device, options with { KeepsOutputOnDevice = options.Device is not null && bundle.Codec is not null }) : null,
            DeviceMemory.For(bundle)) =>
        _ownsSession = true;

    /// <summary>A half that shares what several plans have in common.</summary>
    /// <param name="bundle">The plan.</param>
    /// <param name="session">Session of its device graph; null when it has none. The caller keeps ownership.</param>
    /// <param name="memory">Memory that halves may share which are used one after the other.</param>
    public DeviceHalf(Bundle bundle, Session? session, DeviceMemory memory)
    {
        (_bundle, _session, _memory) = (bundle, session, memory);
        _frameShape = bundle.Codec?.FeatureShape ?? bundle.ImageShape;
        _outputLength = DeviceMemory.OutputLength(bundle);
        if (session?.DeviceOutput is not { } feature) return;
        ComputeDevice device = session.Options.Device!;
        using Lock.Scope turn = device.Gate.EnterScope();
        _deviceCodec = new DeviceFeatureCodec(bundle.Codec!, device, feature);
    }

    /// <summary>What <see cref="Compute"/> left: the feature, or the logits when nothing crosses; of no use for a feature that is encoded on a device.</summary>
    public ReadOnlySpan<float> Output => (_session is null ? _memory.Input : _memory.Output).AsSpan(0, _outputLength);

    private bool SendsPixels => DeviceMemory.SendsPixels(_bundle);

    /// <summary>Longest request frame that a bundle can need.</summary>
    public static int MaxFrameBytes(Bundle bundle) => FeatureFrame.RequestHeaderBytes + (bundle.Codec?.MaxPayloadBytes ?? bundle.ImageShape.Count);

    /// <summary>Preprocesses the image and runs the device half.</summary>
    public void Compute(ReadOnlySpan<byte> image)
    {
        if (image.Length != _bundle.ImageShape.Count)
            throw new ArgumentException($"The image has {image.Length} bytes, the bundle expects {_bundle.ImageShape}.", nameof(image));
        if (SendsPixels) return;
        Span<float> input = _memory.Input.AsSpan(0, image.Length);
        _bundle.Preprocessing.Apply(image, _bundle.ImageShape[0], input);
        if (_deviceCodec is not null) _session!.RunOnDevice(input);
        else _session?.Run(input, _memory.Output.AsSpan(0, _outputLength));
    }

    /// <summary>Encodes what <see cref="Compute"/> left, or the image itself, as a request frame.</summary>
    /// <returns>The frame; valid until the next call.</returns>
    public Span<byte> Encode(ReadOnlySpan<byte> image, ulong requestId)
    {
        byte[] frame = _memory.Frame;
        Span<byte> payload = frame.AsSpan(FeatureFrame.RequestHeaderBytes);
        EntropyMode coder;
        int bytes, bits = 8;
        if (_bundle.Codec is { } codec)
        {
            bytes = _deviceCodec is null ? codec.Encode(Output, payload, out coder) : EncodeOnDevice(payload, out coder);
            bits = codec.Decision.Bits;
        }
        else
        {
            bytes = EncodePixels(image, payload, out coder);
        }

        return frame.AsSpan(0, FeatureFrame.WriteRequest(frame, _bundle.WireId, requestId, bits, coder, bytes));
    }

    public void Dispose()
    {
        if (_deviceCodec is not null)
        {
            using Lock.Scope turn = _session!.Options.Device!.Gate.EnterScope();
            _deviceCodec.Dispose();
        }

        if (_ownsSession) _session?.Dispose();
    }

    // The payload, or a byte per symbol, is all that crosses the bus.
    private int EncodeOnDevice(Span<byte> payload, out EntropyMode coder)
    {
        using Lock.Scope turn = _session!.Options.Device!.Gate.EnterScope();
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
