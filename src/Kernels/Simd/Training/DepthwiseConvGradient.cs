using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>Convolutions in which every channel is by itself.</summary>
internal sealed unsafe class DepthwiseConvGradient<TSimd, TVector> : ConvGradient
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private readonly TapSweep _forward;
    private readonly List<TapSweep> _backward;
    private readonly nint[] _tapOffsets;
    private readonly AlignedBuffer _weights;

    public DepthwiseConvGradient(ConvGradientShape shape, MapGeometry input, MapGeometry output, MapGeometry gradient, MapGeometry? inputGradient)
        : base(shape)
    {
        _forward = TapSweep.Forward(shape, input, output);
        _backward = inputGradient is { } wanted ? TapSweep.Backward(shape, gradient, wanted) : [];
        _tapOffsets = _forward.Offsets;
        _weights = new AlignedBuffer((long)SumCount * sizeof(float));
    }

    /// <inheritdoc/>
    public override int SumCount => (Shape.OutChannels + TSimd.Lanes - 1) / TSimd.Lanes * Shape.Taps * TSimd.Lanes;

    /// <inheritdoc/>
    public override void Pack(ReadOnlySpan<float> weights)
    {
        // [block][tap][lane]
        float* target = (float*)_weights.Pointer;
        for (int channel = 0; channel < Shape.OutChannels; channel++)
        {
            for (int tap = 0; tap < Shape.Taps; tap++)
                target[(((channel / TSimd.Lanes * Shape.Taps) + tap) * TSimd.Lanes) + (channel % TSimd.Lanes)] = weights[(channel * Shape.Taps) + tap];
        }
    }

    /// <inheritdoc/>
    public override void Forward(BorderedMap input, BorderedMap output, int first, int afterLast, ReadOnlySpan<float> bias, float low, float high)
    {
        fixed (float* biases = bias)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < output.Blocks; block++)
                {
                    TVector start = bias.IsEmpty ? TSimd.Zero : TSimd.Load(biases + (block * TSimd.Lanes));
                    Sweep(_forward, input.Plane(image, block), output.Plane(image, block), Block(block), start, low, high, accumulate: false);
                }
            }
        }

        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void BackwardInput(BorderedMap gradient, BorderedMap inputGradient, int first, int afterLast, bool accumulate)
    {
        for (int image = first; image < afterLast; image++)
        {
            for (int block = 0; block < gradient.Blocks; block++)
            {
                foreach (TapSweep phase in _backward)
                {
                    Sweep(phase, gradient.Plane(image, block), inputGradient.Plane(image, block), Block(block),
                        TSimd.Zero, float.NegativeInfinity, float.PositiveInfinity, accumulate);
                }
            }
        }

        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void BackwardWeights(BorderedMap input, BorderedMap gradient, int first, int afterLast, Span<float> sums)
    {
        fixed (float* target = sums)
        {
            for (int image = first; image < afterLast; image++)
            {
                for (int block = 0; block < gradient.Blocks; block++)
                {
                    for (int tap = 0; tap < _tapOffsets.Length; tap++)
                    {
                        float* sum = target + (((block * _tapOffsets.Length) + tap) * TSimd.Lanes);
                        TVector total = TapGradient(
                            input.Plane(image, block) + _tapOffsets[tap], Shape.StrideY * input.RowStride, (nint)Shape.StrideX * TSimd.Lanes,
                            gradient.Plane(image, block), gradient.RowStride, Shape.OutHeight, Shape.OutWidth);
                        TSimd.Store(sum, TSimd.Add(TSimd.Load(sum), total));
                    }
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void Unpack(ReadOnlySpan<float> sums, Span<float> gradients)
    {
        for (int channel = 0; channel < Shape.OutChannels; channel++)
        {
            for (int tap = 0; tap < Shape.Taps; tap++)
                gradients[(channel * Shape.Taps) + tap] = sums[(((channel / TSimd.Lanes * Shape.Taps) + tap) * TSimd.Lanes) + (channel % TSimd.Lanes)];
        }
    }

    private float* Block(int block) => (float*)_weights.Pointer + ((nint)block * Shape.Taps * TSimd.Lanes);

    private static void Sweep(TapSweep sweep, float* input, float* output, float* weights, TVector start, float low, float high, bool accumulate)
    {
        TVector least = TSimd.Broadcast(low), most = TSimd.Broadcast(high);
        output += sweep.OutputStart;
        fixed (nint* offsets = sweep.Offsets)
        fixed (int* taps = sweep.Taps)
        {
            for (int row = 0; row < sweep.Rows; row++, input += sweep.InputRowStep, output += sweep.OutputRowStep)
                Row(sweep.Columns, sweep.Taps.Length, offsets, taps, input, sweep.InputPitch, output, sweep.OutputPitch, weights, start, least, most, accumulate);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row(
        int columns, int count, nint* offsets, int* taps, float* input, nint inputPitch, float* output, nint outputPitch, float* weights,
        TVector start, TVector least, TVector most, bool accumulate)
    {
        for (; columns > 0; columns--, input += inputPitch, output += outputPitch)
        {
            TVector sum = accumulate ? TSimd.Add(start, TSimd.Load(output)) : start;
            for (int tap = 0; tap < count; tap++)
                sum = TSimd.MultiplyAdd(TSimd.Load(input + offsets[tap]), TSimd.Load(weights + (taps[tap] * TSimd.Lanes)), sum);
            TSimd.Store(output, TSimd.AtMost(most, TSimd.AtLeast(least, sum)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static TVector TapGradient(float* input, nint inputRowStep, nint inputPitch, float* gradient, nint gradientRowStep, int rows, int columns)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        for (; rows > 0; rows--, input += inputRowStep, gradient += gradientRowStep)
        {
            float* x = input;
            float* g = gradient;
            int left = columns;
            for (; left >= 4; left -= 4, x += 4 * inputPitch, g += 4 * TSimd.Lanes)
            {
                a0 = TSimd.MultiplyAdd(TSimd.Load(x), TSimd.Load(g), a0);
                a1 = TSimd.MultiplyAdd(TSimd.Load(x + inputPitch), TSimd.Load(g + TSimd.Lanes), a1);
                a2 = TSimd.MultiplyAdd(TSimd.Load(x + (2 * inputPitch)), TSimd.Load(g + (2 * TSimd.Lanes)), a2);
                a3 = TSimd.MultiplyAdd(TSimd.Load(x + (3 * inputPitch)), TSimd.Load(g + (3 * TSimd.Lanes)), a3);
            }

            for (; left > 0; left--, x += inputPitch, g += TSimd.Lanes) a0 = TSimd.MultiplyAdd(TSimd.Load(x), TSimd.Load(g), a0);
        }

        return TSimd.Add(TSimd.Add(a0, a1), TSimd.Add(a2, a3));
    }
}
