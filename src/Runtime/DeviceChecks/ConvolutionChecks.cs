using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>The convolution kernels of floats: every row over every shape that it takes, with and without what is fused into the store.</summary>
internal static class ConvolutionChecks
{
    /// <summary>
    /// As in networks; then off every tile, strided, dilated, grouped, depthwise, of many taps, of more places than a mask has bits, of more
    /// padding than a patch, of several tiles each way, and of few results and many taps, whose steps are split.
    /// </summary>
    public static IReadOnlyList<ConvShape> Shapes { get; } =
    [
        .. new[]
        {
            "1x32x16x16:32k3s1p1", "1x32x16x16:32k1s1p0", "2x3x13x11:5k3s2p1", "1x7x9x9:10k5s1p2", "3x16x7x7:20k3s1p2d2", "1x20x8x8:30k3s1p1g5", "1x64x5x5:32k1s1p0g2",
            "2x12x10x10:12k3s1p1g12", "1x19x15x14:19k3s2p1g19", "2x24x10x9:24k5s1p2g24", "1x3x30x30:8k7s2p3", "1x4x20x20:6k9s1p4", "1x4x3x2:5k3s1p7", "1x6x9x8:14k3x2s2x1p0,1,2,3",
            "1x1x1x1:1k1s1p0", "2x130x14x14:66k3s1p1", "1x24x17x16:140k3s1p1", "3x24x6x6:40k1s1p0",
            "1x160x4x4:32k1s1p0", "1x515x7x3:20k1s1p0", "1x144x1x1:64k1s1p0g2", "1x260x2x9:60k1s1p0", "1x320x5x5:17k1s1p0",
        }.Select(ConvShape.Parse),
    ];

    private static readonly Epilogue[] Epilogues = [new(FusedActivation.Clamp, -0.02f, 0.1f, HasResidual: true), default, Epilogue.Relu];

    public static IEnumerable<KernelCheck> All()
    {
        // A layer's reference is computed once for all rows that it fits. It multiplies the factors as the row rounds them: a wrong
        // product could hide behind the bound of that rounding.
        var layers = new Dictionary<(int Shape, WeightForm Form, ProductPrecision Precision), RandomLayer>();
        foreach (DeviceConvKernel kernel in DeviceConvKernels.All.Concat(DeviceConvKernels.Rounding))
        {
            yield return new KernelCheck(kernel.Name, Enumerable.Range(0, Shapes.Count).Select(i => new Func<ComputeDevice, CheckOutcome?>(device =>
            {
                ConvShape shape = Shapes[i];
                if (!kernel.Supports(shape, device.Limits)) return null;
                (int, WeightForm, ProductPrecision) key = (i, kernel.Form, kernel.Precision);
                if (!layers.TryGetValue(key, out RandomLayer? layer))
                    layers.Add(key, layer = new RandomLayer(shape, Epilogues[i % Epilogues.Length], kernel.Form, kernel.Form == WeightForm.Dense ? 1 : 0.3, kernel.Precision));
                return Check(device, kernel, layer);
            })));
        }
    }

    private static CheckOutcome Check(ComputeDevice device, DeviceConvKernel kernel, RandomLayer layer)
    {
        ActivationLayout[] inputs = layer.Epilogue.HasResidual ? [ActivationLayout.Nchw, ActivationLayout.Nchw] : [ActivationLayout.Nchw];
        var candidate = new StepVariant(kernel.Name, inputs, [ActivationLayout.Nchw], 0, Device: new DeviceCandidate(device, kernel));
        using LayerRun run = LayerRun.Create(layer, candidate, WorkerSet.Single);
        return new CheckOutcome($"{layer.Shape}{(layer.Epilogue.HasResidual ? " with a residual" : "")}", run.MaxRelativeError(), run.ErrorBound());
    }
}
