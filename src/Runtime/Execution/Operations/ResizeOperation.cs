using System.Numerics.Tensors;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One axis that changes its size: each place of the result is a weighted sum of a few places of the source.</summary>
/// <param name="Axis">Axis number.</param>
/// <param name="Before">Size before.</param>
/// <param name="Taps">Sources and weights of each place.</param>
internal sealed record ResizePass(int Axis, int Before, (int Source, float Weight)[][] Taps);

/// <summary>Resize by any separable interpolation, row-major, one axis after the other.</summary>
internal sealed class ResizeOperation(string node, string op, IReadOnlyList<ResizePass> passes) : Operation(node, op)
{
    public override string Attributes => string.Join(' ', passes.Select(pass => $"{pass.Axis}:{pass.Taps.Max(taps => taps.Length)}"));

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "separable", ActivationLayout.Nchw, 8 * StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        TensorShape shape = Inputs[0].Shape;
        int units = 1, sizes = shape.Count;
        foreach (int size in shape.Dimensions[..passes[0].Axis]) units *= size;
        var stages = new List<Stage>();
        int[] dimensions = shape.Dimensions.ToArray();
        foreach (ResizePass pass in passes)
        {
            int outer = 1, inner = 1;
            for (int axis = passes[0].Axis; axis < pass.Axis; axis++) outer *= dimensions[axis];
            for (int axis = pass.Axis + 1; axis < dimensions.Length; axis++) inner *= dimensions[axis];
            dimensions[pass.Axis] = pass.Taps.Length;
            stages.Add(new Stage(outer, inner, pass));
        }

        long between = stages.SkipLast(1).Sum(stage => (long)stage.After);
        return new PreparedStep(buffers => new ResizeStep(stages, units, between, StepCost.Bytes(this), buffers), _ => units * between * sizeof(float));
    }

    /// <summary>A pass within one unit.</summary>
    private sealed record Stage(int Outer, int Inner, ResizePass Pass)
    {
        public int Before => Outer * Pass.Before * Inner;

        public int After => Outer * Pass.Taps.Length * Inner;
    }

    private sealed unsafe class ResizeStep(List<Stage> stages, int units, long between, long bytes, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, units, 4 * bytes)
    {
        private readonly Stage[] _stages = [.. stages];
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];
        private readonly float* _scratch = (float*)buffers.Scratch;

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                float* source = _input + ((long)unit * _stages[0].Before), next = _scratch + (unit * between);
                for (int i = 0; i < _stages.Length; i++)
                {
                    bool isLast = i == _stages.Length - 1;
                    float* target = isLast ? _output + ((long)unit * _stages[i].After) : next;
                    Run(_stages[i], source, target);
                    source = target;
                    if (!isLast) next += _stages[i].After;
                }
            }
        }

        private static void Run(Stage stage, float* source, float* target)
        {
            (int inner, int before) = (stage.Inner, stage.Pass.Before);
            for (int outer = 0; outer < stage.Outer; outer++, source += (long)before * inner)
            {
                foreach ((int Source, float Weight)[] taps in stage.Pass.Taps)
                {
                    if (inner == 1)
                    {
                        float sum = 0;
                        foreach ((int at, float weight) in taps) sum += weight * source[at];
                        *target++ = sum;
                        continue;
                    }

                    var row = new Span<float>(target, inner);
                    TensorPrimitives.Multiply(new ReadOnlySpan<float>(source + ((long)taps[0].Source * inner), inner), taps[0].Weight, row);
                    for (int tap = 1; tap < taps.Length; tap++)
                        TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(source + ((long)taps[tap].Source * inner), inner), taps[tap].Weight, row, row);
                    target += inner;
                }
            }
        }
    }
}
