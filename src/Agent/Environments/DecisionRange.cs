using CoInference.Runtime.Sparsity;

namespace CoInference.Agent.Environments;

/// <summary>What may be decided at a cut.</summary>
public sealed record DecisionRange
{
    /// <summary>Channel counts are multiples of this.</summary>
    public int ChannelMultiple { get; init; } = PrunerOptions.DefaultChannelMultiple;

    /// <summary>Largest sparsity of a group whose channels are removed; AMC's bound for convolutions.</summary>
    public double MaximumChannelSparsity { get; init; } = 0.8;

    /// <summary>Whether branches of residual sums may be removed altogether, whatever the largest sparsity of a group.</summary>
    public bool RemovesBranches { get; init; } = true;

    /// <summary>Largest sparsity of a group whose blocks or single weights are removed.</summary>
    public double MaximumWeightSparsity { get; init; } = 0.95;

    /// <summary>Smallest quantizer width, 1 to 8.</summary>
    public int MinimumBits { get; init; } = 1;

    /// <summary>Bottleneck ratios tried between all channels and one.</summary>
    public int BottleneckLevels { get; init; } = 16;

    /// <summary>Whether the entropy coder may replace plain packing where it wins.</summary>
    public bool EntropyCoding { get; init; } = true;

    /// <summary>Throws when a bound is out of range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The message names the bound.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ChannelMultiple, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BottleneckLevels, 1);
        if (MinimumBits is < 1 or > 8) throw new ArgumentOutOfRangeException(nameof(MinimumBits), MinimumBits, "MinimumBits must be 1 to 8.");
        if (!(MaximumChannelSparsity is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(MaximumChannelSparsity), MaximumChannelSparsity, "MaximumChannelSparsity must lie in [0, 1).");
        if (!(MaximumWeightSparsity is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(MaximumWeightSparsity), MaximumWeightSparsity, "MaximumWeightSparsity must lie in [0, 1).");
    }
}
