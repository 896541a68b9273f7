namespace CoInference.Agent.Environments;

/// <summary>What one step of an episode decides.</summary>
public enum StepKind
{
    /// <summary>Sparsity of a group of layers.</summary>
    Sparsity,

    /// <summary>Share of the feature's channels that are not sent.</summary>
    Bottleneck,

    /// <summary>Width of the quantizer: share of the eight bits that are saved.</summary>
    Bits,
}

/// <summary>One step of an episode and what an agent may know about it beforehand.</summary>
/// <param name="Name">Group, or the codec's parameter, that is decided.</param>
/// <param name="Kind">What is decided.</param>
/// <param name="Levels">
/// Actions that can be realised, ascending in [0, 1]: the first compresses nothing, the last as far as is allowed. At least one.
/// </param>
/// <param name="Layer">Size of the layer or feature decided about.</param>
/// <param name="DenseMs">Time, in milliseconds, of the layers decided about (or of codec and wire) when nothing is compressed.</param>
public sealed record DecisionStep(string Name, StepKind Kind, IReadOnlyList<double> Levels, LayerFeatures Layer, double DenseMs)
{
    /// <summary>The level whose action is nearest to <paramref name="action"/>; of two, the less compressing one.</summary>
    public int Nearest(double action)
    {
        int best = 0;
        for (int level = 1; level < Levels.Count; level++)
        {
            if (Math.Abs(Levels[level] - action) < Math.Abs(Levels[best] - action)) best = level;
        }

        return best;
    }

    /// <summary>The most compressing level whose action does not exceed <paramref name="action"/>; 0 when none does.</summary>
    public int AtMost(double action)
    {
        int level = Levels.Count - 1;
        while (level > 0 && Levels[level] > action) level--;
        return level;
    }
}

/// <summary>Sizes of a layer, as the agent sees them.</summary>
/// <param name="InChannels">Input channels.</param>
/// <param name="OutChannels">Output channels.</param>
/// <param name="Height">Output height.</param>
/// <param name="Width">Output width.</param>
/// <param name="Stride">Stride.</param>
/// <param name="Kernel">Kernel height.</param>
public readonly record struct LayerFeatures(int InChannels, int OutChannels, int Height, int Width, int Stride, int Kernel);
