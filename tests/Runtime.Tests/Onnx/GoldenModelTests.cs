using System.IO.Compression;
using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>Whole networks against outputs of ONNX Runtime on the first records of the CIFAR-10 test set.</summary>
public class GoldenModelTests
{
    private static readonly double[] ImageNetMean = [0.485, 0.456, 0.406];
    private static readonly double[] ImageNetDeviation = [0.229, 0.224, 0.225];

    // 1e-4 of the largest output: both sides round float32 sums in different orders, about 2e-5 apart at most.
    [SkippableTheory]
    [InlineData("resnet20", 4)]
    [InlineData("resnet56", 1)]
    [InlineData("resnet8_cifar10", 4)]
    [InlineData("resnet_4b", 4)]
    public void Cifar_networks_match_before_and_after_simplification(string model, int images)
    {
        Graph graph = OnnxModel.Load(TestData.Require("models", $"{model}.onnx"));
        Graph simplified = GraphSimplifier.Simplify(graph);
        Assert.True(simplified.Nodes.Count <= graph.Nodes.Count);
        Assert.DoesNotContain(simplified.Nodes, node => node.OpType is "BatchNormalization" or "Constant" or "Identity" or "Dropout");
        float[] golden = Golden(model, 10);
        for (int image = 0; image < images; image++)
        {
            Tensor input = Image(model, image, 1);
            ReadOnlySpan<float> expected = golden.AsSpan(image * 10, 10);
            AssertClose(expected, Interpreter.Run(graph, [input])[0]);
            AssertClose(expected, Interpreter.Run(simplified, [input])[0]);
        }
    }

    [SkippableTheory]
    [InlineData("mobilenetv2_dequant_fp32")]
    [InlineData("mobilenetv2_int8")]
    public void Mobilenet_matches(string model)
    {
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(TestData.Require("models", $"{model}.onnx")));
        AssertClose(Golden(model, 1000).AsSpan(0, 1000), Interpreter.Run(graph, [Image(model, 0, 7)])[0]);
    }

    private static void AssertClose(ReadOnlySpan<float> expected, Tensor actual)
    {
        Assert.Equal(expected.Length, actual.Count);
        double scale = 0;
        foreach (float value in expected) scale = Math.Max(scale, Math.Abs(value));
        for (int i = 0; i < expected.Length; i++) Assert.InRange(actual.Values<float>()[i], expected[i] - (1e-4 * scale), expected[i] + (1e-4 * scale));
    }

    private static float[] Golden(string model, int columns)
    {
        string path = Directory.GetFiles(TestData.Require("models", "golden"), $"{model}.*x{columns}.f32").Single();
        return MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
    }

    // The preprocessing of each model is part of what the golden files were made with.
    private static Tensor Image(string model, int record, int repeat)
    {
        using var file = new GZipStream(File.OpenRead(TestData.Require("cifar10", "test-2000.bin.gz")), CompressionMode.Decompress);
        var bytes = new byte[3073];
        for (int i = 0; i <= record; i++) file.ReadExactly(bytes);
        (double[] mean, double[] deviation, double range) = model switch
        {
            "resnet8_cifar10" => ([0, 0, 0], [1, 1, 1], 1),
            "resnet_4b" => ([0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616], 255),
            _ => (ImageNetMean, ImageNetDeviation, 255.0),
        };
        int size = 32 * repeat;
        var image = new Tensor(ElementType.Float32, new TensorShape(1, 3, size, size));
        Span<float> values = image.Values<float>();
        for (int i = 0; i < values.Length; i++)
        {
            int channel = i / (size * size);
            int pixel = (i / size % size / repeat * 32) + (i % size / repeat);
            values[i] = (float)(((bytes[1 + (channel * 1024) + pixel] / range) - mean[channel]) / deviation[channel]);
        }

        return image;
    }
}
