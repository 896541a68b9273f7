using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Axes in another order, row-major.</summary>
internal sealed class TransposeOperation(string node, int[] order) : Operation(node, "Transpose")
{
    /// <summary>Most axes.</summary>
    public const int MaximumRank = 8;

    public override string Attributes => string.Join(' ', order);

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "strided", ActivationLayout.Nchw, 0.2 + (Outputs[0].Shape.Count / 800.0))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        int[] strides = Inputs[0].Shape.Strides();
        int[] sourceStrides = [.. order.Select(axis => strides[axis])];
        return new PreparedStep(buffers => new TransposeStep(Outputs[0], sourceStrides, buffers));
    }

    private sealed unsafe class TransposeStep(PlanValue output, int[] sourceStrides, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, output.Shape[0], 2 * output.Bytes(ActivationLayout.Nchw))
    {
        private readonly int[] _sizes = output.Shape.Dimensions.ToArray();
        private readonly int _elementBytes = output.Type.SizeInBytes();
        private readonly long _outerBytes = output.Bytes(ActivationLayout.Nchw) / output.Shape[0];
        private readonly byte* _input = (byte*)buffers.Inputs[0];
        private readonly byte* _output = (byte*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                byte* source = _input + ((long)unit * sourceStrides[0] * _elementBytes);
                StridedElements.Copy(_elementBytes, source, _output + (unit * _outerBytes), _sizes.AsSpan(1), sourceStrides.AsSpan(1));
            }
        }
    }
}
