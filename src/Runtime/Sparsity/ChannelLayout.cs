namespace CoInference.Runtime.Sparsity;

/// <summary>What axis 1 of a tensor consists of: one or more channel spaces, one after another.</summary>
/// <param name="Parts">The spaces in order; several after a concatenation.</param>
/// <param name="Spread">Adjacent positions of the axis that belong to one channel: 1, or height x width after a flatten.</param>
internal sealed record ChannelLayout(IReadOnlyList<ChannelSpace> Parts, int Spread = 1)
{
    /// <summary>Creates the layout of a single space.</summary>
    public ChannelLayout(ChannelSpace space)
        : this([space])
    {
    }

    /// <summary>Channels of the original network.</summary>
    public int Channels => Parts.Sum(part => part.Channels);

    /// <summary>Forbids removing any of the channels.</summary>
    public void Fix()
    {
        foreach (ChannelSpace part in Parts) part.Fix();
    }

    /// <summary>Merges the spaces of two tensors that are combined elementwise, or fixes them when their parts do not line up.</summary>
    public static void Merge(ChannelLayout left, ChannelLayout right)
    {
        if (left.Spread != right.Spread || !left.Parts.Select(part => part.Channels).SequenceEqual(right.Parts.Select(part => part.Channels)))
        {
            left.Fix();
            right.Fix();
            return;
        }

        for (int i = 0; i < left.Parts.Count; i++) ChannelSpace.Merge(left.Parts[i], right.Parts[i]);
    }

    /// <summary>The original positions along the axis that stay, in their new order.</summary>
    /// <param name="kept">Kept channels of a space, in their new order.</param>
    public int[] KeptPositions(Func<ChannelSpace, int[]> kept)
    {
        var positions = new List<int>();
        int offset = 0;
        foreach (ChannelSpace part in Parts)
        {
            foreach (int channel in kept(part))
            {
                for (int s = 0; s < Spread; s++) positions.Add(((offset + channel) * Spread) + s);
            }

            offset += part.Channels;
        }

        return positions.ToArray();
    }

    /// <summary>Whether every channel stays in its place.</summary>
    public bool IsUnchanged(Func<ChannelSpace, int[]> kept) => Parts.All(part => IsIdentity(kept(part), part.Channels));

    /// <summary>Whether <paramref name="kept"/> is 0, 1, ... <paramref name="channels"/> - 1.</summary>
    public static bool IsIdentity(int[] kept, int channels)
    {
        if (kept.Length != channels) return false;
        for (int i = 0; i < kept.Length; i++)
        {
            if (kept[i] != i) return false;
        }

        return true;
    }
}
