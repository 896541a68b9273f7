using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A change of layout between two steps.</summary>
internal sealed class ReorderOperation : Operation
{
    private readonly ActivationLayout _from;
    private readonly ActivationLayout _to;

    public ReorderOperation(PlanValue value, ActivationLayout from, ActivationLayout to)
        : base(value.Name, "Reorder")
    {
        _from = from;
        _to = to;
        Inputs.Add(value);
        Outputs.Add(value);
    }

    public override string Attributes => "";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [new StepVariant("simd", [_from], [_to], LayoutAssignment.ReorderMicroseconds(Inputs[0], _from, _to))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) =>
        new(buffers => new ReorderStep(Inputs[0], _from, _to, buffers));

    /// <summary>A row-major constant in another layout.</summary>
    public static unsafe Tensor Convert(Tensor constant, PlanValue value, ActivationLayout layout)
    {
        ImageShape image = value.Image!.Value;
        var result = new Tensor(ElementType.Float32, new TensorShape((int)(value.Bytes(layout) / sizeof(float))));
        int blocks = layout.PaddedChannels(image.Channels) / layout.Block;
        for (int n = 0; n < image.Batch; n++)
        {
            float* source = (float*)constant.Pointer + ((long)n * image.Channels * image.Pixels);
            float* target = (float*)result.Pointer + ((long)n * blocks * layout.Block * image.Pixels);
            ChannelBlocks.Pack(source, target, image.Channels, image.Pixels, layout.Block, 0, blocks);
        }

        GC.KeepAlive(constant);
        GC.KeepAlive(result);
        return result;
    }

    private sealed unsafe class ReorderStep : PartitionedStep
    {
        private readonly ImageShape _image;
        private readonly int _from;
        private readonly int _to;
        private readonly int _units;
        private readonly int _unitChannels;
        private readonly float* _source;
        private readonly float* _target;

        public ReorderStep(PlanValue value, ActivationLayout from, ActivationLayout to, StepBuffers buffers)
            : base(buffers.Workers, value.Image!.Value.Batch * Units(value, from, to), 2 * value.Bytes(ActivationLayout.Nchw))
        {
            _image = value.Image!.Value;
            _from = from.Block;
            _to = to.Block;
            _units = Units(value, from, to);
            _unitChannels = Math.Max(_from, _to);
            _source = (float*)buffers.Inputs[0];
            _target = (float*)buffers.Outputs[0];
        }

        protected override void RunUnits(int first, int end)
        {
            long sourceImage = Padded(_from);
            long targetImage = Padded(_to);
            while (first < end)
            {
                (int n, int unit) = Math.DivRem(first, _units);
                int stop = Math.Min(_units, unit + end - first);
                float* source = _source + (n * sourceImage);
                float* target = _target + (n * targetImage);
                if (_from == 1) ChannelBlocks.Pack(source, target, _image.Channels, _image.Pixels, _to, unit, stop);
                else if (_to == 1) ChannelBlocks.Unpack(source, target, _image.Channels, _image.Pixels, _from, unit, stop);
                else ChannelBlocks.Repack(source, _from, target, _to, _image.Channels, _image.Pixels, unit * _unitChannels, stop * _unitChannels);
                first += stop - unit;
            }
        }

        private long Padded(int block) => (long)new ActivationLayout(block).PaddedChannels(_image.Channels) * _image.Pixels;

        // A unit is one block of the wider layout, so that no two units write the same block.
        private static int Units(PlanValue value, ActivationLayout from, ActivationLayout to)
        {
            int block = Math.Max(from.Block, to.Block);
            return (value.Image!.Value.Channels + block - 1) / block;
        }
    }
}
