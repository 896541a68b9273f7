using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tests.Conv;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>Convolutions of bytes on devices against the CPU's: sums and requantized bytes are equal, not close.</summary>
[Collection("devices")]
public sealed class DeviceIntegerConvTests
{
    private static readonly string[] Forms = ["sums", "bytes", "floats"];

    public static TheoryData<string, string> Kernels
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string device in TestDevices.Ids)
            {
                foreach (DeviceIntegerConvKernel kernel in DeviceIntegerConvKernels.All) data.Add(device, kernel.Name);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Sums_and_bytes_are_those_of_the_cpu(string deviceId, string kernelName)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        DeviceIntegerConvKernel kernel = DeviceIntegerConvKernels.All.Single(row => row.Name == kernelName);
        ConvShape[] shapes = [.. ConvShapeSets.Fixed.Concat(ConvShapeSets.Random(seed: 41, count: 12)).Where(shape => kernel.Supports(shape, device.Limits))];
        Skip.If(shapes.Length == 0 && TestDevices.IsSimulator(deviceId), $"{deviceId} is too small a device for {kernel.Name}");
        if (TestDevices.IsSimulator(deviceId)) shapes = [.. shapes.OrderBy(shape => shape.MultiplyAdds).Skip(shapes.Length / 4).Take(2)];
        for (int i = 0; i < shapes.Length; i++) Check(device, kernel, shapes[i], isSigned: i % 2 == 0, zeroPoint: i % 2 == 0 ? (i * 37 % 256) - 128 : i * 37 % 256, form: Forms[i % Forms.Length], isSignedOutput: i % 4 == 1);
    }

    private static unsafe void Check(ComputeDevice device, DeviceIntegerConvKernel kernel, ConvShape shape, bool isSigned, int zeroPoint, string form, bool isSignedOutput)
    {
        var random = new Random(shape.GetHashCode());
        var input = new byte[shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth];
        random.NextBytes(input);
        var weights = new sbyte[shape.WeightCount];
        for (int i = 0; i < weights.Length; i++) weights[i] = (sbyte)random.Next(-128, 128);
        var bias = new int[shape.OutChannels];
        var scales = new float[shape.OutChannels];
        for (int i = 0; i < bias.Length; i++) (bias[i], scales[i]) = (random.Next(-5000, 5000), (float)(random.NextDouble() / 200));
        int pixels = shape.OutHeight * shape.OutWidth;
        var sums = new int[shape.Batch * shape.OutChannels * pixels];
        var bytes = new byte[sums.Length];
        var cpu = new IntegerConv(shape, Array.ConvertAll(weights, weight => (short)weight), portable: true);
        byte[] scratch = new byte[cpu.ScratchBytes + 64];
        fixed (byte* x = input, target = bytes, memory = scratch)
        fixed (int* y = sums)
        {
            cpu.Run(x, isSigned, zeroPoint, y, storesFloats: false, (byte*)(((nint)memory + 63) & ~63), 0, cpu.Units);
            for (int plane = 0; plane < shape.Batch * shape.OutChannels; plane++)
            {
                int channel = plane % shape.OutChannels;
                Requantizer.Run(y + (plane * pixels), pixels, bias[channel], scales[channel], 7, isSignedOutput, target + (plane * pixels));
                for (int p = 0; p < pixels; p++) y[(plane * pixels) + p] += bias[channel];
            }
        }

        using DeviceBuffer source = TestDevices.Upload<byte>(device, input), factors = TestDevices.Upload<float>(device, scales);
        using DeviceBuffer result = device.Allocate(4L * sums.Length);
        using DeviceBuffer zero = TestDevices.Upload<byte>(device, [(byte)zeroPoint, 0, 0, 0]);
        using DeviceIntegerConv layer = kernel.Prepare(device, shape, weights, bias, isSigned);
        IntegerConvOutput output = form switch
        {
            "sums" => IntegerConvOutput.Sums(result.View<int>()),
            "floats" => IntegerConvOutput.Floats(result.View<float>()),
            _ => IntegerConvOutput.Requantized(result.View<byte>(0, bytes.Length), factors.View<float>(0, scales.Length), 7, isSignedOutput),
        };
        using DeviceLaunch launch = layer.Bind(source.View<byte>(0, input.Length), zero.View<byte>(0, 1), output);
        launch.Run();
        bool isEqual = form switch
        {
            "sums" => sums.AsSpan().SequenceEqual(TestDevices.Download<int>(result, sums.Length)),
            "floats" => Array.ConvertAll(sums, sum => (float)sum).AsSpan().SequenceEqual(TestDevices.Download<float>(result, sums.Length)),
            _ => bytes.AsSpan().SequenceEqual(TestDevices.Download<byte>(result, bytes.Length)),
        };
        Assert.True(isEqual, $"{shape}: {form} differ.");
    }
}
