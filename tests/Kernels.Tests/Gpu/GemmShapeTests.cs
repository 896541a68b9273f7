using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Kernels.Tests.Gpu;

public class GemmShapeTests
{
    [Theory]
    [InlineData("1x64x48x32")]
    [InlineData("12x64x48x32:tb")]
    [InlineData("12x64x48x32:ta:tb:a1:b6")]
    public void Text_round_trips(string text) => Assert.Equal(text, GemmShape.Parse(text).ToString());

    [Fact]
    public void Each_product_has_matrices_of_its_own_unless_the_text_says_so()
    {
        GemmShape shape = GemmShape.Parse("6x2x3x5:b2");
        Assert.Equal(new GemmShape(2, 3, 5, Count: 6, CountA: 6, CountB: 2), shape);
        Assert.Equal(6 * 2 * 3 * 5, shape.MultiplyAdds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("64x48x32")]
    [InlineData("1x64x48x0")]
    [InlineData("1x64x48x32:tc")]
    [InlineData("1x64x48x32:ta:ta")]
    [InlineData("2x64x48x32:a1:a2")]
    [InlineData("2x64x48x32:a3")]
    [InlineData("2x64x48x32:b0")]
    [InlineData("1x64x48x99999999999")]
    [InlineData("9x65536x65536x1")]
    public void Malformed_text_is_named(string text)
    {
        var failure = Assert.Throws<FormatException>(() => GemmShape.Parse(text));
        Assert.Contains($"Product '{text}'", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_choice_takes_what_it_can_run_without_more_memory()
    {
        var limits = new DeviceLimits(1024, 48 << 10, 64, 1L << 30);
        GemmEpilogue epilogue = GemmEpilogue.None;
        foreach (string text in new[] { "1x64x64x4096", "1x1x1000x2048:tb", "8x33x20x17:ta" })
        {
            GemmShape shape = GemmShape.Parse(text);
            DeviceGemmKernel kernel = DeviceGemmKernels.Choose(shape, epilogue, limits)!;
            Assert.True(kernel.Supports(shape, epilogue, limits));
            Assert.Equal(0, kernel.WorkspaceValues(shape, limits));
        }

        Assert.Null(DeviceGemmKernels.Choose(GemmShape.Parse("1x8x8x8"), epilogue, limits with { MaxGroupThreads = 16 }));
    }
}
