using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tests.Conv;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>Every convolution kernel for devices against the definition, over the shape sets.</summary>
[Collection("devices")]
public sealed class DeviceConvTests
{
    // Layers whose steps are split: one or two tiles of results, many taps.
    private static readonly ConvShape[] FewPixels =
    [
        new() { InChannels = 160, InHeight = 4, InWidth = 4, OutChannels = 32 },
        new() { InChannels = 515, InHeight = 7, InWidth = 3, OutChannels = 20 },
        new() { InChannels = 144, InHeight = 1, InWidth = 1, OutChannels = 64, Groups = 2 },
        new() { InChannels = 260, InHeight = 2, InWidth = 9, OutChannels = 60 },
        new() { InChannels = 320, InHeight = 5, InWidth = 5, OutChannels = 17 },
    ];

    public static TheoryData<string, string> Kernels
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string device in TestDevices.Ids)
            {
                foreach (DeviceConvKernel kernel in DeviceConvKernels.All.Concat(DeviceConvKernels.Rounding)) data.Add(device, kernel.Name);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Agrees_with_the_reference_on_the_shape_set(string deviceId, string kernelName)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        DeviceConvKernel kernel = DeviceConvKernels.All.Concat(DeviceConvKernels.Rounding).Single(row => row.Name == kernelName);
        ConvShape[] shapes =
            [.. ConvShapeSets.Fixed.Concat(FewPixels).Concat(ConvShapeSets.Random(seed: 31, count: 20)).Where(shape => kernel.Supports(shape, device.Limits))];
        Skip.If(shapes.Length == 0 && TestDevices.IsSimulator(deviceId), $"{deviceId} is too small a device for {kernel.Name}");
        Assert.True(shapes.Length >= 3 || TestDevices.IsSimulator(deviceId), $"{kernel.Name} takes only {shapes.Length} of the shapes.");
        if (TestDevices.IsSimulator(deviceId)) shapes = [.. shapes.OrderBy(shape => shape.MultiplyAdds).Skip(shapes.Length / 3).Take(2)];
        for (int i = 0; i < shapes.Length; i++) Check(device, kernel, shapes[i], new Epilogue(FusedActivation.Clamp, 0f, 1.5f, HasResidual: i % 2 == 0));
    }

    [Fact]
    public void A_precision_adds_the_rows_that_round_to_it()
    {
        Assert.Equal(DeviceConvKernels.All, DeviceConvKernels.Within(ProductPrecision.Float32));
        Assert.All(DeviceConvKernels.All, kernel => Assert.Equal(0, kernel.FactorRoundoff));
        foreach (ProductPrecision precision in new[] { ProductPrecision.Tf32, ProductPrecision.BFloat16, ProductPrecision.Float16 })
        {
            DeviceConvKernel[] added = [.. DeviceConvKernels.Within(precision).Except(DeviceConvKernels.All)];
            Assert.NotEmpty(added);
            Assert.All(added, kernel => Assert.Equal(precision, kernel.Precision));
            Assert.All(added, kernel => Assert.True(kernel.FactorRoundoff > 0));
        }
    }

    [Fact]
    public void Rounding_is_estimated_to_pay_only_with_matrix_units()
    {
        ConvShape shape = ConvShape.Parse("8x128x28x28:128k3s1p1");
        foreach (bool has in new[] { false, true })
        {
            var limits = new DeviceLimits(1024, 160 << 10, 100, 1L << 34, HasWarps: true, HasMatrixUnits: has);
            double plain = DeviceConvKernels.All.Where(kernel => kernel is { Form: WeightForm.Dense, ErrorUnits: null } && kernel.Supports(shape, limits)).Min(kernel => kernel.Cost(shape, 1, limits));
            foreach (ProductPrecision precision in new[] { ProductPrecision.Tf32, ProductPrecision.BFloat16, ProductPrecision.Float16 })
                Assert.Equal(has, DeviceConvKernels.Rounding.Where(kernel => kernel.Precision == precision).Min(kernel => kernel.Cost(shape, 1, limits)) < plain);
        }
    }

    // 2^-11 is half of the distance between 1 and the next number of 10 fraction bits, 2^-8 of 7.
    [Theory]
    [InlineData(ProductPrecision.Float32, 1.00048828125f, 1.00048828125f)]
    [InlineData(ProductPrecision.Tf32, 1.00048828125f, 1.0009765625f)]
    [InlineData(ProductPrecision.Tf32, -1.00048828125f, -1.0009765625f)]
    [InlineData(ProductPrecision.Tf32, 1.0004882f, 1f)]
    [InlineData(ProductPrecision.BFloat16, 1.00390625f, 1f)]
    [InlineData(ProductPrecision.BFloat16, 1.01171875f, 1.015625f)]
    [InlineData(ProductPrecision.BFloat16, 1.0039064f, 1.0078125f)]
    [InlineData(ProductPrecision.Float16, 1.00048828125f, 1f)]
    [InlineData(ProductPrecision.Float16, 1.00146484375f, 1.001953125f)]
    [InlineData(ProductPrecision.Float16, 70000f, float.PositiveInfinity)]
    public void Factors_are_rounded_as_the_formats_define(ProductPrecision precision, float value, float expected) =>
        Assert.Equal(expected, FactorRounding.Round(value, precision));

    private static void Check(ComputeDevice device, DeviceConvKernel kernel, ConvShape shape, Epilogue epilogue)
    {
        var random = new Random(shape.GetHashCode());
        float[] input = Values(random, shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth, 1);
        float[] weights = Values(random, shape.WeightCount, kernel.Form == WeightForm.Dense ? 1 : 0.3);
        float[] bias = Values(random, shape.OutChannels, 1);
        int outputs = shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth;
        float[] residual = Values(random, outputs, 1);
        var expected = new float[outputs];
        // What a kernel that rounds its factors must give is exact for the rounded factors.
        ReferenceConv.Run(shape, epilogue, Rounded(input, kernel.Precision), Rounded(weights, kernel.Precision), bias, residual, expected);

        using DeviceBuffer x = TestDevices.Upload<float>(device, input);
        using DeviceBuffer y = TestDevices.Upload<float>(device, residual);
        using DeviceConvLayer layer = kernel.Prepare(device, shape, epilogue, weights, bias);
        using DeviceLaunch launch = layer.Bind(x.View<float>(0, input.Length), y.View<float>(0, outputs), y.View<float>(0, outputs));
        launch.Run();
        float[] actual = TestDevices.Download<float>(y, outputs);
        double tolerance = 1e-5 * Math.Sqrt(shape.WeightCount / shape.OutChannels) + 1e-5;
        for (int i = 0; i < outputs; i++)
            Assert.True(Math.Abs(actual[i] - expected[i]) <= tolerance, $"{kernel.Name} on {shape}: value {i} is {actual[i]}, expected {expected[i]}.");
    }

    private static float[] Values(Random random, int count, double density)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = random.NextDouble() < density ? (float)((random.NextDouble() * 2) - 1) : 0;
        return values;
    }

    private static float[] Rounded(float[] values, ProductPrecision precision) => Array.ConvertAll(values, value => FactorRounding.Round(value, precision));
}
