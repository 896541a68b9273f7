using System.Globalization;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A function of one number applied to every element, in any layout.</summary>
internal sealed class UnaryOperation(string node, string op, UnaryFunction function, float alpha, float beta) : Operation(node, op)
{
    public UnaryFunction Function { get; } = function;

    public float Alpha { get; } = alpha;

    public float Beta { get; } = beta;

    public override string Attributes => string.Create(CultureInfo.InvariantCulture, $"{Function}({Alpha:R},{Beta:R})");

    private bool KeepsZero => Function switch
    {
        UnaryFunction.Clamp => Alpha <= 0 && Beta >= 0,
        UnaryFunction.Sigmoid or UnaryFunction.HardSigmoid or UnaryFunction.Exp => false,
        _ => true,
    };

    public override bool MayOverwrite(int input) => true;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) => StepCost.AnyLayout(this, "simd");

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        ActivationLayout layout = variant.Outputs[0];
        return new PreparedStep(buffers => new UnaryStep(this, layout, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.map");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
        new LaunchStep(DeviceOperators.Unary(variant.Device!.Device, Function, Alpha, Beta, buffers.DeviceInputs[0], buffers.DeviceOutputs[0])));

    private sealed unsafe class UnaryStep(UnaryOperation operation, ActivationLayout layout, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, (Count(operation, layout) + Unit(operation, layout) - 1) / Unit(operation, layout), 2 * operation.Outputs[0].Bytes(layout))
    {
        private readonly UnaryFunction _function = operation.Function;
        private readonly float _alpha = operation.Alpha;
        private readonly float _beta = operation.Beta;
        private readonly int _unit = Unit(operation, layout);
        private readonly int _count = Count(operation, layout);
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];
        private readonly bool _clears = !layout.IsNchw && !operation.KeepsZero;
        private readonly ImageShape _image = operation.Outputs[0].Image ?? default;

        protected override void RunUnits(int first, int end)
        {
            int start = first * _unit;
            int length = (int)Math.Min(_count, (long)end * _unit) - start;
            Unary.Run(_function, _alpha, _beta, new ReadOnlySpan<float>(_input + start, length), new Span<float>(_output + start, length));
            if (_clears) ChannelBlocks.ClearPadding(_output, _image.Batch, _image.Channels, _image.Pixels, layout);
        }

        private static int Count(UnaryOperation operation, ActivationLayout layout) => (int)(operation.Outputs[0].Bytes(layout) / sizeof(float));

        // Padding is cleared after all elements are written, so one thread then does everything.
        private static int Unit(UnaryOperation operation, ActivationLayout layout) =>
            !layout.IsNchw && !operation.KeepsZero ? int.MaxValue / 2 : 1024;
    }
}
