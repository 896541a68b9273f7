using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>The edge's share of an inference: from a request frame to logits. Used by one caller at a time.</summary>
internal sealed class EdgeHalf : IDisposable
{
    private readonly Bundle _bundle;
    private readonly Session _session;
    private readonly float[] _input;
    private readonly byte[] _pixels;
    private readonly TensorShape _frameShape;

    /// <exception cref="InvalidDataException">The bundle has no edge half.</exception>
    public EdgeHalf(Bundle bundle, SessionOptions options)
    {
        if (bundle.Edge is not { } edge) throw new InvalidDataException("The bundle runs the whole network on the device: it has no edge half.");
        _bundle = bundle;
        _frameShape = bundle.Codec?.FeatureShape ?? bundle.ImageShape;
        _input = new float[_frameShape.Count];
        _pixels = bundle.Codec is null ? new byte[_frameShape.Count] : [];
        _session = Session.Create(edge, options);
    }

    /// <summary>Restores the feature, or the preprocessed image, from a whole frame.</summary>
    /// <exception cref="InvalidDataException">The frame is damaged or does not fit the bundle.</exception>
    public void Decode(ReadOnlySpan<byte> frame) => Decode(FeatureFrame.ReadRequest(frame, frame.Length, out ReadOnlySpan<byte> payload), payload);

    /// <summary>Restores the feature, or the preprocessed image, from a payload whose checksum has been verified.</summary>
    /// <exception cref="InvalidDataException">The frame does not fit the bundle, or its payload is malformed.</exception>
    public void Decode(in RequestHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Shape != _frameShape) throw new InvalidDataException($"The request has shape {header.Shape}, the bundle expects {_frameShape}.");
        int bits = _bundle.Codec?.Decision.Bits ?? 8;
        if (header.Bits != bits) throw new InvalidDataException($"The request has {header.Bits} bits, the bundle expects {bits}.");
        if (_bundle.Codec is { } codec)
        {
            codec.Decode(payload, header.Coder, _input);
            return;
        }

        ReadOnlySpan<byte> image = payload;
        if (header.Coder == EntropyMode.Coded)
        {
            DecodeImage(payload);
            image = _pixels;
        }
        else if (payload.Length != _pixels.Length)
        {
            throw new InvalidDataException($"The request has {payload.Length} bytes of pixels, the bundle expects {_frameShape}.");
        }

        _bundle.Preprocessing.Apply(image, _frameShape[0], _input);
    }

    /// <summary>Runs the edge half on what <see cref="Decode(in RequestHeader, ReadOnlySpan{byte})"/> restored.</summary>
    public void Compute(Span<float> logits) => _session.Run(_input, logits);

    public void Dispose() => _session.Dispose();

    private void DecodeImage(ReadOnlySpan<byte> payload)
    {
        PixelImage image;
        try
        {
            image = ImageFile.Decode(payload, "request");
        }
        catch (NotSupportedException failure)
        {
            throw new InvalidDataException(failure.Message, failure);
        }

        if (image.Channels != _frameShape[0] || image.Height != _frameShape[1] || image.Width != _frameShape[2])
            throw new InvalidDataException($"The request's image is {image.Channels}x{image.Height}x{image.Width}, the bundle expects {_frameShape}.");
        image.CopyPlanes(_frameShape[0], _pixels);
    }
}
