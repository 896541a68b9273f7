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
        private readonly bool _packs;
        private readonly int _block;
        private readonly int _blocks;
        private readonly float* _source;
        private readonly float* _target;

        public ReorderStep(PlanValue value, ActivationLayout from, ActivationLayout to, StepBuffers buffers)
            : base(buffers.Workers, Units(value, from, to), 2 * value.Bytes(ActivationLayout.Nchw))
        {
            _image = value.Image!.Value;
            _packs = from.IsNchw;
            ActivationLayout blocked = _packs ? to : from;
            _block = blocked.Block;
            _blocks = blocked.PaddedChannels(_image.Channels) / _block;
            _source = (float*)buffers.Inputs[0];
            _target = (float*)buffers.Outputs[0];
        }

        protected override void RunUnits(int first, int end)
        {
            long rowMajor = (long)_image.Channels * _image.Pixels;
            long blocked = (long)_blocks * _block * _image.Pixels;
            while (first < end)
            {
                (int n, int block) = Math.DivRem(first, _blocks);
                int stop = Math.Min(_blocks, block + end - first);
                if (_packs) ChannelBlocks.Pack(_source + (n * rowMajor), _target + (n * blocked), _image.Channels, _image.Pixels, _block, block, stop);
                else ChannelBlocks.Unpack(_source + (n * blocked), _target + (n * rowMajor), _image.Channels, _image.Pixels, _block, block, stop);
                first += stop - block;
            }
        }

        private static int Units(PlanValue value, ActivationLayout from, ActivationLayout to)
        {
            ActivationLayout blocked = from.IsNchw ? to : from;
            return value.Image!.Value.Batch * blocked.PaddedChannels(value.Image.Value.Channels) / blocked.Block;
        }
    }
}
