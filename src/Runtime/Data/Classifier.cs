using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Data;

/// <summary>What one worker of an evaluation runs: images in, scores out.</summary>
internal abstract class Classifier : IDisposable
{
    /// <summary>Scores per image.</summary>
    public int Classes { get; private set; }

    protected abstract SessionValue Input { get; }

    protected abstract SessionValue Output { get; }

    /// <summary>Checks that a batch of images fits and learns the number of classes.</summary>
    /// <exception cref="ArgumentException">It does not fit; the message says what the network takes.</exception>
    /// <exception cref="NotSupportedException">The shape of the output is not known before a run.</exception>
    public void Require(ImageSet images, int batch)
    {
        TensorShape? taken = Input.Shape;
        if (taken is not { Rank: 4 } shape || shape[0] != batch || shape[1] != images.Channels || shape[2] != images.Height || shape[3] != images.Width)
        {
            throw new ArgumentException($"The network takes '{Input.Name}' {taken?.ToString() ?? "of unknown shape"}; "
                + $"the images are {images.Channels}x{images.Height}x{images.Width} in batches of {batch}.", nameof(images));
        }

        TensorShape result = Output.Shape ?? throw new NotSupportedException($"The shape of output '{Output.Name}' depends on data; accuracy needs [N, classes].");
        if (result.Count % batch != 0 || result.Count / batch < images.Classes)
            throw new ArgumentException($"Output '{Output.Name}' {result} of the network has fewer scores than the {images.Classes} classes of the images.", nameof(images));
        Classes = result.Count / batch;
    }

    /// <summary>Classifies one batch and returns the bytes a codec produced.</summary>
    public abstract int Classify(ReadOnlySpan<float> images, Span<float> scores);

    public abstract void Dispose();
}

/// <summary>A whole network.</summary>
internal sealed class WholeClassifier(Session session) : Classifier
{
    protected override SessionValue Input => session.Inputs[0];

    protected override SessionValue Output => session.Outputs[0];

    public override int Classify(ReadOnlySpan<float> images, Span<float> scores)
    {
        session.Run(images, scores);
        return 0;
    }

    public override void Dispose() => session.Dispose();
}

/// <summary>Two halves with a codec in between; without one the feature is handed over as it is.</summary>
internal sealed class SplitClassifier : Classifier
{
    private readonly Session _device, _edge;
    private readonly FeatureCodec? _codec;
    private readonly float[] _feature;
    private readonly byte[] _payload;

    public SplitClassifier(Session device, FeatureCodec? codec, Session edge)
    {
        (_device, _codec, _edge) = (device, codec, edge);
        TensorShape? produced = device.Outputs[0].Shape, taken = edge.Inputs[0].Shape;
        if (produced is not { } shape || taken is not { } wanted || shape.Count != wanted.Count || (codec is not null && codec.FeatureShape.Count != shape.Count))
        {
            throw new ArgumentException($"The device half gives '{device.Outputs[0].Name}' {produced}, the codec takes {codec?.FeatureShape.ToString() ?? "anything"}, "
                + $"the edge half takes '{edge.Inputs[0].Name}' {taken}: they do not fit.", nameof(edge));
        }

        _feature = new float[shape.Count];
        _payload = new byte[codec?.MaxPayloadBytes ?? 0];
    }

    protected override SessionValue Input => _device.Inputs[0];

    protected override SessionValue Output => _edge.Outputs[0];

    public override int Classify(ReadOnlySpan<float> images, Span<float> scores)
    {
        _device.Run(images, _feature);
        int bytes = 0;
        if (_codec is not null)
        {
            bytes = _codec.Encode(_feature, _payload, out EntropyMode coder);
            _codec.Decode(_payload.AsSpan(0, bytes), coder, _feature);
        }

        _edge.Run(_feature, scores);
        return bytes;
    }

    public override void Dispose()
    {
        _device.Dispose();
        _edge.Dispose();
    }
}
