using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Reads a row-major value with a stride of its own per output axis: axes in another order, every second element, repeated ones.</summary>
/// <param name="node">Node name.</param>
/// <param name="op">Operator name.</param>
/// <param name="offset">Element that the first one of the output is.</param>
/// <param name="strides">Elements between neighbours along each output axis; 0 repeats, a negative one reverses.</param>
internal sealed class StridedCopyOperation(string node, string op, int offset, int[] strides) : Operation(node, op)
{
    /// <summary>Most axes.</summary>
    public const int MaximumRank = 8;

    public override string Attributes => $"{offset}:{string.Join(' ', strides)}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "strided", ActivationLayout.Nchw, 0.2 + (Outputs[0].Shape.Count / 800.0))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(buffers => new StridedCopyStep(Outputs[0], offset, strides, buffers));

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.strided");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        ComputeDevice device = variant.Device!.Device;
        DeviceBuffer axes = DeviceMemory.Upload<int>(device, [.. Outputs[0].Shape.Dimensions, .. strides]);
        return new PreparedStep(
            buffers => new LaunchStep(DeviceOperators.CopyStrided(device, buffers.DeviceInputs[0], buffers.DeviceOutputs[0], axes.View<int>(), offset)), Weights: axes);
    }

    private sealed unsafe class StridedCopyStep(PlanValue output, int offset, int[] strides, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, output.Shape[0], 2 * output.Bytes(ActivationLayout.Nchw))
    {
        private readonly int[] _sizes = output.Shape.Dimensions.ToArray();
        private readonly int _elementBytes = output.Type.SizeInBytes();
        private readonly long _outerBytes = output.Bytes(ActivationLayout.Nchw) / output.Shape[0];
        private readonly byte* _input = (byte*)buffers.Inputs[0] + ((long)offset * output.Type.SizeInBytes());
        private readonly byte* _output = (byte*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                byte* source = _input + ((long)unit * strides[0] * _elementBytes);
                StridedElements.Copy(_elementBytes, source, _output + (unit * _outerBytes), _sizes.AsSpan(1), strides.AsSpan(1));
            }
        }
    }
}
