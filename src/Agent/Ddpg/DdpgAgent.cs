using System.Numerics.Tensors;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Ddpg;

/// <summary>
/// Deep deterministic policy gradient (Lillicrap et al., 2016) for one continuous action in [0, 1] per step, as AMC
/// (He et al., ECCV 2018) uses it. Knows only vectors and rewards.
/// </summary>
/// <remarks>
/// Actor: state → ReLU → ReLU → sigmoid. Critic: ReLU(Ws·s + Wa·a) → ReLU → value; the sum of the two products is one
/// layer on the state with the action appended, and so it is stored. Each has a slowly following target copy.
/// </remarks>
public sealed class DdpgAgent
{
    private readonly DdpgOptions _options;
    private readonly int _stateWidth;
    private readonly RandomSource _random;
    private readonly Mlp _actor, _critic, _targetActor, _targetCritic;
    private readonly Adam _actorOptimizer, _criticOptimizer;
    private readonly ReplayBuffer _replay;
    private readonly float[] _states, _actions, _rewards, _nextStates, _continues, _targets, _pairs, _pairGradients, _outputGradients;
    private double _rewardAverage = double.NaN;

    /// <summary>Creates an untrained agent.</summary>
    /// <param name="stateWidth">Values per state.</param>
    /// <param name="stepsPerEpisode">Steps of one episode; sizes the replay buffer.</param>
    /// <param name="options">Constants.</param>
    /// <param name="random">Source of weights, noise and batches.</param>
    /// <param name="initialAction">Action near which the untrained policy lies, in (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, a constant is outside its range, or the initial action is not in (0, 1).</exception>
    public DdpgAgent(int stateWidth, int stepsPerEpisode, DdpgOptions options, RandomSource random, double initialAction = 0.5)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stateWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stepsPerEpisode);
        if (!(initialAction is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(initialAction), initialAction, "The initial action must lie in (0, 1).");
        options.Validate();
        (_stateWidth, _options, _random) = (stateWidth, options, random);
        int batch = options.BatchSize;
        int[] actorWidths = [stateWidth, options.FirstHidden, options.SecondHidden, 1];
        int[] criticWidths = [stateWidth + 1, options.FirstHidden, options.SecondHidden, 1];
        (_actor, _targetActor) = (new Mlp(actorWidths, OutputActivation.Sigmoid, batch, random), new Mlp(actorWidths, OutputActivation.Sigmoid, batch, random));
        (_critic, _targetCritic) = (new Mlp(criticWidths, OutputActivation.Linear, batch, random), new Mlp(criticWidths, OutputActivation.Linear, batch, random));
        _actor.OutputBiases[0] += (float)Math.Log(initialAction / (1 - initialAction));
        _targetActor.CopyFrom(_actor);
        _targetCritic.CopyFrom(_critic);
        _actorOptimizer = new Adam(_actor.Parameters.Length, options.ActorRate);
        _criticOptimizer = new Adam(_critic.Parameters.Length, options.CriticRate);
        _replay = new ReplayBuffer(options.ReplayEpisodes * stepsPerEpisode, stateWidth);
        (_states, _nextStates) = (new float[batch * stateWidth], new float[batch * stateWidth]);
        (_pairs, _pairGradients) = (new float[batch * (stateWidth + 1)], new float[batch * (stateWidth + 1)]);
        (_actions, _rewards, _continues, _targets, _outputGradients) = (new float[batch], new float[batch], new float[batch], new float[batch], new float[batch]);
    }

    /// <summary>Transitions in the replay buffer.</summary>
    public int Transitions => _replay.Count;

    /// <summary>The policy's action for a state, without noise.</summary>
    /// <exception cref="ArgumentException">The state has another width.</exception>
    public double Act(ReadOnlySpan<float> state) => _actor.Forward(state, 1)[0];

    /// <summary>The critic's value of an action in a state.</summary>
    /// <exception cref="ArgumentException">The state has another width.</exception>
    public double Value(ReadOnlySpan<float> state, double action)
    {
        if (state.Length != _stateWidth) throw new ArgumentException($"States of this agent have {_stateWidth} values, not {state.Length}.", nameof(state));
        Pair(state, [(float)action], 1);
        return _critic.Forward(_pairs.AsSpan(0, _stateWidth + 1), 1)[0];
    }

    /// <summary>Stores a transition for later updates.</summary>
    /// <exception cref="ArgumentException">A state has another width.</exception>
    public void Observe(ReadOnlySpan<float> state, double action, double reward, ReadOnlySpan<float> nextState, bool terminal) =>
        _replay.Add(state, (float)action, (float)reward, nextState, terminal);

    /// <summary>
    /// One step of critic and actor on a random batch: the critic towards r − b + γ·Q'(s', μ'(s')), where b is the moving
    /// average of batch rewards; the actor up the critic's slope; the targets a little after both.
    /// </summary>
    /// <exception cref="InvalidOperationException">Nothing was observed yet.</exception>
    public void Update()
    {
        int batch = _options.BatchSize;
        _replay.Sample(_random, _states, _actions, _rewards, _nextStates, _continues);
        double mean = TensorPrimitives.Sum<float>(_rewards) / batch;
        _rewardAverage = double.IsNaN(_rewardAverage) ? mean : _rewardAverage + (_options.RewardAverageRate * (mean - _rewardAverage));

        Pair(_nextStates, _targetActor.Forward(_nextStates, batch), batch);
        ReadOnlySpan<float> nextValues = _targetCritic.Forward(_pairs, batch);
        for (int row = 0; row < batch; row++)
            _targets[row] = _rewards[row] - (float)_rewardAverage + ((float)_options.Discount * _continues[row] * nextValues[row]);

        Pair(_states, _actions, batch);
        ReadOnlySpan<float> values = _critic.Forward(_pairs, batch);
        for (int row = 0; row < batch; row++) _outputGradients[row] = 2f / batch * (values[row] - _targets[row]);
        _critic.ClearGradients();
        _critic.Backward(_outputGradients, []);
        _criticOptimizer.Step(_critic.Parameters, _critic.Gradients);

        Pair(_states, _actor.Forward(_states, batch), batch);
        _critic.Forward(_pairs, batch);
        _outputGradients.AsSpan().Fill(-1f / batch);
        _critic.Backward(_outputGradients, _pairGradients, parameters: false);
        for (int row = 0; row < batch; row++) _outputGradients[row] = _pairGradients[(row * (_stateWidth + 1)) + _stateWidth];
        _actor.ClearGradients();
        _actor.Backward(_outputGradients, []);
        _actorOptimizer.Step(_actor.Parameters, _actor.Gradients);

        _targetActor.MoveTowards(_actor, (float)_options.TargetRate);
        _targetCritic.MoveTowards(_critic, (float)_options.TargetRate);
    }

    /// <summary>Writes networks, optimizers, replay buffer and reward average; not the random source, which the caller owns.</summary>
    public void Save(BinaryWriter writer)
    {
        foreach (Mlp network in (ReadOnlySpan<Mlp>)[_actor, _critic, _targetActor, _targetCritic]) network.Save(writer);
        _actorOptimizer.Save(writer);
        _criticOptimizer.Save(writer);
        _replay.Save(writer);
        writer.Write(_rewardAverage);
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The stored agent has other sizes.</exception>
    public void Restore(BinaryReader reader)
    {
        foreach (Mlp network in (ReadOnlySpan<Mlp>)[_actor, _critic, _targetActor, _targetCritic]) network.Restore(reader);
        _actorOptimizer.Restore(reader);
        _criticOptimizer.Restore(reader);
        _replay.Restore(reader);
        _rewardAverage = reader.ReadDouble();
    }

    /// <summary>Lays each state and its action side by side, as the critic reads them.</summary>
    private void Pair(ReadOnlySpan<float> states, ReadOnlySpan<float> actions, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            Span<float> pair = _pairs.AsSpan(row * (_stateWidth + 1), _stateWidth + 1);
            states.Slice(row * _stateWidth, _stateWidth).CopyTo(pair);
            pair[_stateWidth] = actions[row];
        }
    }
}
