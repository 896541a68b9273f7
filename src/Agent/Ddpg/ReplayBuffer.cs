using CoInference.Agent.Networks;

namespace CoInference.Agent.Ddpg;

/// <summary>The last so many transitions of an agent, in a ring; batches are drawn uniformly, with replacement.</summary>
public sealed class ReplayBuffer
{
    private readonly int _stateWidth;
    private readonly float[] _states, _nextStates, _actions, _rewards, _continues;
    private int _next;

    /// <summary>Creates an empty buffer.</summary>
    /// <param name="capacity">Transitions kept; the oldest goes first.</param>
    /// <param name="stateWidth">Values per state.</param>
    /// <exception cref="ArgumentOutOfRangeException">Either is not positive.</exception>
    public ReplayBuffer(int capacity, int stateWidth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stateWidth);
        (Capacity, _stateWidth) = (capacity, stateWidth);
        (_states, _nextStates) = (new float[capacity * stateWidth], new float[capacity * stateWidth]);
        (_actions, _rewards, _continues) = (new float[capacity], new float[capacity], new float[capacity]);
    }

    /// <summary>Transitions kept at most.</summary>
    public int Capacity { get; }

    /// <summary>Transitions held.</summary>
    public int Count { get; private set; }

    /// <summary>Stores a transition.</summary>
    /// <param name="state">State in which the agent acted.</param>
    /// <param name="action">What it did.</param>
    /// <param name="reward">What it got.</param>
    /// <param name="nextState">State that followed; the same state again when the episode ended.</param>
    /// <param name="terminal">Whether the episode ended.</param>
    /// <exception cref="ArgumentException">A state has another width.</exception>
    public void Add(ReadOnlySpan<float> state, float action, float reward, ReadOnlySpan<float> nextState, bool terminal)
    {
        if (state.Length != _stateWidth || nextState.Length != _stateWidth) throw new ArgumentException($"States of this buffer have {_stateWidth} values, not {state.Length} and {nextState.Length}.");
        state.CopyTo(_states.AsSpan(_next * _stateWidth));
        nextState.CopyTo(_nextStates.AsSpan(_next * _stateWidth));
        (_actions[_next], _rewards[_next], _continues[_next]) = (action, reward, terminal ? 0 : 1);
        _next = (_next + 1) % Capacity;
        Count = Math.Min(Count + 1, Capacity);
    }

    /// <summary>Draws as many transitions as <paramref name="actions"/> holds.</summary>
    /// <param name="random">Source of the indices.</param>
    /// <param name="states">Receives the states, row after row.</param>
    /// <param name="actions">Receives the actions.</param>
    /// <param name="rewards">Receives the rewards.</param>
    /// <param name="nextStates">Receives the states that followed.</param>
    /// <param name="continues">Receives 0 where the episode ended, else 1.</param>
    /// <exception cref="InvalidOperationException">The buffer is empty.</exception>
    public void Sample(RandomSource random, Span<float> states, Span<float> actions, Span<float> rewards, Span<float> nextStates, Span<float> continues)
    {
        if (Count == 0) throw new InvalidOperationException("The replay buffer is empty.");
        for (int row = 0; row < actions.Length; row++)
        {
            int index = random.NextIndex(Count);
            _states.AsSpan(index * _stateWidth, _stateWidth).CopyTo(states[(row * _stateWidth)..]);
            _nextStates.AsSpan(index * _stateWidth, _stateWidth).CopyTo(nextStates[(row * _stateWidth)..]);
            (actions[row], rewards[row], continues[row]) = (_actions[index], _rewards[index], _continues[index]);
        }
    }

    /// <summary>Writes the transitions held.</summary>
    public void Save(BinaryWriter writer)
    {
        writer.Write(Count);
        writer.Write(_next);
        ParameterFile.Write(writer, _states.AsSpan(0, Count * _stateWidth));
        ParameterFile.Write(writer, _nextStates.AsSpan(0, Count * _stateWidth));
        ParameterFile.Write(writer, _actions.AsSpan(0, Count));
        ParameterFile.Write(writer, _rewards.AsSpan(0, Count));
        ParameterFile.Write(writer, _continues.AsSpan(0, Count));
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The stored buffer does not fit this one.</exception>
    public void Restore(BinaryReader reader)
    {
        int count = reader.ReadInt32(), next = reader.ReadInt32();
        if (count < 0 || count > Capacity || next < 0 || next >= Capacity) throw new InvalidDataException($"Stored replay buffer of {count} transitions at {next} does not fit {Capacity}.");
        (Count, _next) = (count, next);
        ParameterFile.Read(reader, _states.AsSpan(0, count * _stateWidth));
        ParameterFile.Read(reader, _nextStates.AsSpan(0, count * _stateWidth));
        ParameterFile.Read(reader, _actions.AsSpan(0, count));
        ParameterFile.Read(reader, _rewards.AsSpan(0, count));
        ParameterFile.Read(reader, _continues.AsSpan(0, count));
    }
}
