using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Pooling;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Mean or maximum over all pixels of each channel. A blocked input may give a row-major output at no cost.</summary>
internal sealed class GlobalPoolOperation(string node, string op, bool isMax) : Operation(node, op)
{
    public override string Attributes => isMax ? "max" : "mean";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        double time = StepCost.Streaming(StepCost.Bytes(this));
        ActivationLayout plain = ActivationLayout.Nchw;
        return
        [
            .. StepCost.Blocked.Select(layout => new StepVariant("simd", [layout], [plain], time)),
            .. StepCost.Blocked.Where(_ => Outputs[0].Image is not null).Select(layout => new StepVariant("simd", [layout], [layout], time)),
            new StepVariant("simd", [plain], [plain], time),
        ];
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        ImageShape image = Inputs[0].Image!.Value;
        return new PreparedStep(buffers => new GlobalPoolStep(isMax, image, variant.Inputs[0], variant.Outputs[0], buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.globalpool");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
        new LaunchStep(DeviceOperators.GlobalPool(variant.Device!.Device, isMax, Inputs[0].Image!.Value.Pixels, buffers.DeviceInputs[0], buffers.DeviceOutputs[0])));

    private sealed unsafe class GlobalPoolStep(bool isMax, ImageShape image, ActivationLayout from, ActivationLayout to, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, image.Batch * from.PaddedChannels(image.Channels) / from.Block, 4L * image.Batch * image.Channels * image.Pixels)
    {
        private readonly int _blocks = from.PaddedChannels(image.Channels) / from.Block;
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end)
        {
            float* block = stackalloc float[from.Block];
            for (int unit = first; unit < end; unit++)
            {
                (int n, int index) = Math.DivRem(unit, _blocks);
                GlobalPool.Run(isMax, image.Pixels, from.Block, _input + ((long)unit * image.Pixels * from.Block), block, 1);
                int channel = index * from.Block;
                int count = Math.Min(from.Block, to.PaddedChannels(image.Channels) - channel);
                new ReadOnlySpan<float>(block, count).CopyTo(new Span<float>(_output + ((long)n * to.PaddedChannels(image.Channels)) + channel, count));
            }
        }
    }
}
