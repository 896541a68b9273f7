using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Constant scales and zero points of 8-bit integers, one of each or one per index of an axis.</summary>
/// <param name="Scales">Scales.</param>
/// <param name="ZeroPoints">As many zero points.</param>
/// <param name="Inner">Elements that follow each other with one scale: the product of the axes after, or all.</param>
internal sealed record ByteScales(float[] Scales, int[] ZeroPoints, int Inner);

/// <summary>QuantizeLinear to, and DequantizeLinear from, 8-bit integers with constant scales, row-major.</summary>
internal sealed class QuantizeOperation(string node, string op, ByteScales scales) : Operation(node, op)
{
    public override string Attributes => $"{scales.Scales.Length}x{scales.Inner}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "simd", ActivationLayout.Nchw, StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(buffers => new QuantizeStep(this, scales, buffers));

    public override bool HasKernelsOfItsTypes => true;

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, Quantizes ? "gpu.quantize" : "gpu.dequantize");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        ComputeDevice device = variant.Device!.Device;
        int count = Inputs[0].Shape.Count, channels = scales.Scales.Length;
        // Scales, then the bits of the zero points.
        DeviceBuffer constants = DeviceMemory.Upload<float>(device, [.. scales.Scales, .. scales.ZeroPoints.Select(BitConverter.Int32BitsToSingle)]);
        DeviceView<float> factors = constants.View<float>(0, channels);
        DeviceView<int> zeroPoints = constants.View<int>(channels, channels);
        return new PreparedStep(
            buffers => new LaunchStep(Quantizes
                ? DeviceOperators.Quantize(device, buffers.DeviceInputs[0], factors, zeroPoints, buffers.DeviceOutputs[0].As<byte>(count), scales.Inner, IsSigned)
                : DeviceOperators.Dequantize(device, buffers.DeviceInputs[0].As<byte>(count), factors, zeroPoints, buffers.DeviceOutputs[0], scales.Inner, IsSigned)),
            Weights: constants);
    }

    private bool Quantizes => Inputs[0].Type == ElementType.Float32;

    private bool IsSigned => Inputs[0].Type == ElementType.Int8 || Outputs[0].Type == ElementType.Int8;

    private sealed unsafe class QuantizeStep(QuantizeOperation operation, ByteScales scales, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, operation.Inputs[0].Shape.Count / scales.Inner, StepCost.Bytes(operation))
    {
        private readonly bool _quantizes = operation.Quantizes;
        private readonly bool _isSigned = operation.IsSigned;
        private readonly byte* _input = (byte*)buffers.Inputs[0];
        private readonly byte* _output = (byte*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            int inner = scales.Inner;
            for (int unit = first; unit < end; unit++)
            {
                int channel = unit % scales.Scales.Length;
                long at = (long)unit * inner;
                if (_quantizes)
                {
                    ByteQuantizer.Quantize(
                        new ReadOnlySpan<float>((float*)_input + at, inner), scales.Scales[channel], scales.ZeroPoints[channel], _isSigned, new Span<byte>(_output + at, inner));
                }
                else
                {
                    ByteQuantizer.Dequantize(
                        new ReadOnlySpan<byte>(_input + at, inner), _isSigned, scales.ZeroPoints[channel], scales.Scales[channel], new Span<float>((float*)_output + at, inner));
                }
            }
        }
    }
}
