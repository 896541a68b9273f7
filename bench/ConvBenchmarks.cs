using BenchmarkDotNet.Attributes;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Bench;

/// <summary>Every dense registry row that supports a layer, one thread, steady state.</summary>
[MemoryDiagnoser]
public unsafe class ConvBenchmarks
{
    private static readonly string[] Layers =
    [
        "1x16x32x32:16k3s1p1", "1x64x8x8:64k3s1p1", "1x64x32x32:64k3s1p1", "1x128x28x28:128k3s1p1",
        "1x256x28x28:256k1s1p0", "1x96x56x56:24k1s1p0", "1x144x56x56:144k3s1p1g144",
    ];

    private PreparedConv _conv = null!;
    private AlignedBuffer _input = null!;
    private AlignedBuffer _output = null!;
    private AlignedBuffer _scratch = null!;

    /// <summary>Layer and kernel, e.g. <c>1x64x32x32:64k3s1p1 conv.direct.v512</c>.</summary>
    [ParamsSource(nameof(Cases))]
    public string Case { get; set; } = "";

    public static IEnumerable<string> Cases =>
        from text in Layers
        let shape = ConvShape.Parse(text)
        from kernel in ConvKernels.For(shape, WeightForm.Dense)
        where kernel.Width == CpuFeatures.Widest
        select $"{text} {kernel.Name}";

    [GlobalSetup]
    public void Prepare()
    {
        string[] parts = Case.Split(' ');
        ConvShape shape = ConvShape.Parse(parts[0]);
        ConvKernel kernel = ConvKernels.All.Single(row => row.Name == parts[1]);
        var random = new Random(1);
        float[] weights = new float[shape.WeightCount];
        for (int i = 0; i < weights.Length; i++) weights[i] = random.NextSingle() - 0.5f;
        _conv = kernel.Prepare(shape, Epilogue.Relu, weights, new float[shape.OutChannels]);
        _input = new AlignedBuffer(4L * kernel.InputLayout(shape).StorageCount(shape.Batch, shape.InChannels, shape.InHeight, shape.InWidth));
        _output = new AlignedBuffer(4L * kernel.OutputLayout(shape).StorageCount(shape.Batch, shape.OutChannels, shape.OutHeight, shape.OutWidth));
        _scratch = new AlignedBuffer(_conv.ScratchBytes(1));
    }

    [Benchmark]
    public void Run() => _conv.Run((float*)_input.Pointer, null, (float*)_output.Pointer, _scratch.Pointer, WorkerSet.Single);
}
