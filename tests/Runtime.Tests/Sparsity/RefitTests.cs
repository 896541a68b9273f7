using System.IO.Compression;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

public class RefitTests
{
    private static readonly RefitOptions AlmostNoRidge = new() { Ridge = 1e-7 };

    [Fact]
    public void TheLayerwiseRunEqualsTheInterpreter()
    {
        Graph graph = Mixed();
        Tensor images = NetworkBuilder.RandomImages(seed: 1, 3, 3, 12, 12);
        var network = new CalibrationNetwork(graph, CalibrationActivation.FromTensor(images), WorkerSet.Single);
        network.Run(null, null, CancellationToken.None);
        float[] actual = network.Value(graph.Outputs[0].Name)!.ToTensor().Values<float>().ToArray();

        // Single against double precision sums of up to a few hundred terms.
        Assert.InRange(NetworkBuilder.RelativeError(NetworkBuilder.Run(graph, images), actual), 0, 1e-5);
    }

    [Theory]
    [InlineData(Importance.Activation)]
    [InlineData(Importance.Reconstruction)]
    public void RedundantChannelsCostNothingAfterTheFit(Importance importance)
    {
        // Channels 8 to 15 are positive multiples of channels 0 to 7: eight channels can say all that sixteen say.
        var builder = new NetworkBuilder(seed: 2, 1, 3, 10, 10);
        string inner = builder.Conv("x", 3, 16);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten(builder.GlobalPool(builder.Relu(builder.Conv(builder.Relu(inner), 16, 12)))), 12, 5));
        Node conv = graph.Nodes[0];
        foreach (string name in conv.Inputs.Skip(1))
        {
            Span<float> values = graph.Initializers[name].Values<float>();
            for (int i = 0; i < values.Length / 2; i++) values[(values.Length / 2) + i] = 0.7f * values[i];
        }

        Tensor images = NetworkBuilder.RandomImages(seed: 3, 64, 3, 10, 10), others = NetworkBuilder.RandomImages(seed: 4, 2, 3, 10, 10);
        Pruner pruner = Pruner.Create(graph, images, new PrunerOptions { Importance = importance, Refit = AlmostNoRidge });
        GroupDecision decision = pruner.Groups(WeightForm.Dense)[0].Decide(0.5);
        Assert.Equal(8, decision.KeptChannels);
        float[] expected = NetworkBuilder.Run(graph, others);
        double without = NetworkBuilder.RelativeError(expected, NetworkBuilder.Run(pruner.Shape([decision]), others));
        double with = NetworkBuilder.RelativeError(expected, NetworkBuilder.Run(pruner.Apply([decision]), others));
        Assert.InRange(without, 0.01, double.PositiveInfinity);

        // Only an elimination that looks at all channels together knows which ones are redundant.
        if (importance == Importance.Reconstruction) Assert.InRange(with, 0, 1e-3);
        else Assert.InRange(with, 0, without / 2);
    }

    [Theory]
    [InlineData(WeightForm.Dense)]
    [InlineData(WeightForm.Block)]
    [InlineData(WeightForm.Unstructured)]
    public void TheFitBringsTheOutputCloser(WeightForm form)
    {
        Graph graph = Mixed();
        Tensor images = Patches(seed: 5, 384), others = Patches(seed: 6, 8);
        float[] expected = NetworkBuilder.Run(graph, others);
        double ErrorOf(RefitMode mode)
        {
            Pruner pruner = Pruner.Create(graph, images, new PrunerOptions { Refit = new RefitOptions { Mode = mode, Images = 384 } });
            GroupDecision[] decisions = pruner.Groups(form).Select(group => group.Decide(0.5)).ToArray();
            float[] actual = NetworkBuilder.Run(pruner.Apply(decisions), others);
            return expected.Zip(actual, (left, right) => Math.Pow(left - right, 2)).Sum() / expected.Sum(value => Math.Pow(value, 2));
        }

        double none = ErrorOf(RefitMode.None), bias = ErrorOf(RefitMode.Bias), full = ErrorOf(RefitMode.LeastSquares);
        Assert.True(bias < none, $"{form}: least squares {full}, bias correction {bias}, nothing {none}");
        Assert.True(full < none / 2, $"{form}: least squares {full}, bias correction {bias}, nothing {none}");
    }

    [Fact]
    public void ZerosStayZeroAndAreAsManyAsDecided()
    {
        Graph graph = Mixed();
        Tensor images = NetworkBuilder.RandomImages(seed: 7, 16, 3, 12, 12);
        Pruner pruner = Pruner.Create(graph, images, new PrunerOptions { BlockChannels = 8 });
        foreach (WeightForm form in new[] { WeightForm.Block, WeightForm.Unstructured })
        {
            foreach (PrunableGroup group in pruner.Groups(form))
            {
                GroupDecision decision = group.Decide(0.75);
                Graph pruned = pruner.Apply([decision]);
                Node node = pruned.Nodes.First(candidate => candidate.Name == group.Name);
                Tensor weights = pruned.Initializers[node.Inputs[1]];
                ReadOnlySpan<float> values = weights.Values<float>();
                int zeros = values.Count(0f);
                if (form == WeightForm.Unstructured)
                {
                    Assert.Equal(decision.Sparsity, (double)zeros / values.Length, 6);
                    continue;
                }

                bool outputsLast = node.OpType == "Gemm" && node.Int("transB", 0) == 0;
                int outputs = weights.Shape[outputsLast ? 1 : 0], taps = values.Length / outputs, whole = 0;
                for (int first = 0; first < outputs; first += 8)
                {
                    for (int tap = 0; tap < taps; tap++)
                    {
                        bool isZero = true;
                        for (int o = first; o < Math.Min(outputs, first + 8); o++) isZero &= values[outputsLast ? (tap * outputs) + o : (o * taps) + tap] == 0;
                        if (isZero) whole++;
                    }
                }

                Assert.Equal(decision.Sparsity, (double)whole / group.Units, 6);
            }
        }
    }

    [Fact]
    public void ShapeAndApplyAgreeAndRepeat()
    {
        Graph graph = Mixed();
        Pruner pruner = Pruner.Create(graph, NetworkBuilder.RandomImages(seed: 8, 16, 3, 12, 12));
        GroupDecision[] decisions = pruner.Groups(WeightForm.Dense).Select(group => group.Decide(0.5)).ToArray();
        Graph shaped = pruner.Shape(decisions), first = pruner.Apply(decisions), second = pruner.Apply(decisions);
        Assert.Equal(shaped.Nodes.Select(node => node.ToString()), first.Nodes.Select(node => node.ToString()));
        for (int i = 0; i < shaped.Nodes.Count; i++)
        {
            foreach ((string cheap, string fitted, string again) in shaped.Nodes[i].Inputs.Zip(first.Nodes[i].Inputs, second.Nodes[i].Inputs))
            {
                if (!first.Initializers.TryGetValue(fitted, out Tensor? value)) continue;
                Assert.Equal(shaped.Initializers[cheap].Shape, value.Shape);
                Assert.True(value.Bytes.SequenceEqual(second.Initializers[again].Bytes));
            }
        }

        Assert.DoesNotContain(graph.Initializers.Keys, name => name.Contains("refit", StringComparison.Ordinal));
    }

    [Fact]
    public void CanBeCancelledAndChecksItsImages()
    {
        Graph graph = Mixed();
        Tensor images = NetworkBuilder.RandomImages(seed: 9, 4, 3, 12, 12);
        Assert.Throws<OperationCanceledException>(() => Pruner.Create(graph, images, cancellation: new CancellationToken(canceled: true)));
        Pruner pruner = Pruner.Create(graph, images);
        Assert.Throws<OperationCanceledException>(() => pruner.Apply([], new CancellationToken(canceled: true)));
        Tensor wrong = NetworkBuilder.RandomImages(seed: 9, 4, 3, 8, 8);
        Assert.Contains("[4, 3, 8, 8]", Assert.Throws<ArgumentException>(() => Pruner.Create(graph, wrong)).Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void ResNet20RecoversAtLeastHalfOfWhatItLost() => AssertRecovers("resnet20.onnx", 0.5);

    [SkippableFact]
    [Trait("Category", "Slow")]
    public void ResNet56RecoversAtLeastHalfOfWhatItLost()
    {
        AssertRecovers("resnet56.onnx", 0.25);
        AssertRecovers("resnet56.onnx", 0.5);
    }

    private static void AssertRecovers(string file, double sparsity)
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", file)));
        string records = TestData.Require("cifar10", "train-4000-lossless.bin.gz");
        (Tensor calibration, _) = Read(records, 0, 128);
        (Tensor images, int[] labels) = Read(records, 1000, 300);
        double whole = Accuracy(graph, images, labels);
        double AfterPruning(RefitMode mode)
        {
            Pruner pruner = Pruner.Create(graph, calibration, new PrunerOptions { Refit = new RefitOptions { Mode = mode } });
            return Accuracy(pruner.Apply(pruner.Groups(WeightForm.Dense).Select(group => group.Decide(sparsity)).ToArray()), images, labels);
        }

        double lost = AfterPruning(RefitMode.None), recovered = AfterPruning(RefitMode.LeastSquares);
        Assert.True(recovered - lost >= (whole - lost) / 2, $"{file} at {sparsity}: whole {whole}, pruned {lost}, re-fitted {recovered}");
    }

    /// <summary>Images of 4x4 patches with a little noise: neighbouring pixels are alike, as in photographs, so that weights can stand in for each other.</summary>
    private static Tensor Patches(int seed, int count)
    {
        Tensor images = NetworkBuilder.RandomImages(seed, count, 3, 12, 12), patches = NetworkBuilder.RandomImages(seed + 100, count, 3, 3, 3);
        Span<float> values = images.Values<float>();
        for (int i = 0; i < values.Length; i++)
        {
            int plane = i / 144, y = i % 144 / 12, x = i % 12;
            values[i] = (0.2f * values[i]) + patches.Values<float>()[(plane * 9) + (y / 4 * 3) + (x / 4)];
        }

        return images;
    }

    private static double Accuracy(Graph graph, Tensor images, int[] labels)
    {
        var network = new CalibrationNetwork(graph, CalibrationActivation.FromTensor(images), WorkerSet.Single);
        network.Run(null, null, CancellationToken.None);
        float[] logits = network.Value(graph.Outputs[0].Name)!.Values;
        int classes = logits.Length / labels.Length, right = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            Span<float> row = logits.AsSpan(i * classes, classes);
            if (System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row) == labels[i]) right++;
        }

        return (double)right / labels.Length;
    }

    private static (Tensor Images, int[] Labels) Read(string path, int first, int count)
    {
        const int RecordBytes = 3073;
        using var stream = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        var record = new byte[RecordBytes];
        var images = new Tensor(ElementType.Float32, new TensorShape(count, 3, 32, 32));
        var labels = new int[count];
        for (int i = 0; i < first + count; i++)
        {
            stream.ReadExactly(record);
            if (i < first) continue;
            labels[i - first] = record[0];
            Preprocessing.ImageNet.Apply(record.AsSpan(1), 3, images.Values<float>().Slice((i - first) * 3072, 3072));
        }

        return (images, labels);
    }

    /// <summary>Convolutions with padding and strides, a residual sum, depthwise and pointwise layers, a concatenation, pools and a dense layer.</summary>
    private static Graph Mixed()
    {
        var builder = new NetworkBuilder(seed: 21, 1, 3, 12, 12);
        string stem = builder.Relu(builder.Conv("x", 3, 16, stride: 2));
        string sum = builder.Relu(builder.Sum(builder.Conv(builder.Relu(builder.Conv(stem, 16, 24)), 24, 16), stem));
        string depthwise = builder.Relu(builder.Conv(sum, 16, 16, groups: 16));
        string both = builder.Concat(depthwise, builder.Relu(builder.Conv(sum, 16, 8, kernel: 1)));
        string pooled = builder.Add("MaxPool", [both], ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
        string hidden = builder.Relu(builder.Gemm(builder.Flatten(pooled), 24 * 9, 32));
        return builder.Finish(builder.Gemm(hidden, 32, 6, transposed: false));
    }
}
