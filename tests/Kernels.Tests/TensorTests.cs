using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests;

public class TensorTests
{
    [Fact]
    public void Shape_counts_elements_and_strides()
    {
        var shape = new TensorShape(2, 3, 4);
        Assert.Equal(24, shape.Count);
        Assert.Equal([12, 4, 1], shape.Strides());
        Assert.Equal(4, shape[-1]);
        Assert.Equal(1, new TensorShape().Count);
        Assert.Equal(0, new TensorShape(2, 0).Count);
        Assert.Throws<ArgumentException>(() => new TensorShape(-1));
        Assert.Throws<ArgumentException>(() => new TensorShape(65536, 65536));
    }

    [Fact]
    public unsafe void Storage_is_aligned_and_typed()
    {
        var tensor = Tensor.From(new TensorShape(3), [1f, 2f, 3f]);
        Assert.Equal(0, (long)tensor.Pointer % AlignedBuffer.Alignment);
        Assert.Equal(2f, tensor.Values<float>()[1]);
        Assert.Throws<InvalidOperationException>(() => tensor.Values<int>().Length);
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Child_processes_see_the_narrower_instruction_set(string setting)
    {
        string width = InstructionSets.Run(CpuFeatureChecks.PrintWidth, setting).Trim();
        if (setting == "scalar") Assert.Equal(nameof(VectorWidth.Scalar), width);
        if (setting == "sse") Assert.Equal(nameof(VectorWidth.Vector128), width);
    }
}

/// <summary>Checks that run in child processes.</summary>
public static class CpuFeatureChecks
{
    public static void PrintWidth() => Console.WriteLine(CpuFeatures.Widest);
}
