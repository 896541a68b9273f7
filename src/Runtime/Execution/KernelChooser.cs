using System.Collections.Concurrent;
using System.Globalization;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Decides which convolution kernel runs a layer: the one with the least measured time where times are known, else the
/// least analytic estimate. Holds measured times by <see cref="StepSpec.Key"/>; <see cref="KernelTuner"/> makes them.
/// Safe for concurrent use.
/// </summary>
public sealed class KernelChooser
{
    // A search asks for the same few thousand shapes again and again; a runaway caller must not grow this for ever.
    private const int MaximumMemo = 1 << 16;
    private const double HopelessFactor = 4;

    private static readonly Lazy<KernelChooser> LazyDefault = new(() => KernelCache.Load(KernelCache.DefaultPath));

    private readonly ConcurrentDictionary<string, double> _microseconds;
    private readonly ConcurrentDictionary<Layer, IReadOnlyList<StepVariant>> _memo = new();

    /// <summary>A chooser that knows some measured times.</summary>
    /// <param name="measuredMicroseconds">Median time in microseconds by <see cref="StepSpec.Key"/>; null for none.</param>
    public KernelChooser(IReadOnlyDictionary<string, double>? measuredMicroseconds = null) =>
        _microseconds = new ConcurrentDictionary<string, double>(measuredMicroseconds ?? new Dictionary<string, double>(), StringComparer.Ordinal);

    /// <summary>The chooser of this user's cache file, read once per process; see <see cref="KernelCache.DefaultPath"/>.</summary>
    public static KernelChooser Default => LazyDefault.Value;

    /// <summary>A chooser without any measurement: the analytic estimates decide. Equal on CPUs of one kind.</summary>
    public static KernelChooser Analytic { get; } = new();

    /// <summary>Why a cache file was ignored, as one line for the user; null when nothing went wrong.</summary>
    public string? Warning { get; init; }

    /// <summary>Number of measured times.</summary>
    public int Count => _microseconds.Count;

    /// <summary>The measured times by key, at this moment.</summary>
    public IReadOnlyDictionary<string, double> Measurements() => _microseconds.ToDictionary(StringComparer.Ordinal);

    /// <summary>The measured time of a step, or null.</summary>
    public double? MeasuredMicroseconds(string key) => _microseconds.TryGetValue(key, out double time) ? time : null;

    /// <summary>Adds or replaces a measured time; later plans use it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is not positive and finite.</exception>
    public void Record(string key, double microseconds)
    {
        if (!(microseconds > 0) || !double.IsFinite(microseconds))
            throw new ArgumentOutOfRangeException(nameof(microseconds), microseconds, $"The time of '{key}' must be positive and finite.");
        if (this == Analytic) throw new InvalidOperationException("The analytic chooser holds no measurements; make a new one.");
        _microseconds[key] = microseconds;
        _memo.Clear();
    }

    /// <summary>The epilogue as it stands in keys.</summary>
    internal static string Describe(Epilogue epilogue)
    {
        string activation = epilogue.Activation == FusedActivation.None ? "linear"
            : string.Create(CultureInfo.InvariantCulture, $"clamp[{epilogue.Minimum:R},{epilogue.Maximum:R}]");
        return epilogue.HasResidual ? activation + "+residual" : activation;
    }

    /// <summary>
    /// Every way to run a layer on this CPU, sparse forms included when the weights have the zeros for them. Measured
    /// and estimated times are never mixed: with one measurement at hand, candidates without are left out. When
    /// <paramref name="precise"/>, only kernels that add the products themselves are candidates.
    /// </summary>
    internal IReadOnlyList<StepVariant> Convolutions(ConvShape shape, Epilogue epilogue, WeightZeros zeros, int threads, bool precise)
    {
        double weights = WeightZeros.Bucket(zeros.Weights);
        double blocks = WeightZeros.Bucket(zeros.Blocks);
        var layer = new Layer(shape, epilogue, weights, blocks, threads, precise);
        if (_memo.TryGetValue(layer, out IReadOnlyList<StepVariant>? known)) return known;
        if (_memo.Count >= MaximumMemo) _memo.Clear();
        StepVariant[] all = [.. AllConvolutions(layer)];
        StepVariant[] measured = [.. all.Where(variant => _microseconds.ContainsKey(variant.Convolution!.Key))];
        if (measured.Length > 0) all = measured;
        // No saved reorder makes up for a kernel this much slower; fewer candidates make plans cheaper.
        double bound = all.Length == 0 ? 0 : HopelessFactor * all.Min(variant => variant.Microseconds);
        return _memo[layer] = [.. all.Where(variant => variant.Microseconds <= bound)];
    }

    /// <summary>As <see cref="Convolutions"/>, with the candidates that nobody measured.</summary>
    internal IEnumerable<StepVariant> AllConvolutions(ConvShape shape, Epilogue epilogue, WeightZeros zeros, int threads, bool precise) =>
        AllConvolutions(new Layer(shape, epilogue, WeightZeros.Bucket(zeros.Weights), WeightZeros.Bucket(zeros.Blocks), threads, precise));

    private IEnumerable<StepVariant> AllConvolutions(Layer layer)
    {
        foreach (ConvKernel kernel in ConvKernels.All)
        {
            if (layer.Precise && kernel.ErrorUnits is not null) continue;
            double density = kernel.Form switch
            {
                WeightForm.Unstructured => layer.Weights,
                WeightForm.Block => layer.Blocks,
                _ => 1,
            };
            if ((kernel.Form != WeightForm.Dense && density >= 1) || !kernel.Supports(layer.Shape)) continue;
            yield return Variant(kernel, layer, density);
        }
    }

    private StepVariant Variant(ConvKernel kernel, Layer layer, double density)
    {
        ActivationLayout input = kernel.InputLayout(layer.Shape);
        ActivationLayout output = kernel.OutputLayout(layer.Shape);
        string key = string.Create(
            CultureInfo.InvariantCulture,
            $"Conv|{kernel.Name}|{layer.Shape}|{input}>{output}|{Describe(layer.Epilogue)}|{kernel.Form.ToString().ToLowerInvariant()}@{density:0.#######}|t{layer.Threads}");
        double time = MeasuredMicroseconds(key) ?? kernel.EstimateMicroseconds(layer.Shape, density) / layer.Threads;
        ActivationLayout[] inputs = layer.Epilogue.HasResidual ? [input, output] : [input];
        return new StepVariant(kernel.Name, inputs, [output], time, new ConvCandidate(kernel, density, key));
    }

    private readonly record struct Layer(ConvShape Shape, Epilogue Epilogue, double Weights, double Blocks, int Threads, bool Precise);
}
