using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The edge's share of an inference: from request frames to logits. Plans that differ in their codec alone have one half. Used by
/// one caller at a time.
/// </summary>
internal sealed class EdgeHalf : IDisposable
{
    private readonly Bundle[] _plans;
    private readonly Session[] _sessions;
    private readonly float[] _input;

    // Of a half on a device that answers one request at a time: a codec per plan, whose feature is the session's input.
    private readonly DeviceFeatureCodec[] _deviceCodecs = [];
    private readonly byte[] _pixels;
    private readonly TensorShape _frameShape;

    /// <summary>Compiles the half.</summary>
    /// <param name="bundle">The bundle.</param>
    /// <param name="options">How its sessions are compiled.</param>
    /// <param name="batchSizes">Batch sizes to compile, ascending, the first of them 1; none for 1 alone. Each has packed weights of its own.</param>
    /// <exception cref="InvalidDataException">The bundle has no edge half.</exception>
    public EdgeHalf(Bundle bundle, SessionOptions options, params ReadOnlySpan<int> batchSizes)
        : this([bundle], options, batchSizes)
    {
    }

    /// <summary>Compiles the half of several plans.</summary>
    /// <param name="plans">The plans; all have the same edge graph.</param>
    /// <param name="options">How its sessions are compiled.</param>
    /// <param name="batchSizes">Batch sizes to compile, ascending, the first of them 1; none for 1 alone.</param>
    /// <exception cref="InvalidDataException">The plans have no edge half.</exception>
    public EdgeHalf(Bundle[] plans, SessionOptions options, params ReadOnlySpan<int> batchSizes)
        : this(plans, batchSizes.IsEmpty ? [1] : batchSizes.ToArray(), Compiler(plans, options, takesInput: batchSizes.IsEmpty || batchSizes is [1]))
    {
    }

    private EdgeHalf(Bundle[] plans, int[] batchSizes, Func<int, Session> session, int places = 0)
    {
        _plans = plans;
        _frameShape = plans[0].Codec?.FeatureShape ?? plans[0].ImageShape;
        BatchSizes = batchSizes;
        _sessions = Array.ConvertAll(batchSizes, size => session(size));
        _input = new float[checked(_frameShape.Count * Math.Max(places, MaxBatch))];
        _pixels = plans.All(plan => plan.Codec is not null) ? [] : new byte[_frameShape.Count];
        if (_sessions[0].DeviceInput is not { } feature) return;
        ComputeDevice device = _sessions[0].Options.Device!;
        using Lock.Scope turn = device.Gate.EnterScope();
        _deviceCodecs = Array.ConvertAll(plans, plan => new DeviceFeatureCodec(plan.Codec!, device, feature));
    }

    /// <summary>The value that it computes from: the feature or the image.</summary>
    public string Value => _plans[0].Edge!.Inputs[0].Name;

    /// <summary>Batch sizes that are compiled, ascending; the first is 1.</summary>
    public int[] BatchSizes { get; }

    /// <summary>Largest of <see cref="BatchSizes"/>.</summary>
    public int MaxBatch => BatchSizes[^1];

    /// <summary>Logits of one request.</summary>
    public int Classes => _plans[0].Classes;

    /// <summary>A half with memory of its own that shares the packed weights.</summary>
    /// <param name="batchSizes">Some of <see cref="BatchSizes"/>, ascending, the first of them 1.</param>
    /// <param name="places">Places to decode into; at least as many as the largest batch.</param>
    public EdgeHalf Fork(int[] batchSizes, int places) => new(_plans, batchSizes, size => _sessions[Array.IndexOf(BatchSizes, size)].Fork(), places);

    /// <summary>Restores the feature, or the preprocessed image, from a whole frame.</summary>
    /// <exception cref="InvalidDataException">The frame is damaged or does not fit the bundle.</exception>
    public void Decode(ReadOnlySpan<byte> frame) => Decode(FeatureFrame.ReadRequest(frame, frame.Length, out ReadOnlySpan<byte> payload), payload);

    /// <summary>Restores the feature, or the preprocessed image, from a payload whose checksum has been verified.</summary>
    /// <param name="header">The request's header.</param>
    /// <param name="payload">Its payload.</param>
    /// <param name="place">Place in the batch, from 0.</param>
    /// <exception cref="InvalidDataException">The frame does not fit the bundle, or its payload is malformed.</exception>
    public void Decode(in RequestHeader header, ReadOnlySpan<byte> payload, int place = 0)
    {
        Span<float> input = _input.AsSpan(place * _frameShape.Count, _frameShape.Count);
        int plan = PlanOf(header.PlanId);
        Bundle bundle = _plans[plan];
        int bits = bundle.Codec?.Decision.Bits ?? 8;
        if (header.Bits != bits) throw new InvalidDataException($"The request has {header.Bits} bits, the bundle expects {bits}.");
        if (_deviceCodecs.Length > 0)
        {
            // The payload is all that crosses the bus. Waiting keeps the times of decoding and computing apart.
            ComputeDevice device = _sessions[0].Options.Device!;
            using Lock.Scope turn = device.Gate.EnterScope();
            _deviceCodecs[plan].Decode(payload, header.Coder);
            device.Synchronize();
            return;
        }

        if (bundle.Codec is { } codec)
        {
            codec.Decode(payload, header.Coder, input);
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

        bundle.Preprocessing.Apply(image, _frameShape[0], input);
    }

    /// <summary>Runs the edge half on what was decoded into the places 0, 1, ...: in batches of the compiled sizes, largest first.</summary>
    /// <param name="logits">Receives the logits; its length says how many places there are.</param>
    public void Compute(Span<float> logits)
    {
        int count = logits.Length / Classes, done = 0;
        for (int index = BatchSizes.Length - 1; done < count;)
        {
            if (BatchSizes[index] > count - done)
            {
                index--;
                continue;
            }

            int size = BatchSizes[index];
            ComputeBatch(index, done, logits.Slice(done * Classes, size * Classes));
            done += size;
        }
    }

    /// <summary>Runs one batch of a compiled size.</summary>
    /// <param name="index">Index into <see cref="BatchSizes"/>.</param>
    /// <param name="place">First place of the batch.</param>
    /// <param name="logits">Receives the logits of the batch.</param>
    public void ComputeBatch(int index, int place, Span<float> logits)
    {
        if (_deviceCodecs.Length > 0) _sessions[index].RunFromDevice(logits);
        else _sessions[index].Run(_input.AsSpan(place * _frameShape.Count, BatchSizes[index] * _frameShape.Count), logits);
    }

    /// <summary>Fills the input with random values, for measuring.</summary>
    public void FillWithNoise(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < _input.Length; i++) _input[i] = random.NextSingle() - 0.25f;
        if (_sessions[0].DeviceInput is not { } feature) return;
        using Lock.Scope turn = _sessions[0].Options.Device!.Gate.EnterScope();
        feature.Buffer.Write(MemoryMarshal.AsBytes(_input.AsSpan(0, feature.Length)), (long)sizeof(float) * feature.Offset);
    }

    public void Dispose()
    {
        if (_deviceCodecs.Length > 0)
        {
            using Lock.Scope turn = _sessions[0].Options.Device!.Gate.EnterScope();
            foreach (DeviceFeatureCodec codec in _deviceCodecs) codec.Dispose();
        }

        foreach (Session session in _sessions) session.Dispose();
    }

    // A feature that arrives is restored on the device of its half; pixels are decoded and preprocessed by the host.
    private static Func<int, Session> Compiler(Bundle[] plans, SessionOptions options, bool takesInput)
    {
        Graph graph = plans[0].Edge ?? throw new InvalidDataException("The bundle runs the whole network on the device: it has no edge half.");
        bool isOnDevice = takesInput && options.Device is not null && graph.Inputs is [{ Type: ElementType.Float32 }] && plans.All(plan => plan.Codec is not null);
        return size => Session.Create(graph, options with { BatchSize = size, TakesInputOnDevice = isOnDevice });
    }

    private int PlanOf(ulong planId)
    {
        for (int i = 0; i < _plans.Length; i++)
        {
            if (_plans[i].WireId == planId) return i;
        }

        throw new InvalidDataException("The request is of a plan that this half does not serve.");
    }

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
