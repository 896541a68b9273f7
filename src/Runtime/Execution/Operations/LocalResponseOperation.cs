using System.Globalization;
using System.Numerics.Tensors;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>y = x / (bias + alpha / size · the sum of squares over neighbouring channels)^beta, row-major.</summary>
internal sealed class LocalResponseOperation(string node, int size, float alpha, float beta, float bias) : Operation(node, "LRN")
{
    public override string Attributes => string.Create(CultureInfo.InvariantCulture, $"{size}:{beta:R}");

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "simd", ActivationLayout.Nchw, (size + 20) * StepCost.Streaming(StepCost.Bytes(this)) / 4)];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(buffers => new LocalResponseStep(this, buffers));

    private (int Size, float Scale, float Beta, float Bias) Settings => (size, alpha / size, beta, bias);

    private sealed unsafe class LocalResponseStep(LocalResponseOperation operation, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, operation.Inputs[0].Shape[0] * operation.Inputs[0].Shape[1], 8 * StepCost.Bytes(operation))
    {
        private readonly (int Size, float Scale, float Beta, float Bias) _settings = operation.Settings;
        private readonly int _channels = operation.Inputs[0].Shape[1];
        private readonly int _pixels = operation.Inputs[0].Shape.Count / operation.Inputs[0].Shape[0] / operation.Inputs[0].Shape[1];
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                int channel = unit % _channels;
                int from = Math.Max(0, channel - ((_settings.Size - 1) / 2)), to = (int)Math.Min(_channels - 1, channel + ((long)_settings.Size / 2));
                Span<float> y = new(_output + ((long)unit * _pixels), _pixels);
                y.Clear();
                for (int neighbour = from; neighbour <= to; neighbour++)
                {
                    ReadOnlySpan<float> x = Plane(unit - channel + neighbour);
                    TensorPrimitives.MultiplyAdd(x, x, y, y);
                }

                TensorPrimitives.Multiply(y, _settings.Scale, y);
                TensorPrimitives.Add(y, _settings.Bias, y);
                TensorPrimitives.Pow(y, -_settings.Beta, y);
                TensorPrimitives.Multiply(Plane(unit), y, y);
            }
        }

        private ReadOnlySpan<float> Plane(int unit) => new(_input + ((long)unit * _pixels), _pixels);
    }
}
