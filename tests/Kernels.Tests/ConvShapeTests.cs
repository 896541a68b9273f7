using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Tests;

public class ConvShapeTests
{
    [Theory]
    [InlineData("1x64x56x56:64k3s1p1")]
    [InlineData("2x6x9x7:12k3x5s2x1p1,2,0,1d1x2g3")]
    [InlineData("1x3x32x32:16k1s1p0")]
    public void Text_round_trips(string text) => Assert.Equal(text, ConvShape.Parse(text).ToString());

    [Fact]
    public void Omitted_fields_have_their_defaults()
    {
        ConvShape shape = ConvShape.Parse("1x8x10x12:4k3");
        Assert.Equal((8, 10), (shape.OutHeight, shape.OutWidth));
        Assert.Equal(8L * 10 * 4 * 8 * 9, shape.MultiplyAdds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1x8x10:4k3")]
    [InlineData("1x8x10x12:4")]
    [InlineData("1x8x10x12:4k3q1")]
    [InlineData("1x8x10x12:4k3p1,2")]
    [InlineData("1x8x10x12:4k99999999999")]
    [InlineData("1x8x2x2:4k3")]
    [InlineData("1x8x10x12:4k3g3")]
    [InlineData("0x8x10x12:4k3")]
    public void Malformed_text_is_named(string text)
    {
        var failure = Assert.Throws<FormatException>(() => ConvShape.Parse(text));
        Assert.Contains("onvolution", failure.Message, StringComparison.Ordinal);
    }
}
