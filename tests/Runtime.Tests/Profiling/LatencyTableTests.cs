using System.Text.Json;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Tests.Profiling;

public sealed class LatencyTableTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-latency-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Missing_steps_are_measured_once_and_survive_a_file()
    {
        IReadOnlyList<StepSpec> steps = Session.Describe(Network(16));
        LatencyTable table = LatencyTable.Create();
        double price = table.PriceMs(steps);
        Assert.True(price > 0);
        Assert.Equal(steps.Select(step => step.Key).Distinct().Count(), table.Count);
        Assert.Equal(price, table.PriceMs(steps));
        Assert.Equal(0, table.Measure(steps));

        string path = Path.Combine(_folder, "table.json");
        table.Save(path);
        LatencyTable loaded = LatencyTable.Load(path), cached = LatencyTable.ForThisHost(path);
        Assert.Equal((table.Hash, price), (loaded.Hash, loaded.PriceMs(steps)));
        Assert.Equal(table.Count, cached.Count);
        Assert.Equal(table.Entries[0].Timing.SamplesUs, loaded.Entries[0].Timing.SamplesUs);

        table.PriceMs(Session.Describe(Network(24)));
        Assert.NotEqual(loaded.Hash, table.Hash);
    }

    [Fact]
    public void A_table_of_another_host_prices_what_it_has_and_names_what_it_lacks()
    {
        IReadOnlyList<StepSpec> steps = Session.Describe(Network(16));
        string path = Path.Combine(_folder, "foreign.json");
        LatencyTable here = LatencyTable.Create();
        double price = here.PriceMs(steps);
        here.Save(path);
        File.WriteAllText(path, File.ReadAllText(path).Replace(JsonEncodedText.Encode(here.Fingerprint).ToString(), "another machine", StringComparison.Ordinal));

        LatencyTable foreign = LatencyTable.Load(path);
        Assert.False(foreign.IsOpen);
        Assert.Equal(price, foreign.PriceMs(steps));
        IReadOnlyList<StepSpec> unknown = Session.Describe(Network(40));
        string message = Assert.Throws<InvalidDataException>(() => foreign.PriceMs(unknown)).Message;
        Assert.Contains(unknown.First(step => step.Op == "Conv").Key, message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => foreign.Calibrate("network", Network(16)));
        Assert.Equal(0, LatencyTable.ForThisHost(path).Count);
    }

    [Theory]
    [InlineData("{}", "schema")]
    [InlineData("{\"schema\":\"coinference.latency-table/2\"}", "coinference.latency-table/1")]
    [InlineData("not json", "")]
    public void Broken_files_are_refused_but_a_broken_cache_is_only_empty(string text, string expected)
    {
        string path = Path.Combine(_folder, "broken.json");
        File.WriteAllText(path, text);
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => LatencyTable.Load(path)).Message, StringComparison.Ordinal);
        Assert.Equal(0, LatencyTable.ForThisHost(path).Count);
    }

    [Fact]
    public void Invalid_times_are_refused()
    {
        LatencyTable table = LatencyTable.Create();
        table.PriceMs(Session.Describe(Network(16)));
        string path = Path.Combine(_folder, "table.json");
        table.Save(path);
        string text = File.ReadAllText(path);
        int at = text.IndexOf("\"medianUs\": ", StringComparison.Ordinal) + "\"medianUs\": ".Length;
        File.WriteAllText(path, string.Concat(text.AsSpan(0, at), "-", text.AsSpan(at)));
        Assert.Contains("positive", Assert.Throws<InvalidDataException>(() => LatencyTable.Load(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Calibration_makes_the_price_of_the_network_its_measured_time()
    {
        LatencyTable table = LatencyTable.Create();
        Graph graph = Network(32);
        NetworkCalibration calibration = table.Calibrate("small", graph);
        Assert.Equal(calibration.Factor, table.Calibration);
        Assert.Equal(calibration.StepSumMs * calibration.Factor, table.PriceMs(Session.Describe(graph)), calibration.StepSumMs * 1e-9);

        // Steps and network are the same work: on a machine too busy for a factor near one, steps are added up as they are.
        Assert.InRange(calibration.Factor, 0.6, 1.7);
        if (calibration.Factor != 1) Assert.Equal(calibration.EndToEndMs, calibration.StepSumMs * calibration.Factor, calibration.EndToEndMs * 1e-9);
        Assert.Single(table.Calibrations);
    }

    [Fact]
    public void A_sweep_covers_every_pair_of_levels()
    {
        LatencyTable table = LatencyTable.Create();
        Graph graph = Network(24);
        var options = new LatencySweepOptions { Sparsities = [0, 0.34] };
        int measured = LatencySweep.Run(graph, table, options);
        Assert.Equal(measured, table.Count);

        // The second convolution reads 24 or 16 channels and writes 24 or 16.
        string[] pairs = ["1x24x8x8:24k", "1x24x8x8:16k", "1x16x8x8:24k", "1x16x8x8:16k"];
        Assert.All(pairs, pair => Assert.Contains(table.Entries, entry => entry.Key.Contains(pair, StringComparison.Ordinal)));
        Assert.Equal(0, LatencySweep.Run(graph, table, options));
        Assert.Throws<ArgumentOutOfRangeException>(() => LatencySweep.Run(graph, table, new LatencySweepOptions { Sparsities = [1] }));
    }

    [Fact]
    public void A_profile_explains_the_network_layer_by_layer_and_renders()
    {
        var options = new ProfileOptions { Timing = new TimingOptions { Samples = 10, WarmUpMilliseconds = 5 }, LayerRuns = 20, Slowdown = new Slowdown(3) };
        ProfileReport report = Profiler.Profile(Network(16), "small, \"quoted\"", options);
        Assert.True(report.Emulated && report.FirstRunMs > 0 && report.EndToEnd.MedianMs > 0 && report.ArenaBytes > 0);
        LayerProfile conv = report.Layers.First(layer => layer.Op == "Conv");
        Assert.Equal(2.0 * 8 * 8 * 16 * 3 * 9 / (conv.MedianUs * 1e3), conv.Gflops, conv.Gflops * 1e-6);
        Assert.Equal(1, report.Layers.Sum(layer => layer.Share), 6);
        Assert.All(report.Layers, layer => Assert.True(layer.PeakFraction > 0 && layer.BoundBy is "compute" or "memory"));

        string path = Path.Combine(_folder, "profile.json");
        report.Save(path);
        ProfileReport loaded = ProfileReport.Load(path);
        Assert.Equal(report.ToJson(), loaded.ToJson());
        Assert.Equal(report.Layers, loaded.Layers);

        string[] lines = ProfileExport.ToCsv(report).TrimEnd('\n').Split('\n');
        Assert.Equal(report.Layers.Count + 1, lines.Length);
        Assert.All(lines, line => Assert.Equal(15, line.Split(',').Length));
        using JsonDocument trace = JsonDocument.Parse(ProfileExport.ToChromeTrace(report));
        Assert.Equal(report.Layers.Count + 1, trace.RootElement.GetProperty("traceEvents").GetArrayLength());
    }

    [SkippableFact]
    public void Chrome_trace_and_json_of_a_real_network_parse()
    {
        var options = new ProfileOptions { Timing = new TimingOptions { Samples = 5, WarmUpMilliseconds = 5 }, LayerRuns = 5 };
        ProfileReport report = Profiler.Profile(TestData.Require("models", "resnet8_cifar10.onnx"), options);
        Assert.Equal("resnet8_cifar10.onnx", report.Model);
        using JsonDocument json = JsonDocument.Parse(report.ToJson());
        JsonElement root = json.RootElement;
        Assert.Equal("coinference.profile/1", root.GetProperty("schema").GetString());
        Assert.True(root.GetProperty("endToEnd").GetProperty("p90Ms").GetDouble() > 0);
        Assert.True(root.GetProperty("layers")[0].GetProperty("peakFraction").GetDouble() > 0);
        Assert.True(root.GetProperty("roofline").GetProperty("peakGflops").EnumerateObject().Any());
    }

    /// <summary>Two 3x3 convolutions with ReLU and a classifier on 3x8x8 images.</summary>
    private static Graph Network(int channels)
    {
        var random = new Random(1);
        var graph = new Graph();
        graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [new(null, "N"), new(3), new(8), new(8)]));
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, [new(null, "N"), new(10)]));
        void Add(string op, string name, string[] inputs, params (string Key, object Value)[] attributes)
        {
            var node = new Node { Name = name, OpType = op };
            node.Inputs.AddRange(inputs);
            node.Outputs.Add(name == "fc" ? "y" : name);
            foreach ((string key, object value) in attributes) node.Attributes[key] = value;
            graph.Nodes.Add(node);
        }

        void Weights(string name, params int[] shape)
        {
            var tensor = new Tensor(ElementType.Float32, new TensorShape(shape));
            foreach (ref float value in tensor.Values<float>()) value = (float)(random.NextDouble() - 0.5);
            graph.Initializers[name] = tensor;
        }

        Weights("w1", channels, 3, 3, 3);
        Weights("w2", channels, channels, 3, 3);
        Weights("w3", 10, channels);
        Add("Conv", "c1", ["x", "w1"], ("pads", new long[] { 1, 1, 1, 1 }));
        Add("Relu", "r1", ["c1"]);
        Add("Conv", "c2", ["r1", "w2"], ("pads", new long[] { 1, 1, 1, 1 }));
        Add("Relu", "r2", ["c2"]);
        Add("GlobalAveragePool", "p", ["r2"]);
        Add("Flatten", "f", ["p"]);
        Add("Gemm", "fc", ["f", "w3"], ("transB", 1L));
        return graph;
    }
}
