using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Integer convolutions with few taps per result, depthwise ones above all, a thread per result (<see cref="IntegerConvolution.Direct"/>).</summary>
/// <remarks>The floor is the bytes of input and output: neighbours read the same bytes out of the cache.</remarks>
internal sealed class DirectIntegerConvKernel : DeviceIntegerConvKernel
{
    private const int Threads = 64;

    // A product costs the loads of its two factors, and tests for the border, where tiles have one instruction for four.
    private const double PerProduct = 8;

    public override string Name => "conv.integer.direct";

    public override bool Supports(ConvShape shape, DeviceLimits limits) => FitsAny(shape) && shape.OutChannels <= DeviceConvKernel.MostGroupsAlongZ;

    public override double Cost(ConvShape shape, DeviceLimits limits)
    {
        double threads = (double)shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth;
        return PerProduct * shape.MultiplyAdds * Math.Max(1, limits.ComputeUnits * 512 / threads);
    }

    public override DeviceIntegerConv Prepare(ComputeDevice device, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned) =>
        new Layer(device, shape, weights, bias, isSigned);

    private sealed class Layer : DeviceIntegerConv
    {
        private readonly ComputeDevice _device;
        private readonly ConvShape _shape;
        private readonly bool _isSigned;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;

        public Layer(ComputeDevice device, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned)
        {
            Check(shape, weights, bias);
            (_device, _shape, _isSigned) = (device, shape, isSigned);
            var wide = new int[weights.Length];
            for (int i = 0; i < wide.Length; i++) wide[i] = weights[i];
            try
            {
                _weights = Own(DeviceMemory.Upload<int>(device, wide));
                _bias = Own(DeviceMemory.Upload(device, bias.IsEmpty ? new int[shape.OutChannels] : bias));
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public override DeviceLaunch Bind(DeviceView<byte> input, DeviceView<byte> zeroPoint, IntegerConvOutput output)
        {
            DeviceKernel kernel = IntegerConvolution_Direct.Bind(
                _device, input, _weights.View<int>(), _bias.View<int>(), zeroPoint, output.Scales, output.Values, output.Bytes,
                DeviceConvKernel.Geometry(_shape, default, _shape.OutChannels), Flip(_isSigned), output.ZeroPoint, output.Range.Lowest, output.Range.Highest, (int)output.Form);
            return new DeviceLaunch(
                kernel, LaunchShape.Linear((long)_shape.OutHeight * _shape.OutWidth, Threads) with { GroupsY = _shape.OutChannels, GroupsZ = _shape.Batch });
        }
    }
}
