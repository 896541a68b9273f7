using System.Globalization;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>How the second operand of a <see cref="BinaryOperation"/> is spread over the first.</summary>
internal enum Broadcast
{
    /// <summary>Element by element.</summary>
    None,

    /// <summary>One value for all.</summary>
    Scalar,

    /// <summary>One value per channel, of each image or of all.</summary>
    Channel,
}

/// <summary>A function of two activations, or of an activation and one value per channel, then an optional clamp.</summary>
internal sealed class BinaryOperation(string node, string op, BinaryFunction function, Broadcast broadcast) : Operation(node, op)
{
    public BinaryFunction Function { get; } = function;

    public Broadcast Broadcast { get; } = broadcast;

    /// <summary>Bounds of the clamp; infinite for none.</summary>
    public (float Minimum, float Maximum) Clamp { get; set; } = (float.NegativeInfinity, float.PositiveInfinity);

    public bool HasClamp => Clamp != (float.NegativeInfinity, float.PositiveInfinity);

    public override string Attributes =>
        string.Create(CultureInfo.InvariantCulture, $"{Function},{Broadcast},[{Clamp.Minimum:R},{Clamp.Maximum:R}]");

    public override bool MayOverwrite(int input) => input == 0 || Broadcast == Broadcast.None;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        if (Broadcast != Broadcast.Scalar) return StepCost.AnyLayout(this, "simd");
        double time = StepCost.Streaming(StepCost.Bytes(this));
        ActivationLayout plain = ActivationLayout.Nchw;
        var rowMajor = new StepVariant("simd", [plain, plain], [plain], time);
        return Outputs[0].Image is null
            ? [rowMajor]
            : [.. StepCost.Blocked.Select(layout => new StepVariant("simd", [layout, plain], [layout], time)), rowMajor];
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        ActivationLayout layout = variant.Outputs[0];
        return new PreparedStep(buffers => new BinaryStep(this, layout, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.combine");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        (int channels, int pixels) = Outputs[0].Image is { } image ? (image.Channels, image.Pixels) : (1, Outputs[0].Shape.Count);
        return new PreparedStep(buffers => new LaunchStep(DeviceOperators.Binary(
            variant.Device!.Device, Function, Clamp, buffers.DeviceInputs[0], buffers.DeviceInputs[1], buffers.DeviceOutputs[0], channels, pixels)));
    }

    private bool KeepsZero => Clamp.Minimum <= 0 && Clamp.Maximum >= 0 && Binary.KeepsZero(Function)
        && (Broadcast != Broadcast.Scalar || Function is BinaryFunction.Multiply or BinaryFunction.PRelu);

    /// <summary>
    /// Units are rows of adjacent elements that share one second operand: all elements in pieces, one plane for a
    /// row-major channel, one channel block for a blocked one.
    /// </summary>
    private sealed unsafe class BinaryStep : PartitionedStep
    {
        private const int Piece = 1024;

        private readonly BinaryOperation _operation;
        private readonly ActivationLayout _layout;
        private readonly ImageShape _image;
        private readonly int _count;
        private readonly int _secondBatchStride;
        private readonly float* _first;
        private readonly float* _second;
        private readonly float* _output;

        public BinaryStep(BinaryOperation operation, ActivationLayout layout, StepBuffers buffers)
            : base(buffers.Workers, Units(operation, layout), 3 * operation.Outputs[0].Bytes(layout))
        {
            _operation = operation;
            _layout = layout;
            _image = operation.Outputs[0].Image ?? default;
            _count = (int)(operation.Outputs[0].Bytes(layout) / sizeof(float));
            _first = (float*)buffers.Inputs[0];
            _second = (float*)buffers.Inputs[1];
            _output = (float*)buffers.Outputs[0];
            bool perImage = operation.Broadcast == Broadcast.Channel && operation.Inputs[1].Image!.Value.Batch > 1;
            _secondBatchStride = perImage ? layout.PaddedChannels(_image.Channels) : 0;
        }

        protected override void RunUnits(int first, int end)
        {
            if (_operation.Broadcast != Broadcast.Channel) RunPieces(first, end);
            else if (_layout.IsNchw) RunPlanes(first, end);
            else RunBlocks(first, end);
            if (!_layout.IsNchw && !_operation.KeepsZero)
                ChannelBlocks.ClearPadding(_output, _image.Batch, _image.Channels, _image.Pixels, _layout);
        }

        private static int Units(BinaryOperation operation, ActivationLayout layout)
        {
            if (!layout.IsNchw && !operation.KeepsZero) return 1;
            if (operation.Broadcast != Broadcast.Channel) return (int)((operation.Outputs[0].Bytes(layout) / sizeof(float)) + Piece - 1) / Piece;
            ImageShape image = operation.Outputs[0].Image!.Value;
            return image.Batch * layout.PaddedChannels(image.Channels) / layout.Block;
        }

        private void RunPieces(int first, int end)
        {
            int start = first * Piece;
            int length = IsWhole(first, end) ? _count : Math.Min(_count, end * Piece) - start;
            var x = new ReadOnlySpan<float>(_first + start, length);
            var z = new Span<float>(_output + start, length);
            if (_operation.Broadcast == Broadcast.Scalar) Binary.Run(_operation.Function, x, *_second, z);
            else if (_operation.Function == BinaryFunction.Add && _operation.HasClamp)
            {
                Binary.AddClamp(x, new ReadOnlySpan<float>(_second + start, length), _operation.Clamp.Minimum, _operation.Clamp.Maximum, z);
                return;
            }
            else Binary.Run(_operation.Function, x, new ReadOnlySpan<float>(_second + start, length), z);

            ApplyClamp(z);
        }

        private void RunPlanes(int first, int end)
        {
            if (IsWhole(first, end)) end = _image.Batch * _image.Channels;
            for (int plane = first; plane < end; plane++)
            {
                (int n, int channel) = Math.DivRem(plane, _image.Channels);
                long start = (long)plane * _image.Pixels;
                var z = new Span<float>(_output + start, _image.Pixels);
                float value = _second[(n * _secondBatchStride) + channel];
                Binary.Run(_operation.Function, new ReadOnlySpan<float>(_first + start, _image.Pixels), value, z);
                ApplyClamp(z);
            }
        }

        private void RunBlocks(int first, int end)
        {
            int blocks = _layout.PaddedChannels(_image.Channels) / _layout.Block;
            if (IsWhole(first, end)) end = _image.Batch * blocks;
            for (int unit = first; unit < end; unit++)
            {
                (int n, int block) = Math.DivRem(unit, blocks);
                long start = (long)unit * _image.Pixels * _layout.Block;
                var values = new ReadOnlySpan<float>(_second + (n * _secondBatchStride) + (block * _layout.Block), _layout.Block);
                for (int pixel = 0; pixel < _image.Pixels; pixel++)
                {
                    long at = start + ((long)pixel * _layout.Block);
                    Binary.Run(_operation.Function, new ReadOnlySpan<float>(_first + at, _layout.Block), values, new Span<float>(_output + at, _layout.Block));
                }

                ApplyClamp(new Span<float>(_output + start, _image.Pixels * _layout.Block));
            }
        }

        // A step that clears padding afterwards is one unit that covers everything.
        private bool IsWhole(int first, int end) => first == 0 && end == 1 && !_layout.IsNchw && !_operation.KeepsZero;

        private void ApplyClamp(Span<float> z)
        {
            if (_operation.HasClamp) Unary.Run(UnaryFunction.Clamp, _operation.Clamp.Minimum, _operation.Clamp.Maximum, z, z);
        }
    }
}
