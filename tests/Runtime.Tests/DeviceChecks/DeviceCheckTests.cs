using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.DeviceChecks;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Tests.DeviceChecks;

/// <summary>The check of a device's kernels: that it runs them all, and that it finds what is wrong.</summary>
[Collection("devices")]
public sealed class DeviceCheckTests
{
    [Fact]
    public void Every_row_of_every_list_has_a_name()
    {
        Assert.Equal(DeviceCheck.Names.Count, DeviceCheck.Names.Distinct().Count());
        foreach (string name in DeviceConvKernels.All.Concat(DeviceConvKernels.Rounding).Select(kernel => kernel.Name)
            .Concat(DeviceIntegerConvKernels.All.Select(kernel => kernel.Name)).Concat(DeviceGemmKernels.All.Select(kernel => kernel.Name)))
            Assert.Contains(name, DeviceCheck.Names);
    }

    [Fact]
    public void Kernels_are_named_by_whole_words()
    {
        Assert.True(DeviceCheck.Has("conv.implicit"));
        Assert.True(DeviceCheck.Has("gemm.32x32"));
        Assert.False(DeviceCheck.Has("conv.impl"));
        Assert.False(DeviceCheck.Has(""));
    }

    // All programs but those whose tiles take a compiler for CPUs minutes; a kernel of each that is left has small ones.
    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Kernels_agree_and_every_program_runs(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        string[] names =
        [
            .. DeviceCheck.Names.Where(name => !name.StartsWith("conv.", StringComparison.Ordinal) && !name.StartsWith("gemm.", StringComparison.Ordinal)),
            "conv.implicit.32x32", "conv.implicit.32x32.split", "conv.pointwise.32x32", "conv.winograd", "conv.depthwise", "conv.grouped", "conv.block", "conv.unstructured",
            "conv.bfloat16.32x64", "conv.integer.32x32", "conv.integer.direct", "gemm.32x32", "gemm.32x32.split", "gemm.vectors",
        ];
        DeviceCheck check = DeviceCheck.Run(device, names);
        Assert.All(check.Rows, row => Assert.True(row.IsCorrect, $"{row.Kernel}: {row.FirstWrong}"));
        Assert.All(check.Rows, row => Assert.True(row.Cases > 0, row.Kernel));
        Assert.All(check.Rows, row => Assert.InRange(row.ShareOfBound, 0, 1));
        Assert.Empty(check.ProgramsNotRun);
        Assert.Contains("conv.implicit.128x128", check.LeftOut);
        Assert.DoesNotContain("conv.implicit.32x32", check.LeftOut);
        Assert.True(check.IsCorrect);
    }

    // The mean for the maximum, a sum for a difference, no logarithm, an addend too many, a bias too few.
    [SkippableTheory]
    [InlineData("Pooling_Plane", "global-pool")]
    [InlineData("Elementwise_Combine", "combine")]
    [InlineData("Normalization_Softmax", "softmax")]
    [InlineData("Convolution_Grouped", "conv.grouped")]
    [InlineData("MatrixProduct_Vectors", "gemm.vectors")]
    public void A_kernel_that_computes_something_else_is_wrong_and_the_others_are_not(string program, string kernels)
    {
        var device = new FaultyDevice(RealDevices.Get("opencl:0"), program);
        DeviceCheck check = DeviceCheck.Run(device, [kernels, "copy.runs"]);
        Assert.False(check.IsCorrect);
        Assert.Contains(check.Rows, row => !row.IsCorrect && row.WrongCases is > 0 && row.FirstWrong.Length > 0 && row.ShareOfBound > 1);
        Assert.True(check.Rows.Single(row => row.Kernel == "copy.runs").IsCorrect);
    }

    [SkippableFact]
    public void A_kernel_that_does_not_compile_is_wrong_and_a_lost_device_ends_the_check()
    {
        ComputeDevice device = RealDevices.Get("opencl:0");
        DeviceCheck check = DeviceCheck.Run(new FaultyDevice(device, "Elementwise_Map", DeviceFailure.BuildFailed), ["map.exp", "map.sqrt", "copy.runs"]);
        Assert.Equal([false, false, true], check.Rows.Select(row => row.IsCorrect));
        Assert.Contains("Elementwise_Map fails", check.Rows[0].FirstWrong, StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => DeviceCheck.Run(new FaultyDevice(device, "Elementwise_Map", DeviceFailure.DeviceLost), ["map.exp"]));
    }

    [SkippableFact]
    public void An_unknown_kernel_is_named()
    {
        ComputeDevice device = RealDevices.Get("opencl:0");
        Assert.Contains("'conv.magic'", Assert.Throws<ArgumentException>(() => DeviceCheck.Run(device, ["conv.magic"])).Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Products_are_compared_and_the_choice_is_marked(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        ProductComparison comparison = ProductComparison.Run(device, GemmShape.Parse("1x4x70x130:tb"), rounds: 1);
        Assert.All(comparison.Rows, row => Assert.True(row.IsCorrect, $"{row.Kernel}: {row.MaxRelativeError} of {row.ErrorBound}"));
        Assert.Single(comparison.Rows, row => row.IsPicked);
        Assert.Contains(comparison.Rows, row => row.Kernel.StartsWith("gemm.vectors.", StringComparison.Ordinal));
        Assert.All(comparison.Rows, row => Assert.True(row.MedianMicroseconds > 0));
    }

    // The shared operands of a stack, and of a large product some rows, the first and the last among them.
    [Fact]
    public void Of_a_large_product_the_reference_computes_spread_rows()
    {
        Assert.Equal([0, 1, 2, 3, 4, 5], new RandomProduct(GemmShape.Parse("2x3x4x5"), GemmEpilogue.None).CheckedRows);
        IReadOnlyList<int> rows = new RandomProduct(GemmShape.Parse("1x2050x600x600"), GemmEpilogue.None).CheckedRows;
        Assert.Equal((0, 2049), (rows[0], rows[^1]));
        Assert.InRange(rows.Count, 600, 1100);
    }

    [SkippableFact]
    public void A_wrong_product_shows_in_the_comparison()
    {
        var device = new FaultyDevice(RealDevices.Get("opencl:0"), "MatrixProduct_Vectors");
        ProductComparison comparison = ProductComparison.Run(device, GemmShape.Parse("1x1x40x32:tb"), rounds: 1);
        Assert.Equal(["gemm.vectors.128", "gemm.vectors.32"], comparison.Rows.Where(row => !row.IsCorrect).Select(row => row.Kernel).Order());
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Integer_kernels_of_a_device_are_compared_sum_by_sum(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        IntegerComparison comparison = IntegerComparison.Run(ConvShape.Parse("2x6x9x7:10k3s1p1"), rounds: 1, device: device);
        IntegerTiming[] integers = [.. comparison.Rows.Where(row => row.WrongSums is not null)];
        Assert.Equal(DeviceIntegerConvKernels.All.Select(kernel => kernel.Name).Order(), integers.Select(row => row.Kernel).Order());
        Assert.All(integers, row => Assert.Equal(0, row.WrongSums));
        Assert.Single(comparison.Rows, row => row.IsPicked && row.WrongSums is not null);
        Assert.Contains(comparison.Rows, row => row.WrongSums is null);
    }

    [SkippableFact]
    public void Wrong_sums_are_counted()
    {
        // The last column of pixels is taken for the border.
        var device = new FaultyDevice(RealDevices.Get("opencl:0"), "IntegerConvolution_Implicit");
        IntegerComparison comparison = IntegerComparison.Run(ConvShape.Parse("2x6x9x7:10k1s1p0"), rounds: 1, device: device);
        Assert.All(comparison.Rows.Where(row => row.WrongSums is not null), row => Assert.InRange(row.WrongSums!.Value, row.Kernel == "conv.integer.direct" ? 0 : 1, row.Kernel == "conv.integer.direct" ? 0 : 2 * 10 * 9));
    }
}
