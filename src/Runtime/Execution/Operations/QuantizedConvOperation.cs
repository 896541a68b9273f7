using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>What such a layer does beside the sums; constants of the model.</summary>
/// <param name="InputZeroPoint">Zero point of the input.</param>
/// <param name="Scales">Input scale x weight scale / output scale, one per output channel.</param>
/// <param name="Bias">One per output channel.</param>
/// <param name="OutputZeroPoint">Zero point of the output.</param>
internal sealed record Requantization(int InputZeroPoint, float[] Scales, int[] Bias, int OutputZeroPoint);

/// <summary>QLinearConv or QLinearMatMul with constant weights, scales and zero points: exact sums in 32 bits, then 8-bit integers of the output's scale.</summary>
/// <param name="node">Node name.</param>
/// <param name="op">Operator name.</param>
/// <param name="shape">The layer.</param>
/// <param name="requantization">What follows the sums.</param>
/// <param name="weights">Weights in the order of a convolution, the zero point subtracted; made when the step is packed.</param>
internal sealed class QuantizedConvOperation(string node, string op, ConvShape shape, Requantization requantization, Func<short[]> weights) : Operation(node, op)
{
    /// <summary>Below this a hand-over to another thread costs more than it saves.</summary>
    private const long MultiplyAddsWorthAThread = 2 << 20;

    public override string Attributes => $"{shape}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "integer", ActivationLayout.Nchw, 1 + (shape.MultiplyAdds / 100_000.0))];

    public override StepSpec Describe(StepVariant variant, PlanContext context) =>
        base.Describe(variant, context) with { Conv = shape, MultiplyAdds = shape.MultiplyAdds };

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        var kernel = new IntegerConv(shape, weights());
        return new PreparedStep(buffers => new QuantizedConvStep(this, kernel, buffers), _ => kernel.ScratchBytes);
    }

    public override bool HasKernelsOfItsTypes => true;

    public override StepVariant? OnDevice(PlanContext context) =>
        DeviceIntegerLayer.Choose(context.Device!, shape, weights()) is { } kernel ? DeviceStep(context, kernel.Name) : null;

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        var layer = new DeviceIntegerLayer(variant.Device!.Device, shape, weights(), requantization.Bias, Inputs[0].Type == ElementType.Int8);
        DeviceView<byte> zeroPoint = layer.Constants((byte)requantization.InputZeroPoint);
        DeviceView<float> scales = layer.Constants<float>(requantization.Scales);
        return new PreparedStep(
            buffers => new LaunchStep(layer.Conv.Bind(
                buffers.DeviceInputs[0].As<byte>(Inputs[0].Shape.Count),
                zeroPoint,
                IntegerConvOutput.Requantized(buffers.DeviceOutputs[0].As<byte>(Outputs[0].Shape.Count), scales, requantization.OutputZeroPoint, Outputs[0].Type == ElementType.Int8))),
            Weights: layer);
    }

    private ConvShape Shape => shape;

    private Requantization Requantization => requantization;

    private sealed unsafe class QuantizedConvStep : Step, IParallelWork
    {
        private readonly IntegerConv _kernel;
        private readonly WorkerSet _workers;
        private readonly int _zeroPoint;
        private readonly bool _isInputSigned;
        private readonly byte* _input;
        private readonly byte* _scratch;
        private readonly AlignedBuffer _constants;
        private readonly RequantizedOutput _output;
        private readonly int _parts;

        public QuantizedConvStep(QuantizedConvOperation operation, IntegerConv kernel, StepBuffers buffers)
        {
            Requantization requantization = operation.Requantization;
            _kernel = kernel;
            _workers = buffers.Workers;
            _zeroPoint = requantization.InputZeroPoint;
            _isInputSigned = operation.Inputs[0].Type == ElementType.Int8;
            _input = (byte*)buffers.Inputs[0];
            _scratch = (byte*)buffers.Scratch;
            int channels = operation.Shape.OutChannels;
            _constants = new AlignedBuffer(2L * channels * sizeof(int));
            int* bias = (int*)_constants.Pointer;
            var scales = (float*)(bias + channels);
            requantization.Bias.CopyTo(new Span<int>(bias, channels));
            requantization.Scales.CopyTo(new Span<float>(scales, channels));
            _output = new RequantizedOutput((byte*)buffers.Outputs[0], bias, scales, requantization.OutputZeroPoint, operation.Outputs[0].Type == ElementType.Int8);
            _parts = (int)Math.Clamp(Math.Min(kernel.Units, operation.Shape.MultiplyAdds / MultiplyAddsWorthAThread), 1, _workers.Threads);
        }

        public override void Run()
        {
            if (_parts == 1) Execute(0);
            else _workers.Run(this, _parts);

            // The output holds bare pointers into the constants.
            GC.KeepAlive(_constants);
        }

        void IParallelWork.Execute(int part) => Execute(part);

        private void Execute(int part) => _kernel.RunRequantized(
            _input, _isInputSigned, _zeroPoint, _output, _scratch, (int)((long)_kernel.Units * part / _parts), (int)((long)_kernel.Units * (part + 1) / _parts));
    }
}
