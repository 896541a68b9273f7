using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Which kernel runs a layer, and where the measurements behind that choice are kept.</summary>
public sealed class KernelChoiceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-test-").FullName;

    private string CachePath => Path.Combine(_folder, "kernels.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_measured_time_decides_against_the_estimate()
    {
        Graph graph = LayerGraph.Create(32, 32, 3, 10);
        var chooser = new KernelChooser();
        foreach (string kernel in ConvKernels.All.Where(row => row.Form == WeightForm.Dense && row.InputLayout(LayerGraph.Shape(32, 32, 3, 10)).Block != 1)
            .Where(row => row.Supports(LayerGraph.Shape(32, 32, 3, 10))).Select(row => row.Name))
        {
            var options = new SessionOptions { Chooser = chooser, ForcedKernel = kernel };
            StepSpec step = Session.Describe(graph, options).Single(spec => spec.Conv is not null);
            if (step.Kernel != kernel) continue;
            var taught = new KernelChooser(new Dictionary<string, double> { [step.Key] = 1.5 });
            StepSpec chosen = Session.Describe(graph, new SessionOptions { Chooser = taught }).Single(spec => spec.Conv is not null);
            Assert.Equal(kernel, chosen.Kernel);
            Assert.Equal(1.5, chosen.EstimatedMicroseconds);
        }
    }

    [Fact]
    public void A_precise_session_adds_products_only()
    {
        Graph graph = LayerGraph.Create(64, 64, 3, 16);
        StepSpec Layer(SessionOptions options) => Session.Describe(graph, options).Single(spec => spec.Conv is not null);
        ConvKernel Kernel(SessionOptions options) => ConvKernels.All.Single(row => row.Name == Layer(options).Kernel);
        var fast = new SessionOptions { Chooser = KernelChooser.Analytic };
        Assert.NotNull(Kernel(fast).ErrorUnits);
        Assert.Null(Kernel(fast with { Precise = true }).ErrorUnits);

        // A measured time does not bring it back.
        var taught = new KernelChooser(new Dictionary<string, double> { [Layer(fast).Key] = 0.5 });
        Assert.NotNull(Kernel(new SessionOptions { Chooser = taught }).ErrorUnits);
        Assert.Null(Kernel(new SessionOptions { Chooser = taught, Precise = true }).ErrorUnits);
    }

    [Fact]
    public void Tuning_measures_every_layer_once()
    {
        Graph graph = LayerGraph.Create(8, 16, 1, 6);
        var chooser = new KernelChooser();
        Assert.Equal(1, KernelTuner.Tune(graph, new SessionOptions(), chooser));
        Assert.True(chooser.Count > 0);
        Assert.Equal(0, KernelTuner.Tune(graph, new SessionOptions(), chooser));
        StepSpec step = Session.Describe(graph, new SessionOptions { Chooser = chooser }).Single(spec => spec.Conv is not null);
        Assert.Equal(chooser.MeasuredMicroseconds(step.Key), step.EstimatedMicroseconds);
    }

    [Fact]
    public void The_cache_keeps_times_between_processes()
    {
        KernelCache.Save(new KernelChooser(new Dictionary<string, double> { ["a"] = 1, ["b"] = 2.25 }), CachePath);
        KernelCache.Save(new KernelChooser(new Dictionary<string, double> { ["b"] = 3, ["c"] = 4 }), CachePath);
        KernelChooser loaded = KernelCache.Load(CachePath);
        Assert.Null(loaded.Warning);
        Assert.Equal(new SortedDictionary<string, double> { ["a"] = 1, ["b"] = 3, ["c"] = 4 }, new SortedDictionary<string, double>(loaded.Measurements().ToDictionary()));
    }

    [Fact]
    public void Writers_at_the_same_time_lose_nothing()
    {
        Parallel.For(0, 12, i => KernelCache.Save(new KernelChooser(new Dictionary<string, double> { [$"key{i}"] = i + 1 }), CachePath));
        Assert.Equal(12, KernelCache.Load(CachePath).Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"schema\":\"coinference.kernel-times/9\",\"device\":\"x\",\"microseconds\":{}}")]
    [InlineData("{\"schema\":\"coinference.kernel-times/1\",\"device\":\"another machine\",\"microseconds\":{}}")]
    [InlineData("{\"schema\":\"coinference.kernel-times/1\",\"device\":\"DEVICE\"}")]
    [InlineData("{\"schema\":\"coinference.kernel-times/1\",\"device\":\"DEVICE\",\"microseconds\":{\"a\":-1}}")]
    public void A_broken_cache_is_ignored_with_a_message_and_replaced(string content)
    {
        File.WriteAllText(CachePath, content.Replace("DEVICE", DeviceFingerprint.Current, StringComparison.Ordinal));
        KernelChooser loaded = KernelCache.Load(CachePath);
        Assert.Equal(0, loaded.Count);
        Assert.Contains(CachePath, loaded.Warning, StringComparison.Ordinal);
        KernelCache.Save(new KernelChooser(new Dictionary<string, double> { ["a"] = 1 }), CachePath);
        Assert.Equal(1, KernelCache.Load(CachePath).Count);
    }

    [Fact]
    public void An_absent_cache_is_empty_without_a_message()
    {
        KernelChooser loaded = KernelCache.Load(CachePath);
        Assert.Equal(0, loaded.Count);
        Assert.Null(loaded.Warning);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_time_must_be_positive_and_finite(double time) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KernelChooser().Record("key", time));

    // Float32 sums against double ones, relative to the largest output of up to 576 products.
    [Theory]
    [InlineData(WeightForm.Dense, 0)]
    [InlineData(WeightForm.Unstructured, 0.9)]
    [InlineData(WeightForm.Block, 0.75)]
    public void A_comparison_checks_every_kernel_and_marks_one(WeightForm form, double sparsity)
    {
        ConvShape shape = LayerGraph.Shape(64, 32, 3, 9) with { Batch = 2 };
        KernelComparison comparison = KernelComparison.Run(shape, form, sparsity, epilogue: new Epilogue(FusedActivation.Clamp, 0, 6, HasResidual: true), rounds: 3);
        Assert.Single(comparison.Rows, row => row.IsPicked);
        Assert.True(comparison.PickOverBest >= 1);
        Assert.Contains(comparison.Rows, row => row.Form == WeightForm.Dense);
        if (form != WeightForm.Dense) Assert.Contains(comparison.Rows, row => row.Form == form && Math.Abs(row.Sparsity - sparsity) < 0.02);
        // Few blocks have no weight at all where zeros lie singly.
        if (form == WeightForm.Unstructured) Assert.All(comparison.Rows.Where(row => row.Form == WeightForm.Block), row => Assert.InRange(row.Sparsity, 0, 0.7));
        Assert.All(comparison.Rows, row =>
        {
            Assert.InRange(row.MaxRelativeError, 0, 2e-5);
            Assert.InRange(row.MedianMicroseconds, row.P10Microseconds, row.P90Microseconds);
            Assert.Equal(comparison.Rows.Where(other => other.Form == WeightForm.Dense).Min(other => other.MedianMicroseconds) / row.MedianMicroseconds, row.VersusDense, 9);
        });
    }

    [Theory]
    [InlineData(new[] { 0.5, 1.5 }, 0.45)]
    [InlineData(new[] { 0.5, 1.2, 0.8, 2 }, 0.65)]
    [InlineData(new[] { 1.1, 1.2 }, 0.2)]
    [InlineData(new[] { 0.7, 0.9 }, null)]
    public void Break_even_is_where_the_ratio_last_passes_one(double[] ratios, double? expected)
    {
        double[] sparsities = ratios.Length == 2 ? [0.2, 0.7] : [0.2, 0.4, 0.6, 0.9];
        var runs = new List<(double, KernelComparison)>();
        for (int i = 0; i < ratios.Length; i++)
        {
            runs.Add((sparsities[i], new KernelComparison(LayerGraph.Shape(4, 4, 1, 4), [Row(WeightForm.Dense, 1), Row(WeightForm.Block, ratios[i]), Row(WeightForm.Block, ratios[i] / 2)], PeakGflops: null)));
        }

        double? share = KernelComparison.BreakEven(runs, WeightForm.Block);
        Assert.Equal(expected is null, share is null);
        if (expected is { } wanted) Assert.Equal(wanted, share!.Value, 3);
        Assert.Null(KernelComparison.BreakEven(runs, WeightForm.Unstructured));

        static KernelTiming Row(WeightForm form, double versusDense) => new("k", form, "1x1", 0, 1, 1 / versusDense, 1, 1, 1, 0, false, versusDense, 1, FloorMicroseconds: null);
    }

    [Fact]
    public void A_survey_finds_the_fastest_kernel_and_no_wrong_one()
    {
        foreach (ConvShape shape in ChoiceSurvey.Random(seed: 3, count: 6).Where(shape => shape.MultiplyAdds < 3_000_000))
        {
            foreach (WeightForm form in Enum.GetValues<WeightForm>())
            {
                KernelChoice choice = ChoiceSurvey.Judge(shape, form, form == WeightForm.Dense ? 0 : 0.8, threads: 1, rounds: 3);
                Assert.Empty(choice.WrongKernels);
                Assert.InRange(choice.EstimatedOverBest, 0.01, 1);
                Assert.InRange(choice.MeasuredOverBest, 0.01, 1);
                Assert.True(choice.BestMicroseconds > 0);
            }
        }
    }

    [Fact]
    public void The_survey_covers_the_layers_of_known_networks()
    {
        Assert.Equal(ChoiceSurvey.Layers.Count, ChoiceSurvey.Layers.Distinct().Count());
        Assert.Contains(ConvShape.Parse("1x3x224x224:64k7s2p3"), ChoiceSurvey.Layers);
        Assert.Contains(ChoiceSurvey.Layers, shape => shape.Groups == shape.InChannels && shape.Groups > 1);
        Assert.Equal(ChoiceSurvey.Random(1, 40), ChoiceSurvey.Random(1, 40));
    }

    [Theory]
    [InlineData("1x24x9x11:40k3s1p1")]
    [InlineData("2x32x8x8:64k1")]
    [InlineData("1x16x13x13:16k3s2p1g16")]
    public void Integer_kernels_are_exact_beside_the_float_ones(string layer)
    {
        IntegerComparison comparison = IntegerComparison.Run(ConvShape.Parse(layer), threads: 2, rounds: 3);
        Assert.All(comparison.Rows.Where(row => row.Type == ElementType.UInt8), row => Assert.Equal(0, row.WrongSums));
        Assert.All(comparison.Rows.Where(row => row.Type == ElementType.Float32), row => Assert.Null(row.WrongSums));
        Assert.Single(comparison.Rows, row => row.IsPicked);
        Assert.Contains(comparison.Rows, row => row.VersusDirect == 1);
    }

    [Fact]
    public void A_comparison_refuses_the_impossible()
    {
        ConvShape shape = LayerGraph.Shape(4, 4, 1, 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => KernelComparison.Run(shape, WeightForm.Block, 1));
        Assert.Throws<ArgumentException>(() => KernelComparison.Run(shape, WeightForm.Dense, 0.5));
        Assert.Throws<ArgumentException>(() => KernelComparison.Run(shape with { Groups = 3 }));
    }

    [Theory]
    [InlineData(WeightForm.Unstructured)]
    [InlineData(WeightForm.Block)]
    public void Zeros_offer_sparse_kernels_and_the_zeros_decide_which(WeightForm form)
    {
        Graph graph = LayerGraph.Create(64, 64, 3, 12, form, 0.05);
        StepSpec step = Session.Describe(graph, new SessionOptions { Chooser = KernelChooser.Analytic }).Single(spec => spec.Conv is not null);
        Assert.NotEqual(WeightForm.Dense, step.Form);
        Assert.InRange(step.Density, 0.03, 0.08);
        Assert.InRange(step.MultiplyAdds, 1, step.Conv!.MultiplyAdds / 10);
        foreach (string kernel in ConvKernels.All.Where(row => row.Form == form).Select(row => row.Name)) AssertSame(graph, kernel);
    }

    private static void AssertSame(Graph graph, string kernel)
    {
        var input = new Tensor(ElementType.Float32, new TensorShape(1, 64, 12, 12));
        var random = new Random(3);
        foreach (ref float value in input.Values<float>()) value = (float)random.NextDouble();
        using Session session = Session.Create(graph, new SessionOptions { Chooser = KernelChooser.Analytic, ForcedKernel = kernel });
        float[] expected = Interpreter.Run(graph, [input])[0].Values<float>().ToArray();
        float[] actual = session.Run([input])[0].Values<float>().ToArray();
        double scale = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++) Assert.InRange(actual[i], expected[i] - (1e-5 * scale), expected[i] + (1e-5 * scale));
    }
}
