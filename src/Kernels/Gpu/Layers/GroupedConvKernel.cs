using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>One thread per result (<see cref="Convolution.Grouped"/>): depthwise layers and groups of few channels.</summary>
internal sealed class GroupedConvKernel : DeviceConvKernel
{
    private const int Threads = 64;

    public override string Name => "conv.grouped";

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) => shape.Batch <= 65_535 && shape.OutChannels <= 65_535;

    // Every product loads both of its factors.
    public override double Cost(ConvShape shape, double density, DeviceLimits limits) => 4.0 * shape.MultiplyAdds;

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias) =>
        new Layer(device, shape, epilogue, weights, bias);

    private sealed class Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias) : DeviceConvLayer
    {
        private readonly DeviceBuffer _weights = DeviceMemory.Upload(device, weights);
        private readonly DeviceBuffer _bias = DeviceMemory.Upload(device, bias);

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output)
        {
            DeviceKernel kernel = Convolution_Grouped.Bind(
                device, input, _weights.View<float>(), _bias.View<float>(), epilogue.HasResidual ? residual : output, output,
                Geometry(shape, epilogue, shape.OutChannels / shape.Groups), epilogue.HasResidual ? 1 : 0);
            return new DeviceLaunch(kernel, LaunchShape.Linear((long)shape.OutHeight * shape.OutWidth, Threads) with { GroupsY = shape.OutChannels, GroupsZ = shape.Batch });
        }

        protected override void Dispose(bool disposing)
        {
            _weights.Dispose();
            _bias.Dispose();
        }
    }
}
