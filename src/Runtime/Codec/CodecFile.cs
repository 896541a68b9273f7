using System.Text.Json;
using System.Text.Json.Serialization;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Codec;

/// <summary>The codec file: the parameters of a <see cref="FeatureCodec"/> as JSON.</summary>
internal sealed record CodecFile
{
    /// <summary>Schema name.</summary>
    public const string SchemaName = "coinference.codec/2";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public required string Schema { get; init; }

    /// <summary>Shape of the feature, with a batch of 1.</summary>
    public required int[] FeatureShape { get; init; }

    /// <summary>Bits per symbol, 1 to 8, or 32 for unquantized values.</summary>
    public required int Bits { get; init; }

    /// <summary>Whether symbols may be entropy coded.</summary>
    public required bool EntropyCoded { get; init; }

    /// <summary>Channels that are sent, ascending.</summary>
    public required int[] KeptChannels { get; init; }

    /// <summary>Value of symbol 0, one per kept channel or one for all.</summary>
    public required float[] Minimum { get; init; }

    /// <summary>Distance between neighbouring levels, as many as minimums.</summary>
    public required float[] Step { get; init; }

    /// <summary>Map to the dropped channels; absent when all are sent.</summary>
    public MapPart? Reconstruction { get; init; }

    /// <summary>Distributions of the entropy coder; absent when symbols are not entropy coded.</summary>
    public EntropyPart? Entropy { get; init; }

    /// <summary>The distributions of the entropy coder.</summary>
    public sealed record EntropyPart
    {
        /// <summary>Logarithm of the sum of the frequencies of a distribution.</summary>
        public required int Log { get; init; }

        /// <summary>Ascending sums of neighbouring symbols at which a new class begins.</summary>
        public required int[] Thresholds { get; init; }

        /// <summary>[kept channel, class], the distribution of each context.</summary>
        public required int[] Contexts { get; init; }

        /// <summary>Frequency of every symbol in each distribution.</summary>
        public required ushort[][] Frequencies { get; init; }
    }

    /// <summary>The map to the dropped channels.</summary>
    public sealed record MapPart
    {
        /// <summary>[dropped, kept], row-major.</summary>
        public required float[] Weights { get; init; }

        /// <summary>[dropped].</summary>
        public required float[] Bias { get; init; }

        /// <summary>[dropped].</summary>
        public required float[] Minimum { get; init; }
    }

    /// <summary>Writes a file as a whole or not at all.</summary>
    public static void Save(CodecParameters parameters, string path)
    {
        var file = new CodecFile
        {
            Schema = SchemaName,
            FeatureShape = parameters.FeatureShape.Dimensions.ToArray(),
            Bits = parameters.Decision.Bits,
            EntropyCoded = parameters.Decision.EntropyCoded,
            KeptChannels = parameters.Kept,
            Minimum = parameters.Minimum,
            Step = parameters.Step,
            Reconstruction = parameters.Reconstruction is { } map
                ? new MapPart { Weights = map.Weights, Bias = map.Bias, Minimum = map.Minimum }
                : null,
            Entropy = parameters.Entropy is { } entropy
                ? new EntropyPart { Log = entropy.Log, Thresholds = entropy.Thresholds, Contexts = entropy.Contexts, Frequencies = entropy.Frequencies }
                : null,
        };
        AtomicFile.WriteBytes(path, JsonSerializer.SerializeToUtf8Bytes(file, CodecJson.Default.CodecFile));
    }

    /// <summary>Reads and validates a file.</summary>
    /// <exception cref="InvalidDataException">The file is no codec file or a field is out of range.</exception>
    public static CodecParameters Load(string path)
    {
        CodecFile? file;
        try
        {
            file = JsonSerializer.Deserialize(File.ReadAllBytes(path), CodecJson.Default.CodecFile);
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"Codec file {path}: {failure.Message}", failure);
        }

        if (file is null) throw new InvalidDataException($"Codec file {path}: the document is null.");
        try
        {
            return file.ToParameters();
        }
        catch (Exception failure) when (failure is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"Codec file {path}: {failure.Message}", failure);
        }
    }

    private CodecParameters ToParameters()
    {
        Expect(Schema == SchemaName, $"schema is '{Schema}', expected '{SchemaName}'");
        var shape = new TensorShape(FeatureShape);
        FeatureSamples.CheckShape(shape);
        var decision = new CodecDecision(KeptChannels.Length, shape[1], Bits, EntropyCoded);
        CodecParameters.CheckDecision(decision, shape[1]);
        for (int k = 0; k < KeptChannels.Length; k++)
        {
            Expect(KeptChannels[k] >= 0 && KeptChannels[k] < shape[1], $"keptChannels[{k}] is {KeptChannels[k]}, expected 0 to {shape[1] - 1}");
            Expect(k == 0 || KeptChannels[k] > KeptChannels[k - 1], $"keptChannels[{k}] does not ascend");
        }

        bool raw = Bits == CodecParameters.RawBits;
        Expect(raw ? Minimum.Length == 0 : Minimum.Length == 1 || Minimum.Length == KeptChannels.Length, $"minimum has {Minimum.Length} values for {KeptChannels.Length} channels");
        Expect(Step.Length == Minimum.Length, $"step has {Step.Length} values, minimum {Minimum.Length}");
        ExpectFinite(Minimum, "minimum");
        ExpectFinite(Step, "step");
        for (int r = 0; r < Step.Length; r++)
        {
            Expect(Step[r] >= 0 && float.IsFinite(CodecParameters.Inverse(Step[r])), $"step[{r}] is {Step[r]:R}");
            Expect(float.IsFinite(CodecParameters.Offset(Minimum[r], Step[r])), $"minimum[{r}] is too large for step[{r}]");
        }

        return new CodecParameters(shape, decision, KeptChannels, Minimum, Step, ToReconstruction(shape[1] - KeptChannels.Length), ToEntropy());
    }

    private EntropyModel? ToEntropy()
    {
        Expect(Entropy is null != EntropyCoded, EntropyCoded ? "entropy is missing" : "entropy is not needed: symbols are not entropy coded");
        if (Entropy is not { } entropy) return null;
        int levels = 1 << Bits;
        Expect(entropy.Log >= Bits && entropy.Log <= EntropyModel.MaxLog, $"entropy.log is {entropy.Log}, expected {Bits} to {EntropyModel.MaxLog}");
        Expect(entropy.Thresholds.Length < EntropyModel.MaxClasses, $"entropy.thresholds has {entropy.Thresholds.Length} values, expected at most {EntropyModel.MaxClasses - 1}");
        for (int i = 0; i < entropy.Thresholds.Length; i++)
        {
            int least = i == 0 ? 1 : entropy.Thresholds[i - 1] + 1;
            Expect(entropy.Thresholds[i] >= least && entropy.Thresholds[i] <= 2 * (levels - 1), $"entropy.thresholds[{i}] is {entropy.Thresholds[i]}, expected {least} to {2 * (levels - 1)}");
        }

        int distributions = entropy.Frequencies.Length;
        Expect(distributions is >= 1 and <= EntropyModel.MaxDistributions, $"entropy.frequencies has {distributions} distributions, expected 1 to {EntropyModel.MaxDistributions}");
        int contexts = KeptChannels.Length * (entropy.Thresholds.Length + 1);
        Expect(entropy.Contexts.Length == contexts, $"entropy.contexts has {entropy.Contexts.Length} entries, expected {contexts}");
        int stray = Array.FindIndex(entropy.Contexts, context => context < 0 || context >= distributions);
        Expect(stray < 0, $"entropy.contexts[{stray}] is no distribution");
        for (int d = 0; d < distributions; d++)
        {
            Expect(entropy.Frequencies[d] is { } row && row.Length == levels, $"entropy.frequencies[{d}] does not have {levels} values");
            Expect(!entropy.Frequencies[d].Contains((ushort)0) && entropy.Frequencies[d].Sum(frequency => frequency) == 1 << entropy.Log,
                $"entropy.frequencies[{d}] are not positive numbers that sum to {1 << entropy.Log}");
        }

        return new EntropyModel(entropy.Log, entropy.Thresholds, entropy.Contexts, entropy.Frequencies);
    }

    private ChannelReconstruction? ToReconstruction(int dropped)
    {
        Expect(Reconstruction is null == (dropped == 0), dropped == 0 ? "reconstruction is not needed: all channels are kept" : $"reconstruction is missing for {dropped} dropped channels");
        if (Reconstruction is not { } map) return null;
        Expect(map.Weights.Length == (long)dropped * KeptChannels.Length, $"reconstruction.weights has {map.Weights.Length} values, expected {dropped} x {KeptChannels.Length}");
        Expect(map.Bias.Length == dropped, $"reconstruction.bias has {map.Bias.Length} values, expected {dropped}");
        Expect(map.Minimum.Length == dropped, $"reconstruction.minimum has {map.Minimum.Length} values, expected {dropped}");
        ExpectFinite(map.Weights, "reconstruction.weights");
        ExpectFinite(map.Bias, "reconstruction.bias");
        ExpectFinite(map.Minimum, "reconstruction.minimum");
        return new ChannelReconstruction(map.Weights, map.Bias, map.Minimum);
    }

    private static void ExpectFinite(float[] values, string name)
    {
        int index = Array.FindIndex(values, value => !float.IsFinite(value));
        Expect(index < 0, $"{name}[{index}] is not finite");
    }

    private static void Expect(bool condition, string complaint)
    {
        if (!condition) throw new InvalidDataException(complaint + ".");
    }
}

/// <summary>Source-generated JSON contract of the codec file.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(CodecFile))]
internal sealed partial class CodecJson : JsonSerializerContext;
