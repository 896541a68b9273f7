using CoInference.Kernels.Registry;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Sparsity;

/// <summary>A layer with weights that a group decides about.</summary>
/// <param name="Node">Name of the node.</param>
/// <param name="Shape">Its shape for one image; a fully connected layer is a 1x1 convolution of one pixel.</param>
public sealed record PrunableLayer(string Node, ConvShape Shape);

/// <summary>Layers whose sparsity is one decision.</summary>
/// <param name="Name">Name of the first layer.</param>
/// <param name="Form">
/// What a decision removes: <see cref="WeightForm.Dense"/> whole output channels of all layers of the group,
/// <see cref="WeightForm.Block"/> vectors of output channels at one input tap, <see cref="WeightForm.Unstructured"/> single weights.
/// </param>
/// <param name="Layers">The layers in graph order; several only for <see cref="WeightForm.Dense"/>.</param>
/// <param name="Channels">Output channels of each layer.</param>
/// <param name="Units">What can be removed one by one: channels, blocks, or weights.</param>
public sealed record PrunableGroup(string Name, WeightForm Form, IReadOnlyList<PrunableLayer> Layers, int Channels, int Units)
{
    /// <summary>
    /// The value that is left without the branch whose channels these are, when the branch adds to it and does nothing else:
    /// then all channels can go, and the branch with them. Null when at least one channel has to stay.
    /// </summary>
    public string? Sum { get; init; }

    /// <summary>
    /// Turns a wanted sparsity into one that can be realised. For channels the kept number is rounded up to
    /// <paramref name="channelMultiple"/>, and at least one multiple (or all channels of a narrower layer) stays, unless
    /// the sparsity is 1 and the group is a branch that can go (<see cref="Sum"/>). For the other forms the number of
    /// removed units is rounded down and at least one unit stays.
    /// </summary>
    /// <param name="sparsity">Wanted share to remove, 0 to 1.</param>
    /// <param name="channelMultiple">Channel counts that the device's kernels like, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The sparsity is outside [0, 1], or the multiple is below 1.</exception>
    public GroupDecision Decide(double sparsity, int channelMultiple = PrunerOptions.DefaultChannelMultiple)
    {
        if (!(sparsity >= 0 && sparsity <= 1)) throw new ArgumentOutOfRangeException(nameof(sparsity), sparsity, "A sparsity lies between 0 and 1.");
        ArgumentOutOfRangeException.ThrowIfLessThan(channelMultiple, 1);

        // A little slack, so that 0.3 of 10 channels is 3 whatever its last binary digit.
        const double Slack = 1e-9;
        if (Form != WeightForm.Dense)
        {
            int removed = Math.Min(Units - 1, (int)((sparsity * Units) + Slack));
            return new GroupDecision(Name, Form, (double)removed / Units, Channels, Channels);
        }

        int wanted = (int)Math.Ceiling(((1 - sparsity) * Channels) - Slack);
        if (wanted == 0 && Sum is not null) return new GroupDecision(Name, Form, 1, 0, Channels);
        int rounded = (wanted + channelMultiple - 1) / channelMultiple * channelMultiple;
        int kept = Math.Min(Channels, Math.Max(rounded, channelMultiple));
        return new GroupDecision(Name, Form, 1 - ((double)kept / Channels), kept, Channels);
    }
}
