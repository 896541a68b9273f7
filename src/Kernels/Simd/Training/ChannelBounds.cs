using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>Bias, lower and upper bound per channel as micro-kernels read them, each a run of <see cref="Stride"/> floats; those of this object bound nothing.</summary>
internal sealed unsafe class ChannelBounds
{
    private readonly AlignedBuffer _buffer;

    /// <param name="shape">The convolution.</param>
    /// <param name="lanes">Channels of a block.</param>
    public ChannelBounds(ConvGradientShape shape, int lanes)
    {
        Stride = (Math.Max(shape.InChannels, shape.OutChannels) + lanes - 1) / lanes * lanes;
        _buffer = new AlignedBuffer(3L * Stride * sizeof(float));
        Fill(Pointer, [], float.NegativeInfinity, float.PositiveInfinity);
    }

    /// <summary>Floats between the runs: the channels of the wider side, in whole blocks.</summary>
    public int Stride { get; }

    /// <summary>No bias and no bounds; valid while the object is reachable.</summary>
    public float* Pointer => (float*)_buffer.Pointer;

    /// <summary>Writes three runs.</summary>
    public void Fill(float* bounds, ReadOnlySpan<float> bias, float low, float high)
    {
        // Lanes beyond the last channel stay exactly zero: their weights are zero, and zero lies within every bound that is used.
        var runs = new Span<float>(bounds, 3 * Stride);
        runs[..Stride].Clear();
        bias[..Math.Min(bias.Length, Stride)].CopyTo(runs);
        runs.Slice(Stride, Stride).Fill(low);
        runs[(2 * Stride)..].Fill(high);
    }
}
