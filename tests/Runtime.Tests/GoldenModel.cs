using System.IO.Compression;
using System.Runtime.InteropServices;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Tests;

/// <summary>A real network with the outputs ONNX Runtime gave for the first records of the CIFAR-10 test set.</summary>
internal sealed class GoldenModel
{
    private const int RecordBytes = 3073;

    private readonly byte[] _records;
    private readonly float[] _outputs;
    private readonly double[] _mean;
    private readonly double[] _deviation;
    private readonly double _range;
    private readonly int _repeat;

    /// <param name="name">File name of the model without extension.</param>
    /// <param name="rows">Images needed.</param>
    public GoldenModel(string name, int rows)
    {
        Name = name;
        Graph = OnnxModel.Load(TestData.Require("models", $"{name}.onnx"));
        bool imageNet = name.StartsWith("mobilenet", StringComparison.Ordinal);
        Classes = imageNet ? 1000 : 10;
        _repeat = imageNet ? 7 : 1;
        (_mean, _deviation, _range) = name switch
        {
            "resnet8_cifar10" => ([0, 0, 0], [1, 1, 1], 1),
            "resnet_4b" => ([0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616], 255),
            _ => (new[] { 0.485, 0.456, 0.406 }, new[] { 0.229, 0.224, 0.225 }, 255.0),
        };
        string golden = Directory.GetFiles(TestData.Require("models", "golden"), $"{name}.*x{Classes}.f32").Single();
        _outputs = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(golden)).ToArray();
        _records = new byte[RecordBytes * rows];
        using var file = new GZipStream(File.OpenRead(TestData.Require("cifar10", "test-2000.bin.gz")), CompressionMode.Decompress);
        file.ReadExactly(_records);
    }

    public string Name { get; }

    public Graph Graph { get; }

    public int Classes { get; }

    /// <summary>Height and width of an input image.</summary>
    public int Size => 32 * _repeat;

    /// <summary>What ONNX Runtime gave for a record.</summary>
    public ReadOnlySpan<float> Output(int record) => _outputs.AsSpan(record * Classes, Classes);

    /// <summary>The preprocessed image, [3, Size, Size]; each pixel is computed in double and rounded once.</summary>
    public float[] Image(int record)
    {
        ReadOnlySpan<byte> bytes = _records.AsSpan((record * RecordBytes) + 1, RecordBytes - 1);
        var values = new float[3 * Size * Size];
        for (int i = 0; i < values.Length; i++)
        {
            int channel = i / (Size * Size);
            int pixel = (i / Size % Size / _repeat * 32) + (i % Size / _repeat);
            values[i] = (float)(((bytes[(channel * 1024) + pixel] / _range) - _mean[channel]) / _deviation[channel]);
        }

        return values;
    }

    /// <summary>Largest difference from the golden output, relative to its largest magnitude.</summary>
    public double RelativeError(int record, ReadOnlySpan<float> actual)
    {
        ReadOnlySpan<float> expected = Output(record);
        double scale = 0;
        double difference = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            scale = Math.Max(scale, Math.Abs(expected[i]));
            double distance = Math.Abs(expected[i] - (double)actual[i]);
            difference = Math.Max(difference, double.IsNaN(distance) ? double.PositiveInfinity : distance);
        }

        return difference / scale;
    }
}
