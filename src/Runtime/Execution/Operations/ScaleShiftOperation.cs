using System.Globalization;
using System.Numerics.Tensors;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// y = x scale + shift with constants per channel, then an optional clamp: a batch normalization that no layer could
/// take in, as in networks that normalize before they convolve.
/// </summary>
internal sealed class ScaleShiftOperation(string node, string op, float[] scale, float[] shift) : Operation(node, op)
{
    /// <summary>Bounds of the clamp; infinite for none.</summary>
    public (float Minimum, float Maximum) Clamp { get; set; } = (float.NegativeInfinity, float.PositiveInfinity);

    public bool HasClamp => Clamp != (float.NegativeInfinity, float.PositiveInfinity);

    public override string Attributes => string.Create(CultureInfo.InvariantCulture, $"[{Clamp.Minimum:R},{Clamp.Maximum:R}]");

    public override bool MayOverwrite(int input) => true;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) => StepCost.AnyLayout(this, "simd");

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        ActivationLayout layout = variant.Outputs[0];
        return new PreparedStep(buffers => new ScaleShiftStep(this, Padded(scale, layout), Padded(shift, layout), layout, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => Outputs[0].Image is null ? null : DeviceStep(context, "gpu.scaleshift");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        ComputeDevice device = variant.Device!.Device;
        int channels = scale.Length, pixels = Outputs[0].Image!.Value.Pixels;
        DeviceBuffer constants = DeviceMemory.Upload<float>(device, [.. scale, .. shift]);
        return new PreparedStep(
            buffers => new LaunchStep(DeviceOperators.ScaleShift(
                device, Clamp, buffers.DeviceInputs[0], constants.View<float>(0, channels), constants.View<float>(channels, channels), buffers.DeviceOutputs[0], pixels)),
            Weights: constants);
    }

    // Padding channels get factor and shift 0, so they stay zero; a fused clamp admits 0.
    private static float[] Padded(float[] values, ActivationLayout layout)
    {
        var padded = new float[layout.PaddedChannels(values.Length)];
        values.CopyTo(padded, 0);
        return padded;
    }

    private sealed unsafe class ScaleShiftStep : PartitionedStep
    {
        private readonly float[] _scale;
        private readonly float[] _shift;
        private readonly (float Minimum, float Maximum) _clamp;
        private readonly bool _clamps;
        private readonly int _block;
        private readonly int _blocks;
        private readonly int _pixels;
        private readonly float* _input;
        private readonly float* _output;

        public ScaleShiftStep(ScaleShiftOperation operation, float[] scale, float[] shift, ActivationLayout layout, StepBuffers buffers)
            : base(buffers.Workers, operation.Outputs[0].Image!.Value.Batch * scale.Length / layout.Block, 2 * operation.Outputs[0].Bytes(layout))
        {
            _scale = scale;
            _shift = shift;
            _clamp = operation.Clamp;
            _clamps = operation.HasClamp;
            _block = layout.Block;
            _blocks = scale.Length / layout.Block;
            _pixels = operation.Outputs[0].Image!.Value.Pixels;
            _input = (float*)buffers.Inputs[0];
            _output = (float*)buffers.Outputs[0];
        }

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                int channel = unit % _blocks * _block;
                int count = _pixels * _block;
                var x = new ReadOnlySpan<float>(_input + ((long)unit * count), count);
                var y = new Span<float>(_output + ((long)unit * count), count);
                if (_block == 1)
                {
                    TensorPrimitives.Multiply(x, _scale[channel], y);
                    TensorPrimitives.Add(y, _shift[channel], y);
                }
                else
                {
                    var scale = new ReadOnlySpan<float>(_scale, channel, _block);
                    var shift = new ReadOnlySpan<float>(_shift, channel, _block);
                    for (int at = 0; at < count; at += _block) TensorPrimitives.MultiplyAdd(x.Slice(at, _block), scale, shift, y.Slice(at, _block));
                }

                if (_clamps) Unary.Run(UnaryFunction.Clamp, _clamp.Minimum, _clamp.Maximum, y, y);
            }
        }
    }
}
