using CoInference.Agent.Environments;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Ddpg;

/// <summary>
/// The DDPG agent as a decider: uniform random actions during the warm-up, then the policy's action under truncated
/// normal noise that decays by the episode. The final reward is given to every step, and the agent learns when the
/// episode has ended.
/// </summary>
public sealed class DdpgDecider : IDecider
{
    private readonly DdpgOptions _options;
    private readonly RandomSource _random;
    private readonly DdpgAgent _agent;
    private int _episodes;

    /// <summary>Creates an untrained decider.</summary>
    /// <param name="stateWidth">Values per state.</param>
    /// <param name="steps">Steps of an episode.</param>
    /// <param name="options">Constants.</param>
    /// <param name="seed">Seed of weights, noise and batches.</param>
    /// <param name="initialAction">Action near which the untrained policy lies, in (0, 1).</param>
    public DdpgDecider(int stateWidth, int steps, DdpgOptions options, long seed, double initialAction = 0.5)
    {
        _options = options;
        _random = new RandomSource(seed);
        _agent = new DdpgAgent(stateWidth, steps, options, _random, initialAction);
    }

    /// <inheritdoc/>
    public string Name => "ddpg";

    /// <inheritdoc/>
    public bool Exhausted => false;

    /// <inheritdoc/>
    public void BeginEpisode()
    {
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state)
    {
        if (_episodes < _options.WarmUpEpisodes) return _random.NextUniform();
        double deviation = _options.InitialNoise * Math.Pow(_options.NoiseDecay, _episodes - _options.WarmUpEpisodes);
        return _random.NextTruncatedNormal(_agent.Act(state), deviation);
    }

    /// <inheritdoc/>
    public void EndEpisode(Episode episode)
    {
        Learn(episode);
        if (_episodes++ < _options.WarmUpEpisodes) return;
        for (int update = 0; update < _options.UpdatesPerStep * episode.States.Count; update++) _agent.Update();
    }

    /// <summary>Stores the transitions; what others decided is experience too, since the method learns off-policy.</summary>
    public void Learn(Episode episode)
    {
        for (int step = 0; step < episode.States.Count; step++)
        {
            bool last = step == episode.States.Count - 1;
            _agent.Observe(episode.States[step], episode.Actions[step], episode.Reward, episode.States[last ? step : step + 1], last);
        }
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer)
    {
        writer.Write(_episodes);
        _random.Save(writer);
        _agent.Save(writer);
    }

    /// <inheritdoc/>
    public void Restore(BinaryReader reader)
    {
        _episodes = reader.ReadInt32();
        _random.Restore(reader);
        _agent.Restore(reader);
    }
}
