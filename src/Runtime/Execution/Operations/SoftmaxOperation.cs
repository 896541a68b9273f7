using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Softmax, or its logarithm, over rows of adjacent elements.</summary>
internal sealed class SoftmaxOperation(string node, string op, int rowLength, bool isLog) : Operation(node, op)
{
    public override string Attributes => isLog ? $"log,{rowLength}" : $"{rowLength}";

    public override bool MayOverwrite(int input) => true;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "simd", ActivationLayout.Nchw, 4 * StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        int rows = Outputs[0].Shape.Count / rowLength;
        return new PreparedStep(buffers => new SoftmaxStep(rows, rowLength, isLog, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.softmax");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
        new LaunchStep(DeviceOperators.Softmax(variant.Device!.Device, isLog, rowLength, buffers.DeviceInputs[0], buffers.DeviceOutputs[0])));

    private sealed unsafe class SoftmaxStep(int rows, int length, bool isLog, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, rows, 8L * rows * length)
    {
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            for (int row = first; row < end; row++)
            {
                var x = new ReadOnlySpan<float>(_input + ((long)row * length), length);
                var y = new Span<float>(_output + ((long)row * length), length);
                if (isLog) Softmax.RunLog(x, y);
                else Softmax.Run(x, y);
            }
        }
    }
}
