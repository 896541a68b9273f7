using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>The convolution kernels of 8-bit integers: sums and requantized bytes equal to the integer reference's, for signed and unsigned input and output.</summary>
internal static class IntegerConvolutionChecks
{
    private const int OutputZeroPoint = 7;

    public static IEnumerable<KernelCheck> All()
    {
        foreach (DeviceIntegerConvKernel kernel in DeviceIntegerConvKernels.All)
        {
            yield return new KernelCheck(kernel.Name, Enumerable.Range(0, ConvolutionChecks.Shapes.Count).SelectMany(i => new Func<ComputeDevice, CheckOutcome?>[]
            {
                device => Check(device, kernel, i, storesBytes: false),
                device => Check(device, kernel, i, storesBytes: true),
            }));
        }
    }

    private static CheckOutcome? Check(ComputeDevice device, DeviceIntegerConvKernel kernel, int index, bool storesBytes)
    {
        ConvShape shape = ConvolutionChecks.Shapes[index];
        if (!kernel.Supports(shape, device.Limits)) return null;
        bool isSigned = index % 2 == 0, isOutputSigned = index % 3 == 1;
        // Over the whole range of the type, its ends included.
        int zeroPoint = index * 85 % 256;
        var layer = new RandomIntegerLayer(shape, isSigned, isSigned ? zeroPoint - 128 : zeroPoint, hasBias: true);
        using var run = new DeviceIntegerLayerRun(layer, device, kernel);
        int wrong = storesBytes ? run.WrongBytes(OutputZeroPoint, isOutputSigned) : run.WrongSums([.. layer.CheckedImages.Select(layer.ExpectedSums)]);
        string output = storesBytes ? isOutputSigned ? "signed bytes" : "bytes" : "sums";
        return CheckOutcome.OfEqual($"{shape} of {(isSigned ? "signed " : "")}bytes to {output}", wrong, layer.CheckedImages.Count * layer.OutputsPerImage);
    }
}
