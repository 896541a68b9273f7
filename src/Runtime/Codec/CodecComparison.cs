using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Codec;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Codec;

/// <summary>One stage of a feature codec, timed.</summary>
/// <param name="Stage">What was timed.</param>
/// <param name="Bits">Bits per symbol; 32 for stages that see floats only.</param>
/// <param name="Bytes">Bytes read plus bytes written by one run, each once; for entropy coding, symbols plus code.</param>
/// <param name="MedianMicroseconds">Median time of one run.</param>
/// <param name="P10Microseconds">Time that a tenth of the samples stay below.</param>
/// <param name="P90Microseconds">Time that nine tenths of the samples stay below.</param>
/// <param name="GigabytesPerSecond"><paramref name="Bytes"/> per median time, in 1e9 per second.</param>
/// <param name="CopyShare">That rate over the rate of the copy of the feature measured in the same run.</param>
/// <param name="MegasymbolsPerSecond">Values of the feature per median time, in 1e6 per second.</param>
public sealed record CodecStageTiming(
    string Stage,
    int Bits,
    long Bytes,
    double MedianMicroseconds,
    double P10Microseconds,
    double P90Microseconds,
    double GigabytesPerSecond,
    double CopyShare,
    double MegasymbolsPerSecond);

/// <summary>The stages of the feature codec, timed on one thread against a copy of the same floats in the same run.</summary>
/// <param name="FeatureShape">Shape of the feature, with a batch of 1.</param>
/// <param name="Rows">One row per stage and number of bits.</param>
public sealed record CodecComparison(TensorShape FeatureShape, IReadOnlyList<CodecStageTiming> Rows)
{
    /// <summary>Samples per stage that <see cref="Run"/> takes when the caller does not say.</summary>
    public const int DefaultRounds = 25;

    // Calibration sees a few images; the payload is that of one more.
    private const int CalibrationImages = 2;
    private const int Patterns = 4;

    // The runtime compiles the small methods between the kernels again, optimized, some time after their first calls.
    private static readonly TimingOptions Warm = new() { WarmUpMilliseconds = 250 };

    /// <summary>Times every stage on a generated feature: smooth planes behind a ReLU, with neighbouring channels alike.</summary>
    /// <param name="channels">Channels.</param>
    /// <param name="height">Rows of a channel.</param>
    /// <param name="width">Values of a row.</param>
    /// <param name="bits">Numbers of bits per symbol, each 1 to 8.</param>
    /// <param name="rounds">Samples per stage, interleaved.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static CodecComparison Run(int channels, int height, int width, IReadOnlyList<int> bits, int rounds = DefaultRounds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(bits);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        if (bits.Any(count => count is < 1 or > 8)) throw new ArgumentException("Symbols have 1 to 8 bits.", nameof(bits));
        var shape = new TensorShape(1, channels, height, width);
        var samples = new FeatureSamples(Generate(shape, CalibrationImages), shape);
        float[] feature = Generate(shape, 1, firstImage: CalibrationImages);
        var restored = new float[feature.Length];
        long floatBytes = (long)feature.Length * sizeof(float);
        var stages = new List<(string Name, int Bits, long Bytes, Action Work)>
        {
            ("copy", 32, 2 * floatBytes, () => feature.AsSpan().CopyTo(restored)),
            // What unpacking cannot be faster than: it writes as many floats, whatever it reads.
            ("fill", 32, floatBytes, () => restored.AsSpan().Fill(1f)),
            ("range", 32, floatBytes, () => ValueRange.Find(feature)),
        };
        foreach (int count in bits) Add(stages, samples, count, feature, restored);
        foreach ((_, _, _, Action work) in stages) Timing.WarmUp(work, Warm, cancellation);
        double[][] times = InterleavedTimer.Measure([.. stages.Select(stage => InterleavedTimer.OnHost(stage.Work))], rounds, cancellation);
        return Summarize(shape, stages.ConvertAll(stage => (stage.Name, stage.Bits, stage.Bytes)), times);
    }

    // The first stage is the copy that the others are measured by.
    private static CodecComparison Summarize(TensorShape shape, List<(string Name, int Bits, long Bytes)> stages, double[][] times)
    {
        double copyRate = stages[0].Bytes / InterleavedTimer.Quantile(times[0], 0.5);
        return new CodecComparison(shape, [.. stages.Select((stage, i) =>
        {
            double median = InterleavedTimer.Quantile(times[i], 0.5);
            double rate = stage.Bytes / median;
            return new CodecStageTiming(
                stage.Name, stage.Bits, stage.Bytes, median, InterleavedTimer.Quantile(times[i], 0.1), InterleavedTimer.Quantile(times[i], 0.9),
                rate / 1e3, rate / copyRate, shape.Count / median);
        })]);
    }

    /// <summary>As on the CPU, for what a device does of the codec: ranges, quantize and pack, unpack and dequantize. By the device's clock, against a copy within its memory.</summary>
    /// <param name="device">The device; the caller holds its gate where it is shared.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="height">Rows of a channel.</param>
    /// <param name="width">Values of a row.</param>
    /// <param name="bits">Numbers of bits per symbol, each 1 to 8.</param>
    /// <param name="rounds">Samples per stage, interleaved.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    /// <exception cref="DeviceException">The device has not enough memory, or was lost.</exception>
    /// <exception cref="InvalidDataException">The device packs other bytes than the CPU, or restores other values.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static CodecComparison RunOnDevice(
        ComputeDevice device, int channels, int height, int width, IReadOnlyList<int> bits, int rounds = DefaultRounds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(bits);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        if (bits.Any(count => count is < 1 or > 8)) throw new ArgumentException("Symbols have 1 to 8 bits.", nameof(bits));
        var shape = new TensorShape(1, channels, height, width);
        var samples = new FeatureSamples(Generate(shape, CalibrationImages), shape);
        float[] feature = Generate(shape, 1, firstImage: CalibrationImages);
        long floatBytes = (long)feature.Length * sizeof(float);
        using var operands = new DeviceOperands(device);
        // A copy moves whole fours; a feature of fewer values has nothing to time.
        int quads = feature.Length / 4 * 4;
        if (quads == 0) throw new ArgumentException($"A feature of {feature.Length} values is too small to time.", nameof(width));
        DeviceView<float> source = operands.Upload<float>(feature), target = operands.Keep(device.Allocate(floatBytes)).View<float>();
        var stages = new List<(string Name, int Bits, long Bytes, DeviceLaunch Launch)>();
        stages.Add(("copy", 32, 2L * sizeof(float) * quads, operands.Keep(DevicePeakKernels.Copy(device, source with { Length = quads }, target with { Length = quads }))));
        stages.Add(("range", 32, floatBytes, operands.Keep(new DeviceRanges(device, source, 1, channels, perChannel: true)).Launch));
        foreach (int count in bits)
        {
            FeatureCodec codec = FeatureCodec.Calibrate(samples, new CodecDecision(channels, channels, count, EntropyCoded: false));
            DeviceQuantizer quantizer = operands.Keep(DeviceFeatureCodec.Quantizer(codec, device));
            DeviceLaunch pack = operands.Keep(quantizer.Pack(source)), unpack = operands.Keep(quantizer.Unpack(target));
            pack.Run();
            unpack.Run();
            RequireSameAsCpu(codec, quantizer, target, feature);
            stages.Add(("quantize + pack", count, floatBytes + quantizer.PackedBytes, pack));
            stages.Add(("unpack + dequantize", count, quantizer.PackedBytes + floatBytes, unpack));
        }

        double[][] times = InterleavedTimer.Measure([.. stages.Select(stage => DevicePeaks.OnDevice(device, stage.Launch))], rounds, cancellation);
        return Summarize(shape, stages.ConvertAll(stage => (stage.Name, stage.Bits, stage.Bytes)), times);
    }

    private static void RequireSameAsCpu(FeatureCodec codec, DeviceQuantizer quantizer, DeviceView<float> restored, float[] feature)
    {
        byte[] packed = new byte[quantizer.PackedBytes], expected = new byte[codec.MaxPayloadBytes];
        quantizer.Read(packed);
        codec.Encode(feature, expected, out EntropyMode coder);
        float[] values = new float[feature.Length], decoded = new float[feature.Length];
        restored.Buffer.Read(MemoryMarshal.AsBytes(values.AsSpan()));
        codec.Decode(expected, coder, decoded);
        if (!packed.AsSpan().SequenceEqual(expected)) throw new InvalidDataException($"{codec.Decision.Bits} bits: the device packs other bytes than the CPU.");
        if (!MemoryMarshal.AsBytes(values.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(decoded.AsSpan())))
            throw new InvalidDataException($"{codec.Decision.Bits} bits: the device restores other values than the CPU.");
    }

    private static unsafe void Add(List<(string Name, int Bits, long Bytes, Action Work)> stages, FeatureSamples samples, int bits, float[] feature, float[] restored)
    {
        long floatBytes = (long)feature.Length * sizeof(float);
        FeatureCodec packing = FeatureCodec.Calibrate(samples, new CodecDecision(samples.Channels, samples.Channels, bits, EntropyCoded: false));
        CodecParameters parameters = CodecParameters.Calibrate(samples, new CodecDecision(samples.Channels, samples.Channels, bits, EntropyCoded: true), new CodecOptions());
        var coding = new FeatureCodec(parameters);
        var packed = new byte[packing.MaxPayloadBytes];
        var payload = new byte[packing.MaxPayloadBytes];
        packing.Encode(feature, packed, out EntropyMode packedAs);
        int length = coding.Encode(feature, payload, out EntropyMode codedAs);
        stages.Add(("quantize + pack", bits, floatBytes + packed.Length, () => packing.Encode(feature, packed, out _)));
        stages.Add(("unpack + dequantize", bits, packed.Length + floatBytes, () => packing.Decode(packed, packedAs, restored)));

        var coder = new EntropyCoder(SymbolGrid.Of(samples.Shape, samples.Channels), bits, parameters.Entropy!);
        var symbols = new AlignedBuffer(feature.Length);
        var decoded = new AlignedBuffer(feature.Length);
        var work = new AlignedBuffer(coder.WorkBytes);
        var code = new byte[feature.Length];
        fixed (byte* source = packed) BitPacking.Unpack(source, symbols.Pointer, feature.Length, bits);
        int codeBytes = coder.Encode(symbols.Pointer, code, work.Pointer);
        if (codeBytes > 0)
        {
            stages.Add(("entropy encode", bits, feature.Length + codeBytes, () => coder.Encode(symbols.Pointer, code, work.Pointer)));
            stages.Add(("entropy decode", bits, codeBytes + feature.Length, () => coder.Decode(code.AsSpan(0, codeBytes), decoded.Pointer, work.Pointer)));
        }

        stages.Add(("whole encoder", bits, floatBytes + length, () => coding.Encode(feature, payload, out _)));
        stages.Add(("whole decoder", bits, length + floatBytes, () => coding.Decode(payload.AsSpan(0, length), codedAs, restored)));
    }

    private static float[] Generate(TensorShape shape, int images, int firstImage = 0)
    {
        int pixels = shape[2] * shape[3];
        var random = new Random(1);
        var mixing = new float[shape[1] * Patterns];
        for (int i = 0; i < mixing.Length; i++) mixing[i] = (random.NextSingle() * 2) - 1;
        var noise = new Random(2 + firstImage);
        var values = new float[images * shape.Count];
        var pattern = new float[Patterns * pixels];
        for (int n = 0; n < images; n++)
        {
            for (int s = 0; s < Patterns; s++)
            {
                for (int p = 0; p < pixels; p++)
                    pattern[(s * pixels) + p] = MathF.Sin(firstImage + n + ((s + 1) * (p % shape[3]) * 0.31f) + ((s + 2) * (p / shape[3]) * 0.17f));
            }

            for (int c = 0; c < shape[1]; c++)
            {
                Span<float> plane = values.AsSpan((n * shape.Count) + (c * pixels), pixels);
                for (int p = 0; p < pixels; p++) plane[p] = 0.2f * noise.NextSingle();
                for (int s = 0; s < Patterns; s++) TensorPrimitives.MultiplyAdd(pattern.AsSpan(s * pixels, pixels), mixing[(c * Patterns) + s], plane, plane);
                TensorPrimitives.Max(plane, 0f, plane);
            }
        }

        return values;
    }
}
