using CoInference.Kernels.Devices;
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
    private const int LineBytes = 64;

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
        long sums = (long)shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth * sizeof(int);
        return new PreparedStep(buffers => new QuantizedConvStep(this, kernel, buffers), _ => Lined(kernel.ScratchBytes) + sums);
    }

    private static long Lined(long bytes) => (bytes + LineBytes - 1) / LineBytes * LineBytes;

    private ConvShape Shape => shape;

    private Requantization Requantization => requantization;

    private sealed unsafe class QuantizedConvStep : Step, IParallelWork
    {
        private readonly ConvShape _shape;
        private readonly Requantization _requantization;
        private readonly IntegerConv _kernel;
        private readonly WorkerSet _workers;
        private readonly bool _isInputSigned;
        private readonly bool _isOutputSigned;
        private readonly byte* _input;
        private readonly byte* _output;
        private readonly byte* _scratch;
        private readonly int* _sums;
        private readonly int _parts;
        private bool _sumsAreDone;

        public QuantizedConvStep(QuantizedConvOperation operation, IntegerConv kernel, StepBuffers buffers)
        {
            _shape = operation.Shape;
            _requantization = operation.Requantization;
            _kernel = kernel;
            _workers = buffers.Workers;
            _isInputSigned = operation.Inputs[0].Type == ElementType.Int8;
            _isOutputSigned = operation.Outputs[0].Type == ElementType.Int8;
            _input = (byte*)buffers.Inputs[0];
            _output = (byte*)buffers.Outputs[0];
            _scratch = (byte*)buffers.Scratch;
            _sums = (int*)(_scratch + Lined(kernel.ScratchBytes));
            _parts = (int)Math.Clamp(Math.Min(kernel.Units, _shape.MultiplyAdds / MultiplyAddsWorthAThread), 1, _workers.Threads);
        }

        public override void Run()
        {
            _sumsAreDone = false;
            Share();
            _sumsAreDone = true;
            Share();
        }

        void IParallelWork.Execute(int part) => Execute(part);

        private void Share()
        {
            if (_parts == 1) Execute(0);
            else _workers.Run(this, _parts);
        }

        private void Execute(int part)
        {
            if (!_sumsAreDone)
            {
                _kernel.Run(
                    _input, _isInputSigned, _requantization.InputZeroPoint, _sums, storesFloats: false, _scratch,
                    (int)((long)_kernel.Units * part / _parts), (int)((long)_kernel.Units * (part + 1) / _parts));
                return;
            }

            int planes = _shape.Batch * _shape.OutChannels, pixels = _shape.OutHeight * _shape.OutWidth;
            int end = (int)((long)planes * (part + 1) / _parts);
            for (int plane = (int)((long)planes * part / _parts); plane < end; plane++)
            {
                int channel = plane % _shape.OutChannels;
                Requantizer.Run(
                    _sums + ((nint)plane * pixels), pixels, _requantization.Bias[channel], _requantization.Scales[channel],
                    _requantization.OutputZeroPoint, _isOutputSigned, _output + ((nint)plane * pixels));
            }
        }
    }
}
