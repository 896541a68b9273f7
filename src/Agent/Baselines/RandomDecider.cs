using CoInference.Agent.Environments;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Baselines;

/// <summary>Uniform random actions; the wall does the rest. A strong baseline in pruning, and so never left out.</summary>
public sealed class RandomDecider : IDecider
{
    private readonly RandomSource _random;

    /// <summary>Creates the decider.</summary>
    public RandomDecider(long seed) => _random = new RandomSource(seed);

    /// <inheritdoc/>
    public string Name => "random";

    /// <inheritdoc/>
    public bool Exhausted => false;

    /// <inheritdoc/>
    public void BeginEpisode()
    {
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state) => _random.NextUniform();

    /// <inheritdoc/>
    public void EndEpisode(Episode episode)
    {
    }

    /// <summary>Does nothing: random search learns nothing.</summary>
    public void Learn(Episode episode)
    {
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer) => _random.Save(writer);

    /// <inheritdoc/>
    public void Restore(BinaryReader reader) => _random.Restore(reader);
}
