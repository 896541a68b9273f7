using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>One thread per result (<see cref="Convolution.Grouped"/>): groups of few channels, and depthwise layers with dilation.</summary>
internal sealed class GroupedConvKernel : DeviceConvKernel
{
    private const int Threads = 64;

    public override string Name => "conv.grouped";

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) => shape.Batch <= MostGroupsAlongZ && shape.OutChannels <= MostGroupsAlongZ;

    // Every product loads both of its factors.
    public override double Cost(ConvShape shape, double density, DeviceLimits limits) => 4.0 * shape.MultiplyAdds;

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias) =>
        new Layer(device, shape, epilogue, weights, bias);

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;

        public Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue) = (device, shape, epilogue);
            _weights = Upload(weights);
            _bias = Upload(bias);
        }

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            DeviceKernel kernel = Convolution_Grouped.Bind(
                Device, input, _weights.View<float>(), _bias.View<float>(), _epilogue.HasResidual ? residual : output, output,
                Geometry(_shape, _epilogue, _shape.OutChannels / _shape.Groups), _epilogue.HasResidual ? 1 : 0);
            return new DeviceLaunch(kernel, LaunchShape.Linear((long)_shape.OutHeight * _shape.OutWidth, Threads) with { GroupsY = _shape.OutChannels, GroupsZ = _shape.Batch });
        }
    }
}
