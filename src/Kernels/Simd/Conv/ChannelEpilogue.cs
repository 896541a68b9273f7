using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Bias and bounds of every output channel, padded to whole blocks. The padding channels have bounds 0 and 0, so that
/// they are stored as zero whatever the activation's bounds are.
/// </summary>
internal sealed unsafe class ChannelEpilogue
{
    private readonly AlignedBuffer _values;

    /// <summary>Expands bias and activation.</summary>
    /// <param name="epilogue">What follows the sum.</param>
    /// <param name="bias">One per channel, or empty for none.</param>
    /// <param name="channels">Output channels.</param>
    /// <param name="lanes">Channels per block.</param>
    /// <param name="tileChannels">Channels that a tile may read beyond the first of a block; bounds of an unfinished sum.</param>
    public ChannelEpilogue(Epilogue epilogue, ReadOnlySpan<float> bias, int channels, int lanes, int tileChannels)
    {
        int padded = (channels + lanes - 1) / lanes * lanes;
        int stride = (padded + 15) / 16 * 16;
        int tile = (tileChannels + 15) / 16 * 16;
        _values = new AlignedBuffer(((3L * stride) + (3L * tile)) * sizeof(float));
        Bias = (float*)_values.Pointer;
        Minimum = Bias + stride;
        Maximum = Minimum + stride;
        Zero = Maximum + stride;
        Lowest = Zero + tile;
        Highest = Lowest + tile;
        bool clamps = epilogue.Activation == FusedActivation.Clamp;
        for (int channel = 0; channel < channels; channel++)
        {
            Bias[channel] = bias.IsEmpty ? 0f : bias[channel];
            Minimum[channel] = clamps ? epilogue.Minimum : float.NegativeInfinity;
            Maximum[channel] = clamps ? epilogue.Maximum : float.PositiveInfinity;
        }

        new Span<float>(Lowest, tile).Fill(float.NegativeInfinity);
        new Span<float>(Highest, tile).Fill(float.PositiveInfinity);
    }

    /// <summary>Bias per channel.</summary>
    public float* Bias { get; }

    /// <summary>Lower bound per channel.</summary>
    public float* Minimum { get; }

    /// <summary>Upper bound per channel.</summary>
    public float* Maximum { get; }

    /// <summary>Zeros for one tile: the bias of a sum that continues an earlier one.</summary>
    public float* Zero { get; }

    /// <summary>Minus infinity for one tile: the lower bound of a sum that is not complete.</summary>
    public float* Lowest { get; }

    /// <summary>Plus infinity for one tile.</summary>
    public float* Highest { get; }
}
