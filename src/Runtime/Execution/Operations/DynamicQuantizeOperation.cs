using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>DynamicQuantizeLinear: bytes, their scale and their zero point from the range of the values.</summary>
internal sealed class DynamicQuantizeOperation(string node) : Operation(node, "DynamicQuantizeLinear")
{
    public override string Attributes => "";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "simd", ActivationLayout.Nchw, 3 * StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        int count = Inputs[0].Shape.Count;
        return new PreparedStep(buffers => new DynamicQuantizeStep(count, buffers));
    }

    public override bool HasKernelsOfItsTypes => true;

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.quantize-range");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        ComputeDevice device = variant.Device!.Device;
        return new PreparedStep(buffers =>
        {
            var ranges = new DeviceRanges(device, buffers.DeviceInputs[0], images: 1, channels: 1, perChannel: false);
            DeviceLaunch quantize = DeviceOperators.QuantizeRange(
                device, buffers.DeviceInputs[0], ranges.Minimum, ranges.Maximum, buffers.DeviceOutputs[0].As<byte>(Inputs[0].Shape.Count), buffers.DeviceOutputs[1], buffers.DeviceOutputs[2].As<byte>(1));
            return new LaunchStep([ranges.Launch, quantize]) { Memory = ranges };
        });
    }

    private sealed unsafe class DynamicQuantizeStep(int count, StepBuffers buffers) : Step
    {
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly byte* _output = (byte*)buffers.Outputs[0];
        private readonly float* _scale = (float*)buffers.Outputs[1];
        private readonly byte* _zeroPoint = (byte*)buffers.Outputs[2];

        public override void Run()
        {
            var source = new ReadOnlySpan<float>(_input, count);
            (float scale, byte zeroPoint) = ByteQuantizer.Range(source);
            ByteQuantizer.Quantize(source, scale, zeroPoint, isSigned: false, new Span<byte>(_output, count));
            *_scale = scale;
            *_zeroPoint = zeroPoint;
        }
    }
}
