using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Sessions on devices: whole networks, what falls back, memory, and promises about allocation.</summary>
[Collection("devices")]
public class DeviceSessionTests
{
    // Both sides sum float32 in different orders.
    private const double Tolerance = 1e-4;

    public static TheoryData<string, string, int, int> Networks
    {
        get
        {
            var data = new TheoryData<string, string, int, int>();
            foreach (string device in RealDevices.Ids)
            {
                data.Add(device, "resnet20", 8, 1);
                data.Add(device, "resnet20", 8, 4);
                data.Add(device, "resnet56", 4, 1);
                data.Add(device, "resnet8_cifar10", 8, 2);
                data.Add(device, "resnet_4b", 4, 1);
                data.Add(device, "mobilenetv2_dequant_fp32", 1, 1);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Networks))]
    public void Whole_networks_match_and_stay_on_the_device(string deviceId, string name, int images, int batch)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var model = new GoldenModel(name, images);
        using Session session = Session.Create(model.Graph, new SessionOptions { BatchSize = batch, Device = device, Strict = true, Chooser = KernelChooser.Analytic });
        Assert.Equal(2, session.Steps.Count(step => step.Op == "Copy"));
        Assert.All(session.Steps, step => Assert.Equal(deviceId, step.Device));
        var output = new float[batch * model.Classes];
        for (int start = 0; start < images; start += batch)
        {
            session.Run([.. Enumerable.Range(start, batch).SelectMany(model.Image)], output);
            for (int i = 0; i < batch; i++) Assert.InRange(model.RelativeError(start + i, output.AsSpan(i * model.Classes, model.Classes)), 0, Tolerance);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Random_networks_agree_with_the_interpreter(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        for (int seed = 6000; seed < 6060; seed++)
        {
            int batch = 1 + (seed % 2);
            (Graph graph, Tensor input) = RandomGraph.Create(seed, batch);
            IReadOnlyList<Tensor> expected = Interpreter.Run(graph, [input]);
            using Session session = Session.Create(graph, new SessionOptions { BatchSize = batch, Device = device, Strict = true, Chooser = KernelChooser.Analytic });
            IReadOnlyList<Tensor> actual = session.Run([input]);
            for (int i = 0; i < expected.Count; i++) AssertClose(expected[i], actual[i], $"seed {seed}, output {i}");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Every_convolution_kernel_fits_into_any_network(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        foreach (DeviceConvKernel kernel in DeviceConvKernels.All)
        {
            for (int seed = 7000; seed < 7006; seed++)
            {
                (Graph graph, Tensor input) = RandomGraph.Create(seed, 2);
                IReadOnlyList<Tensor> expected = Interpreter.Run(graph, [input]);
                using Session session = Session.Create(graph, new SessionOptions { BatchSize = 2, Device = device, Strict = true, Chooser = KernelChooser.Analytic, ForcedKernel = kernel.Name });
                IReadOnlyList<Tensor> actual = session.Run([input]);
                for (int i = 0; i < expected.Count; i++) AssertClose(expected[i], actual[i], $"seed {seed}, output {i}, {kernel.Name}");
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Factors_are_rounded_only_on_request_and_the_answer_stays_close(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Graph graph = LayerGraph.Create(32, 32, 3, 8);
        var input = new Tensor(ElementType.Float32, new TensorShape(1, 32, 8, 8));
        RandomWeights.Fill(input.Values<float>());
        Tensor expected = Interpreter.Run(graph, [input])[0];
        foreach (ProductPrecision precision in Enum.GetValues<ProductPrecision>())
        {
            var options = new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic, Precision = precision };
            string[] rounding = [.. DeviceConvKernels.Rounding.Where(kernel => kernel.Precision == precision).Select(kernel => kernel.Name)];
            using Session plain = Session.Create(graph, options);
            Assert.DoesNotContain(plain.Steps, step => step.Kernel.StartsWith("conv.", StringComparison.Ordinal)
                && DeviceConvKernels.Rounding.Any(kernel => kernel.Name == step.Kernel && kernel.Precision != precision));
            using Session forced = Session.Create(graph, options with { ForcedKernel = rounding.FirstOrDefault() });
            Assert.Equal(rounding.Length > 0, forced.Steps.Any(step => rounding.Contains(step.Kernel)));
            AssertClose(expected, forced.Run([input])[0], $"{precision}", precision == ProductPrecision.Float32 ? 2e-4 : 2e-2);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Precise_sessions_have_no_winograd(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Graph graph = LayerGraph.Create(16, 16, 3, 8);
        foreach (bool precise in new[] { false, true })
        {
            using Session session = Session.Create(graph, new SessionOptions { Device = device, Chooser = KernelChooser.Analytic, Precise = precise, ForcedKernel = "conv.winograd.2" });
            Assert.Equal(!precise, session.Steps.Any(step => step.Kernel == "conv.winograd.2"));
        }

        Assert.Throws<ArgumentException>(() => Session.Create(graph, new SessionOptions { Device = device, Precise = true, Precision = ProductPrecision.Tf32 }));
    }

    [Fact]
    public void The_cpu_does_not_round_factors()
    {
        var asked = new SessionOptions { Precision = ProductPrecision.BFloat16 };
        Assert.Contains("BFloat16", Assert.Throws<ArgumentException>(() => Session.Create(LayerGraph.Create(4, 4, 3, 8), asked)).Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Tuning_at_a_precision_times_the_rows_that_round_to_it(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var chooser = new KernelChooser();
        var options = new SessionOptions { Device = device, Chooser = chooser, Precision = ProductPrecision.BFloat16 };
        KernelTuner.Tune(LayerGraph.Create(8, 8, 3, 6), options, chooser);
        Assert.Contains(chooser.Measurements().Keys, key => key.Contains("conv.bfloat16.", StringComparison.Ordinal));
        Assert.DoesNotContain(chooser.Measurements().Keys, key => key.Contains("conv.tf32.", StringComparison.Ordinal));
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Every_kernel_of_a_comparison_is_within_its_bound(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        ConvShape shape = ConvShape.Parse("2x20x9x9:24k3s1p1");
        KernelComparison comparison = KernelComparison.Run(shape, rounds: 1, epilogue: Epilogue.Relu, device: device, precisions: [ProductPrecision.BFloat16]);
        Assert.All(comparison.Rows, row => Assert.True(row.IsCorrect, $"{row.Kernel}: {row.MaxRelativeError} of {row.ErrorBound}"));
        string[] rounding = [.. comparison.Rows.Select(row => row.Kernel).Where(name => DeviceConvKernels.Rounding.Any(kernel => kernel.Name == name))];
        Assert.NotEmpty(rounding);
        Assert.All(rounding, name => Assert.StartsWith("conv.bfloat16.", name, StringComparison.Ordinal));
    }

    [Fact]
    public void Of_a_large_batch_the_reference_computes_the_first_and_the_last_image()
    {
        ConvShape shape = ConvShape.Parse("64x32x32x32:64k3s1p1");
        var layer = new RandomLayer(shape, Epilogue.Relu, WeightForm.Dense, 1);
        Assert.Equal([0, 63], layer.CheckedImages);
        int inputs = layer.Input.Count / 64, outputs = layer.Expected.Count / 64;
        var expected = new float[outputs];
        CoInference.Kernels.Reference.ReferenceConv.Run(shape with { Batch = 1 }, Epilogue.Relu, layer.Input.Values<float>()[^inputs..], layer.Weights, layer.Bias, [], expected);
        Assert.Equal(expected, layer.Expected.Values<float>()[^outputs..].ToArray());
        Assert.Equal([0, 1, 2], new RandomLayer(ConvShape.Parse("3x4x4x4:4k1s1p0"), Epilogue.Relu, WeightForm.Dense, 1).CheckedImages);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void A_step_without_a_kernel_runs_on_the_cpu_and_shows(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Graph graph = LayerGraph.Create(4, 4, 3, 8);
        Append(graph, "lrn", "LRN", node => node.Attributes["size"] = 3L);
        Append(graph, "relu", "Relu", _ => { });
        var input = new Tensor(ElementType.Float32, new TensorShape(1, 4, 8, 8));
        RandomWeights.Fill(input.Values<float>());
        Tensor expected = Interpreter.Run(graph, [input])[0];

        using Session session = Session.Create(graph, new SessionOptions { Device = device });
        AssertClose(expected, session.Run([input])[0], "fallback");
        Assert.Equal("cpu", session.Steps.Single(step => step.Op == "LRN").Device);
        Assert.Equal(4, session.Steps.Count(step => step.Op == "Copy"));

        string message = Assert.Throws<NotSupportedException>(() => Session.Create(graph, new SessionOptions { Device = device, Strict = true })).Message;
        Assert.Contains("LRN 'lrn'", message, StringComparison.Ordinal);
        Assert.Contains(deviceId, message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Runs_allocate_nothing_on_the_host(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var model = new GoldenModel("resnet8_cifar10", 1);
        using Session session = Session.Create(model.Graph, new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic });
        float[] input = model.Image(0);
        var output = new float[model.Classes];
        var ticks = new long[session.Steps.Count];
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int run = 0; run < 40; run++)
            {
                session.Run(input, output);
                if (run % 10 == 0) session.RunTimed(input, output, ticks);
            }
        });
        Assert.Equal(0, allocated);
        Assert.All(ticks, time => Assert.True(time > 0));
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Sessions_share_a_device_and_weights_between_threads(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var model = new GoldenModel("resnet8_cifar10", 6);
        Session first = Session.Create(model.Graph, new SessionOptions { Device = device, Chooser = KernelChooser.Analytic });
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 3 }, image =>
        {
            using Session fork = first.Fork();
            var output = new float[model.Classes];
            for (int run = 0; run < 3; run++) fork.Run(model.Image(image), output);
            Assert.InRange(model.RelativeError(image, output), 0, Tolerance);
        });
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => first.Fork());
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Every_step_runs_alone_and_is_timed(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (int seed = 0; seed < 10; seed++)
        {
            (Graph graph, _) = RandomGraph.Create(seed, 2);
            foreach (StepSpec spec in Session.Describe(graph, new SessionOptions { BatchSize = 2, Device = device, Chooser = KernelChooser.Analytic }))
            {
                if (!keys.Add(spec.Key)) continue;
                using StandaloneStep step = StandaloneStep.Create(spec);
                step.Run();
                Assert.True(step.Sample(3) > 0, spec.Key);
            }
        }

        Assert.All(keys.Where(key => key.StartsWith("Conv|", StringComparison.Ordinal)), key => Assert.EndsWith(device.Fingerprint, key, StringComparison.Ordinal));
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Tuning_teaches_the_choice(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Graph graph = LayerGraph.Create(16, 16, 3, 8);
        var chooser = new KernelChooser();
        var options = new SessionOptions { Device = device, Chooser = chooser };
        Assert.Equal(1, KernelTuner.Tune(graph, options, chooser));
        Assert.Equal(0, KernelTuner.Tune(graph, options, chooser));
        StepSpec layer = Session.Describe(graph, options).Single(step => step.Conv is not null);
        Assert.Equal(chooser.Measurements().Values.Min(), layer.EstimatedMicroseconds);
    }

    private static void Append(Graph graph, string name, string op, Action<Node> attributes)
    {
        var node = new Node { Name = name, OpType = op };
        attributes(node);
        string last = graph.Outputs[0].Name;
        node.Inputs.Add(last);
        node.Outputs.Add($"{name}.out");
        graph.Nodes.Add(node);
        graph.Outputs[0] = graph.Outputs[0] with { Name = $"{name}.out" };
    }

    private static void AssertClose(Tensor expected, Tensor actual, string where, double tolerance = 2e-4)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        ReadOnlySpan<float> e = expected.Values<float>();
        ReadOnlySpan<float> a = actual.Values<float>();
        double scale = 1e-3;
        foreach (float value in e) scale = Math.Max(scale, Math.Abs(value));
        for (int i = 0; i < e.Length; i++)
            Assert.True(Math.Abs(e[i] - a[i]) <= tolerance * scale, $"{where}: element {i} is {a[i]}, expected {e[i]}, scale {scale}");
    }
}
