using CoInference.Agent.Environments;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Ddpg;

/// <summary>
/// The DDPG agent as a decider: uniform random actions during the warm-up, then the policy's action under truncated
/// normal noise that decays by the episode. The final reward is given to every step, and the agent learns when the
/// episode has ended.
/// </summary>
/// <remarks>
/// With a teacher, some episodes are the teacher's: demonstrations that go into the same replay buffer, after Vecerik et
/// al., "Leveraging Demonstrations for Deep Reinforcement Learning" (2017). The teacher sees those of the agent's episodes that
/// earned more than any before: its model of single changes holds near the best plan, and far ones would spoil it.
/// </remarks>
public sealed class DdpgDecider : IDecider
{
    private readonly DdpgOptions _options;
    private readonly RandomSource _random;
    private readonly DdpgAgent _agent;
    private readonly IDecider? _teacher;
    private double _bestReward = double.NegativeInfinity;
    private int _episodes;
    private bool _demonstrates;

    /// <summary>Creates an untrained decider.</summary>
    /// <param name="stateWidth">Values per state.</param>
    /// <param name="steps">Steps of an episode.</param>
    /// <param name="options">Constants.</param>
    /// <param name="seed">Seed of weights, noise and batches.</param>
    /// <param name="initialAction">Action near which the untrained policy lies, in (0, 1).</param>
    /// <param name="teacher">Decides the episodes of <see cref="DdpgOptions.DemonstrationShare"/>; null for none.</param>
    public DdpgDecider(int stateWidth, int steps, DdpgOptions options, long seed, double initialAction = 0.5, IDecider? teacher = null)
    {
        (_options, _teacher) = (options, teacher);
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
        // Drawn even where the teacher has nothing left, so that what it tried does not shift the agent's own draws.
        bool drawn = _random.NextUniform() < _options.DemonstrationShare;
        _demonstrates = drawn && _teacher is { Exhausted: false };
        if (_demonstrates) _teacher!.BeginEpisode();
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state)
    {
        if (_demonstrates) return _teacher!.Propose(index, state);
        if (_episodes < _options.WarmUpEpisodes) return _random.NextUniform();
        double deviation = _options.InitialNoise * Math.Pow(_options.NoiseDecay, _episodes - _options.WarmUpEpisodes);
        return _random.NextTruncatedNormal(_agent.Act(state), deviation);
    }

    /// <inheritdoc/>
    public void EndEpisode(Episode episode)
    {
        Store(episode);
        if (_demonstrates) _teacher!.EndEpisode(episode);
        else if (episode.Reward > _bestReward) _teacher?.Learn(episode);
        _bestReward = Math.Max(_bestReward, episode.Reward);
        if (_episodes++ < _options.WarmUpEpisodes) return;
        for (int update = 0; update < _options.UpdatesPerStep * episode.States.Count; update++) _agent.Update();
    }

    /// <summary>Stores the transitions; what others decided is experience too, since the method learns off-policy.</summary>
    public void Learn(Episode episode)
    {
        Store(episode);
        _teacher?.Learn(episode);
        _bestReward = Math.Max(_bestReward, episode.Reward);
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer)
    {
        writer.Write(_episodes);
        writer.Write(_bestReward);
        _random.Save(writer);
        _agent.Save(writer);
        _teacher?.Save(writer);
    }

    /// <inheritdoc/>
    public void Restore(BinaryReader reader)
    {
        _episodes = reader.ReadInt32();
        _bestReward = reader.ReadDouble();
        _random.Restore(reader);
        _agent.Restore(reader);
        _teacher?.Restore(reader);
    }

    private void Store(Episode episode)
    {
        for (int step = 0; step < episode.States.Count; step++)
        {
            bool last = step == episode.States.Count - 1;
            _agent.Observe(episode.States[step], episode.Actions[step], episode.Reward, episode.States[last ? step : step + 1], last);
        }
    }
}
