using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// Convolutions that sum over input channels. One with several groups that is not depthwise is computed as a dense one
/// whose weights between groups are zero.
/// </summary>
internal sealed unsafe class DenseConvGradient<TSimd, TVector, TLanes> : ConvGradient
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    /// <summary>Input and gradient rows that are worked on together for all taps: they stay in the first-level cache.</summary>
    private const int StripBytes = 32 * 1024;

    private readonly DenseSweep<TSimd, TVector, TLanes> _forward;
    private readonly DenseSweep<TSimd, TVector, TLanes>[] _backward;
    private readonly nint[] _tapOffsets;
    private readonly float[] _dense;
    private readonly ChannelBounds _unbounded;

    public DenseConvGradient(ConvGradientShape shape, MapGeometry input, MapGeometry output, MapGeometry gradient, MapGeometry? inputGradient)
        : base(shape)
    {
        _forward = new(TapSweep.Forward(shape, input, output), shape.InChannels, shape.OutChannels, shape.KernelWidth);
        _backward = inputGradient is not { } wanted ? []
            : [.. TapSweep.Backward(shape, gradient, wanted).Select(Ascending).Select(sweep => new DenseSweep<TSimd, TVector, TLanes>(sweep, shape.OutChannels, shape.InChannels, shape.KernelWidth))];
        _tapOffsets = new nint[shape.Taps];
        for (int tap = 0; tap < _tapOffsets.Length; tap++) _tapOffsets[tap] = TapSweep.InputOffset(shape, input, tap);
        _dense = shape.Groups == 1 ? [] : new float[shape.OutChannels * shape.InChannels * shape.Taps];
        _unbounded = new ChannelBounds(shape, TLanes.Value);
    }

    private int OutBlocks => (Shape.OutChannels + TLanes.Value - 1) / TLanes.Value;

    /// <inheritdoc/>
    public override int SumCount => OutBlocks * Shape.Taps * Shape.InChannels * TLanes.Value;

    /// <inheritdoc/>
    public override void Pack(ReadOnlySpan<float> weights)
    {
        int taps = Shape.Taps;
        if (Shape.Groups > 1)
        {
            int groupInputs = Shape.InChannels / Shape.Groups, groupOutputs = Shape.OutChannels / Shape.Groups;
            for (int output = 0; output < Shape.OutChannels; output++)
            {
                weights.Slice(output * groupInputs * taps, groupInputs * taps)
                    .CopyTo(_dense.AsSpan(((output * Shape.InChannels) + (output / groupOutputs * groupInputs)) * taps));
            }

            weights = _dense;
        }

        _forward.Pack(weights, Shape.InChannels * taps, taps);
        foreach (DenseSweep<TSimd, TVector, TLanes> phase in _backward) phase.Pack(weights, taps, Shape.InChannels * taps);
    }

    /// <inheritdoc/>
    public override void Forward(BorderedMap input, BorderedMap output, int first, int afterLast, ReadOnlySpan<float> bias, float low, float high)
    {
        float* bounds = stackalloc float[3 * _unbounded.Stride];
        _unbounded.Fill(bounds, bias, low, high);
        _forward.Run(input, output, first, afterLast, bounds, _unbounded.Stride, accumulate: false);
    }

    /// <inheritdoc/>
    public override void BackwardInput(BorderedMap gradient, BorderedMap inputGradient, int first, int afterLast, bool accumulate)
    {
        foreach (DenseSweep<TSimd, TVector, TLanes> phase in _backward)
            phase.Run(gradient, inputGradient, first, afterLast, _unbounded.Pointer, _unbounded.Stride, accumulate);
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void BackwardWeights(BorderedMap input, BorderedMap gradient, int first, int afterLast, Span<float> sums)
    {
        int lanes = TLanes.Value;
        nint rowBytes = (input.RowStride * Shape.StrideY) + gradient.RowStride;
        int strip = (int)Math.Clamp(StripBytes / sizeof(float) / rowBytes, 1, Shape.OutHeight);
        fixed (float* target = sums)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int row = 0; row < Shape.OutHeight; row += strip)
                {
                    for (int inputBlock = 0; inputBlock < input.Blocks; inputBlock++)
                    {
                        int channels = Math.Min(lanes, Shape.InChannels - (inputBlock * lanes));
                        delegate*<WeightGradientRows*, void> kernel = WeightGradientTiles<TSimd, TVector>.Get(channels);
                        for (int outBlock = 0; outBlock < OutBlocks; outBlock++)
                        {
                            var rows = new WeightGradientRows
                            {
                                Gradient = gradient.Plane(image, outBlock) + (row * gradient.RowStride),
                                InputPitch = (nint)Shape.StrideX * lanes,
                                InputRowStep = Shape.StrideY * input.RowStride,
                                GradientRowStep = gradient.RowStride,
                                Pixels = Shape.OutWidth,
                                Rows = Math.Min(strip, Shape.OutHeight - row),
                            };
                            float* start = input.Plane(image, inputBlock) + (row * rows.InputRowStep);
                            for (int tap = 0; tap < _tapOffsets.Length; tap++)
                            {
                                rows.Input = start + _tapOffsets[tap];
                                rows.Sums = target + ((nint)((((outBlock * _tapOffsets.Length) + tap) * Shape.InChannels) + (inputBlock * lanes)) * lanes);
                                kernel(&rows);
                            }
                        }
                    }
                }
            }
        }

        GC.KeepAlive(input);
        GC.KeepAlive(gradient);
    }

    /// <inheritdoc/>
    public override void Unpack(ReadOnlySpan<float> sums, Span<float> gradients)
    {
        int lanes = TLanes.Value, taps = Shape.Taps;
        int groupInputs = Shape.InChannels / Shape.Groups, groupOutputs = Shape.OutChannels / Shape.Groups;
        for (int output = 0; output < Shape.OutChannels; output++)
        {
            int firstInput = output / groupOutputs * groupInputs;
            for (int input = 0; input < groupInputs; input++)
            {
                int source = (((output / lanes * taps * Shape.InChannels) + firstInput + input) * lanes) + (output % lanes);
                int target = ((output * groupInputs) + input) * taps;
                for (int tap = 0; tap < taps; tap++, source += Shape.InChannels * lanes) gradients[target + tap] = sums[source];
            }
        }
    }

    /// <summary>Taps by rising offset, so that neighbouring ones are recognised.</summary>
    private static TapSweep Ascending(TapSweep sweep)
    {
        int[] order = [.. Enumerable.Range(0, sweep.Taps.Length).OrderBy(tap => sweep.Offsets[tap])];
        return sweep with { Taps = [.. order.Select(tap => sweep.Taps[tap])], Offsets = [.. order.Select(tap => sweep.Offsets[tap])] };
    }
}
