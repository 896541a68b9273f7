using BenchmarkDotNet.Attributes;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;

namespace CoInference.Bench;

/// <summary>The feature codec, packed and entropy coded, beside a copy of the same floats; one thread, steady state.</summary>
[MemoryDiagnoser]
public class CodecBenchmarks
{
    private const int Images = 3;

    private FeatureCodec _codec = null!;
    private float[] _feature = [];
    private float[] _restored = [];
    private byte[] _payload = [];
    private byte[] _received = [];
    private EntropyMode _coder;

    /// <summary>Channels; planes are 32 x 32.</summary>
    [Params(16, 64)]
    public int Channels { get; set; }

    [Params(8, 4, 2)]
    public int Bits { get; set; }

    [Params(false, true)]
    public bool EntropyCoded { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        var shape = new TensorShape(1, Channels, 32, 32);
        var random = new Random(1);
        var values = new float[Images * shape.Count];
        // Smooth rows with many zeros, as behind a ReLU.
        for (int i = 0; i < values.Length; i++) values[i] = MathF.Max(0, MathF.Sin(0.11f * (i % 32)) - (0.4f * ((i / 1024) % 3)) + (0.2f * random.NextSingle()));
        _codec = FeatureCodec.Calibrate(values, shape, new CodecDecision(Channels, Channels, Bits, EntropyCoded));
        _feature = values[..shape.Count];
        _restored = new float[shape.Count];
        _payload = new byte[_codec.MaxPayloadBytes];
        _received = _payload[.._codec.Encode(_feature, _payload, out _coder)];
    }

    [Benchmark(Baseline = true)]
    public void Copy() => _feature.AsSpan().CopyTo(_restored);

    [Benchmark]
    public int Encode() => _codec.Encode(_feature, _payload, out _);

    [Benchmark]
    public void Decode() => _codec.Decode(_received, _coder, _restored);
}
