using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// A convolution or matrix product of 8-bit integers with constant weights, summed exactly in 32 bits. Input 0 is x,
/// input 1 its zero point when it has one. The sums may be stored as float32, as the Cast after them would.
/// </summary>
/// <param name="node">Node name.</param>
/// <param name="op">Operator name.</param>
/// <param name="shape">The layer.</param>
/// <param name="weights">Weights in the order of a convolution, the zero point subtracted; made when the step is packed.</param>
internal sealed class IntegerConvOperation(string node, string op, ConvShape shape, Func<short[]> weights) : Operation(node, op)
{
    private bool StoresFloats => Outputs[0].Type == ElementType.Float32;

    public override string Attributes => $"{shape}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        // A multiply-add instruction does two products per 32-bit lane; gathering costs about a nanosecond per tap and pixel.
        double gather = (double)shape.Batch * shape.OutHeight * shape.OutWidth * shape.WeightCount / shape.OutChannels * shape.Groups / 1000;
        return [StepCost.Uniform(this, "integer", ActivationLayout.Nchw, 1 + gather + (shape.MultiplyAdds / 40_000.0))];
    }

    public override StepSpec Describe(StepVariant variant, PlanContext context) =>
        base.Describe(variant, context) with { Conv = shape, MultiplyAdds = shape.MultiplyAdds };

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        var kernel = new IntegerConv(shape, weights());
        long bytes = shape.MultiplyAdds / 8;
        return new PreparedStep(buffers => new IntegerConvStep(this, kernel, bytes, buffers), _ => kernel.ScratchBytes);
    }

    public override bool HasKernelsOfItsTypes => true;

    public override StepVariant? OnDevice(PlanContext context) =>
        DeviceIntegerLayer.Choose(context.Device!, shape, weights()) is { } kernel ? DeviceStep(context, kernel.Name) : null;

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        var layer = new DeviceIntegerLayer(variant.Device!.Device, shape, weights(), [], Inputs[0].Type == ElementType.Int8);
        DeviceView<byte> zero = layer.Constants<byte>(0);
        return new PreparedStep(
            buffers => new LaunchStep(layer.Conv.Bind(
                buffers.DeviceInputs[0].As<byte>(Inputs[0].Shape.Count),
                Inputs.Count > 1 ? buffers.DeviceInputs[1].As<byte>(1) : zero,
                StoresFloats ? IntegerConvOutput.Floats(buffers.DeviceOutputs[0]) : IntegerConvOutput.Sums(buffers.DeviceOutputs[0].As<int>(Outputs[0].Shape.Count)))),
            Weights: layer);
    }

    private sealed unsafe class IntegerConvStep(IntegerConvOperation operation, IntegerConv kernel, long bytes, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, kernel.Units, bytes)
    {
        private readonly bool _isSigned = operation.Inputs[0].Type == ElementType.Int8;
        private readonly bool _storesFloats = operation.StoresFloats;
        private readonly byte* _input = (byte*)buffers.Inputs[0];
        private readonly byte* _zeroPoint = buffers.Inputs.Length > 1 ? (byte*)buffers.Inputs[1] : null;
        private readonly int* _output = (int*)buffers.Outputs[0];
        private readonly byte* _scratch = (byte*)buffers.Scratch;

        protected override void RunUnits(int first, int end)
        {
            int zeroPoint = _zeroPoint is null ? 0 : _isSigned ? (sbyte)*_zeroPoint : *_zeroPoint;
            kernel.Run(_input, _isSigned, zeroPoint, _output, _storesFloats, _scratch, first, end);
        }
    }
}
