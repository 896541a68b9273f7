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
        [new StepVariant("simd", [_from], [_to], LayoutAssignment.ReorderMicroseconds(Inputs[0], _from, _to, context.Threads))];

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
            ChannelBlocks.Pack(source, target, image.Channels, image.Pixels, layout.Block, new(0, blocks * layout.Block, 0, image.Pixels));
        }

        GC.KeepAlive(constant);
        GC.KeepAlive(result);
        return result;
    }

    /// <summary>Threads that share the work.</summary>
    public static int Parts(PlanValue value, ActivationLayout from, ActivationLayout to, int threads) =>
        PartitionedStep.Parts(new Units(value.Image!.Value, from, to).Count, Bytes(value), threads);

    private static long Bytes(PlanValue value) => 2 * value.Bytes(ActivationLayout.Nchw);

    /// <summary>
    /// Pieces that threads share: chunks of pixels where an image has many, as kernels share out rows, so that what a
    /// thread converts is what it computed or will read; else blocks of the wider layout, as kernels share out channels.
    /// </summary>
    private readonly struct Units
    {
        private const int ChunkPixels = 64, MinimumChunks = 4;

        private readonly ImageShape _image;
        private readonly int _unitChannels;
        private readonly int _blocks;
        private readonly int _chunks;

        public Units(ImageShape image, ActivationLayout from, ActivationLayout to)
        {
            _image = image;
            _unitChannels = Math.Max(from.Block, to.Block);
            _blocks = (image.Channels + _unitChannels - 1) / _unitChannels;
            _chunks = (image.Pixels + ChunkPixels - 1) / ChunkPixels;
            ByPixels = _chunks >= MinimumChunks;
        }

        public bool ByPixels { get; }

        public int PerImage => ByPixels ? _chunks : _blocks;

        public int Count => _image.Batch * PerImage;

        /// <summary>Channels and pixels of some units of one image.</summary>
        public ChannelBlocks.Part Part(int first, int end) => ByPixels
            ? new(0, _blocks * _unitChannels, first * ChunkPixels, Math.Min(_image.Pixels, end * ChunkPixels))
            : new(first * _unitChannels, end * _unitChannels, 0, _image.Pixels);
    }

    private sealed unsafe class ReorderStep(PlanValue value, ActivationLayout from, ActivationLayout to, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, new Units(value.Image!.Value, from, to).Count, Bytes(value)), IMovableStep
    {
        private readonly ImageShape _image = value.Image!.Value;
        private readonly Units _units = new(value.Image!.Value, from, to);
        private readonly int _from = from.Block;
        private readonly int _to = to.Block;
        private float* _source = (float*)buffers.Inputs[0];
        private float* _target = (float*)buffers.Outputs[0];

        public bool CanMoveInput(int input) => true;

        public bool CanMoveOutput => true;

        public void MoveInput(nint address) => _source = (float*)address;

        public void MoveOutput(nint address) => _target = (float*)address;

        protected override void RunUnits(int first, int end)
        {
            long sourceImage = Padded(_from);
            long targetImage = Padded(_to);
            while (first < end)
            {
                (int n, int unit) = Math.DivRem(first, _units.PerImage);
                int stop = Math.Min(_units.PerImage, unit + end - first);
                ChannelBlocks.Part part = _units.Part(unit, stop);
                float* source = _source + (n * sourceImage);
                float* target = _target + (n * targetImage);
                if (_from == 1) ChannelBlocks.Pack(source, target, _image.Channels, _image.Pixels, _to, part);
                else if (_to == 1) ChannelBlocks.Unpack(source, target, _image.Channels, _image.Pixels, _from, part);
                else ChannelBlocks.Repack(source, _from, target, _to, _image.Channels, _image.Pixels, part);
                first += stop - unit;
            }
        }

        private long Padded(int block) => (long)new ActivationLayout(block).PaddedChannels(_image.Channels) * _image.Pixels;
    }
}
